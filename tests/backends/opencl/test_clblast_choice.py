"""When products go to CLBlast, and what happens when it fails; a stand-in takes its place."""

from __future__ import annotations

import importlib.util
import logging
from types import SimpleNamespace

import numpy as np
import pytest

from neonport.backends.opencl import clblast, clblast_choice
from neonport.backends.opencl import discovery as devices
from neonport.backends.opencl.device import OpenCLBackend


class StandIn:
    """A library whose products are all ones, or fail with a status."""

    name = "stand-in"

    def __init__(self):
        self.status = 0
        self.calls = 0

    def bind(self, be, a, b, c, alpha, beta):
        def call():
            self.calls += 1
            if self.status == 0:
                c[:] = 1
            return self.status

        return call


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """The stand-in; `seconds` holds what its products and ours take when they are measured."""
    found = StandIn()
    found.seconds, found.measured = {True: 1.0, False: 2.0}, 0

    def seconds_of(be, call):
        before = found.calls
        call()
        theirs = found.calls > before
        found.measured += theirs
        return found.seconds[theirs]

    monkeypatch.setenv("NEONPORT_TUNE", "1")
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NEONPORT_OPENCL_CLBLAST", raising=False)
    monkeypatch.setattr(clblast, "load", lambda: (found, ""))
    monkeypatch.setattr(clblast_choice, "WORTH", 100)
    tuning = clblast_choice.tuning
    monkeypatch.setattr(tuning, "seconds_of", seconds_of)
    monkeypatch.setattr(tuning, "shapes_of", lambda kind: ((8, 8),) * 3)
    monkeypatch.setattr(clblast_choice, "BATCH_SHAPES", ((2, 8, 8),) * 3)
    return found


@pytest.fixture
def fresh(ocl):
    """Makes backends that know nothing yet, without memory that the host shares."""
    made = []

    def make():
        be = OpenCLBackend(rng_seed=0)
        be.device.shared = be.device.blocks.shared = False
        made.append(be)
        return be

    yield make
    for be in made:
        be.cleanup_backend()


def product(be, shape=(20, 20), dtype=np.float32):
    """Sum of a product of twos, divided by its size: 1 by the stand-in, 4 times the depth else."""
    a, c = be.array(np.full(shape, 2), dtype=np.dtype(dtype)), be.empty(shape, dtype=dtype)
    bind = be.device.matmul if len(shape) == 2 else be.device.batched_matmul
    bind(a, a, c, *((1.0, 0.0) if len(shape) == 2 else ()))()
    return float(c.get().astype(np.float64).mean())


def test_the_faster_one_is_chosen_once_and_found_again(stand_in, fresh):
    be = fresh()
    assert product(be) == product(be) == 1
    assert stand_in.measured == 1
    stand_in.seconds = {True: 9.0, False: 1.0}  # whatever would be measured now
    assert product(fresh()) == 1
    assert stand_in.measured == 1


@pytest.mark.parametrize("theirs", [2.0, 1.9])
def test_one_that_is_not_clearly_faster_is_not(stand_in, fresh, theirs):
    stand_in.seconds[True] = theirs
    assert product(fresh()) == 80
    assert stand_in.measured == 1


def test_classes_are_measured_apart(stand_in, fresh):
    be = fresh()
    assert product(be) == product(be, (3, 20, 20)) == 1
    assert stand_in.measured == 2
    assert {kind for _, kind in be.device.clblast.known} == {"rows", "batch"}


def test_small_products_and_halves_are_ours(stand_in, fresh):
    be = fresh()
    assert product(be, (4, 4)) == 16
    assert product(be, (20, 20), np.float16) == 80
    assert stand_in.calls == 0


def test_users_decide(stand_in, fresh, monkeypatch):
    monkeypatch.setenv("NEONPORT_TUNE", "0")
    assert product(fresh()) == 80
    monkeypatch.setenv("NEONPORT_OPENCL_CLBLAST", "1")
    assert product(fresh(), (4, 4)) == 1
    monkeypatch.setenv("NEONPORT_TUNE", "1")
    monkeypatch.setenv("NEONPORT_OPENCL_CLBLAST", "0")
    assert product(fresh()) == 80
    assert stand_in.measured == 0


def test_what_cannot_be_kept_is_not_chosen(stand_in, fresh, monkeypatch):
    monkeypatch.setattr(clblast_choice, "is_lasting", lambda: False)
    assert product(fresh()) == 80
    assert stand_in.measured == 0


def test_memory_that_the_host_shares_goes_to_its_blas(stand_in, ocl):
    if not ocl.shared:
        pytest.skip("the device has memory of its own")
    assert product(ocl) == 80


def test_an_error_is_logged_once_and_ours_takes_over(stand_in, fresh, caplog):
    be = fresh()
    assert product(be) == 1
    stand_in.status = -2046
    calls = stand_in.calls
    with caplog.at_level(logging.WARNING, logger="neonport"):
        assert product(be) == product(be) == 80
    (record,) = caplog.records
    assert "-2046" in record.message
    assert "not enough local memory" in record.message
    assert stand_in.calls == calls + 1


def test_what_was_bound_before_an_error_still_runs(stand_in, fresh):
    be = fresh()
    a, c, d = be.ones((20, 20)), be.empty((20, 20)), be.empty((20, 20))
    first, second = (be.device.matmul(a, a, t, 3.0, 0.0) for t in (c, d))
    stand_in.status = -11
    first()
    second()
    assert (c.get() == 60).all()
    assert (d.get() == 60).all()
    assert stand_in.calls == 2  # when it was measured, and once more


def test_an_error_while_measuring_is_remembered(stand_in, fresh, caplog):
    stand_in.status = -2041
    with caplog.at_level(logging.WARNING, logger="neonport"):
        assert product(fresh()) == 80
    assert len(caplog.records) == 1
    stand_in.status, calls = 0, stand_in.calls
    assert product(fresh()) == 80
    assert stand_in.calls == calls


def test_without_the_library_nothing_is_said(stand_in, fresh, monkeypatch, caplog):
    monkeypatch.setattr(clblast, "load", lambda: (None, "pip install it"))
    with caplog.at_level(logging.WARNING, logger="neonport"):
        assert product(fresh()) == 80
        assert not caplog.records
        monkeypatch.setenv("NEONPORT_OPENCL_CLBLAST", "1")
        be = fresh()
        assert product(be) == product(be) == 80
    (record,) = caplog.records
    assert "pip install it" in record.message


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package whose extension module is `content`; no other library."""

    def install(content):
        path = tmp_path / "pyclblast.so"
        if content is not None:
            path.write_bytes(content)
        found = None if content is None else SimpleNamespace(origin=str(path))
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
        monkeypatch.setattr(clblast, "LIBRARIES", {})
        clblast.load.cache_clear()

    yield install
    clblast.load.cache_clear()


def test_a_broken_package_is_a_reason_for_the_doctor(ocl, package):
    package(b"no library")
    library, reason = clblast.load()
    assert library is None
    assert "pyclblast.so cannot be used" in reason
    found = devices.probe()
    assert found.state == "ready"
    assert "CLBlast no" in found.device
    assert "reinstall pyclblast" in found.reason


def test_a_missing_package_is_none(ocl, package):
    package(None)
    assert clblast.load() == (
        None,
        "pip install pyclblast (it is built with Debian's libclblast-dev)",
    )
    assert devices.probe().reason == ""


def test_a_package_of_another_kind_is_left_alone(ocl, monkeypatch, package):
    """A library that loads and has no such functions."""
    package(b"")
    import pyopencl

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: SimpleNamespace(origin=pyopencl._cl.__file__)
    )
    library, reason = clblast.load()
    assert library is None
    assert "CLBlastSgemm" in reason
