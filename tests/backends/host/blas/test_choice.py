"""Which matrix product a process uses: by NEONPORT_BLAS, else by what is installed and the CPU."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from neonport.backends.host.blas import choice as blas_choice
from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.blas.choice import Choice
from neonport.backends.host.blas.engines import NumpyEngine
from neonport.backends.host.blas.openblas import find_library
from neonport.errors import ConfigurationError

AVX512 = blas_choice._AVX512
needs_wheel = pytest.mark.skipif(find_library() is None, reason="scipy-openblas32 is not installed")


@pytest.fixture
def used(fresh, monkeypatch):
    """The choices made on a machine with AVX-512 and the wheel; nothing is loaded."""
    made: list[Choice] = []

    def make_engine(choice):
        made.append(choice)
        return NumpyEngine()

    monkeypatch.setattr(blas_choice, "cpu_flags", lambda: AVX512)
    monkeypatch.setattr(blas_choice, "find_library", lambda: "library")
    monkeypatch.setattr(blas_choice, "make_engine", make_engine)
    return made


def product(size=8):
    a, c = np.ones((size, size), np.float32), np.zeros((size, size), np.float32)
    blas.gemm(a, a, c)
    assert (c == size).all()


def test_the_first_product_decides_for_all(used, monkeypatch):
    product()
    monkeypatch.setenv("NEONPORT_BLAS", "numpy")
    product(256)
    assert used == [Choice("openblas", "SKYLAKEX")]


def test_the_variable_forces(used, monkeypatch):
    for text, expected in {
        "numpy": Choice("numpy", None, forced=True),
        "openblas": Choice("openblas", "SKYLAKEX", forced=True),
        "OpenBLAS:haswell": Choice("openblas", "HASWELL", forced=True),
        "openblas:ZEN": Choice("openblas", "ZEN", forced=True),
        "auto": None,
        "": None,
    }.items():
        monkeypatch.setenv("NEONPORT_BLAS", text)
        assert blas_choice.forced_choice() == expected
    monkeypatch.setenv("NEONPORT_BLAS", "openblas:HASWELL")
    product()
    assert used == [Choice("openblas", "HASWELL", forced=True)]


@pytest.mark.parametrize("text", ["mkl", "openblas:", "openblas:COOPERLAKE", "openblas:NONSENSE"])
def test_a_choice_that_cannot_be_is_refused_with_the_way_out(used, monkeypatch, text):
    monkeypatch.setenv("NEONPORT_BLAS", text)
    with pytest.raises(ConfigurationError, match=r"SKYLAKEX|openblas:CORE"):
        product()
    assert used == []


def test_forcing_what_is_not_installed(used, monkeypatch):
    monkeypatch.setattr(blas_choice, "find_library", lambda: None)
    monkeypatch.setenv("NEONPORT_BLAS", "openblas")
    with pytest.raises(ConfigurationError, match="scipy-openblas32"):
        product()


def test_without_the_wheel_numpy_is_used(used, monkeypatch):
    monkeypatch.setattr(blas_choice, "find_library", lambda: None)
    product()
    assert used == [Choice("numpy")]


@pytest.mark.parametrize(
    ("flags", "cores", "default"),
    [
        ({"sse2"}, (), None),
        ({"avx2", "fma"}, ("HASWELL", "ZEN"), None),
        (AVX512, ("HASWELL", "ZEN", "SKYLAKEX"), "SKYLAKEX"),
        (
            AVX512 | {"avx512_bf16", "avx512_vnni"},
            ("HASWELL", "ZEN", "SKYLAKEX", "COOPERLAKE"),
            "SKYLAKEX",
        ),
        ({"asimd", "asimddp"}, ("ARMV8", "NEOVERSEN1"), None),
    ],
)
def test_flags_decide_what_is_plausible(used, monkeypatch, flags, cores, default):
    monkeypatch.setattr(blas_choice, "cpu_flags", lambda: frozenset(flags))
    assert blas_choice.plausible_cores() == cores
    assert blas_choice.default_choice() == Choice("openblas", default)


@needs_wheel
def test_a_library_that_cannot_be_loaded_leaves_numpy(fresh, monkeypatch, caplog, tmp_path):
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr(blas_choice, "find_library", lambda: broken)
    with caplog.at_level(logging.WARNING, "neonport"):
        product()
    assert blas.blas_info()["engine"] == "numpy"
    assert str(broken) in caplog.text


def test_the_log_says_what_was_chosen(fresh, monkeypatch, caplog):
    monkeypatch.setenv("NEONPORT_BLAS", "numpy")
    with caplog.at_level(logging.DEBUG, "neonport"):
        product()
        product()
    assert [r.message for r in caplog.records if "matrix products: numpy" in r.message] == [
        r.message for r in caplog.records
    ]
    assert len(caplog.records) == 1


@needs_wheel
def test_the_description_is_that_of_the_library(fresh, openblas, monkeypatch):
    monkeypatch.setenv("NEONPORT_BLAS", "openblas")
    product()
    info = blas.blas_info()
    assert (info["engine"], info["forced"]) == ("openblas", True)
    assert info["core"] == blas.current_engine().core != ""
    assert info["threads"] >= 1
