"""Forced, remembered, measured or default: which matrix product a process uses."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from neonport.backends.host.blas import choice as blas_choice
from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.blas import measure as blas_measure
from neonport.backends.host.blas import state as blas_state
from neonport.backends.host.blas.choice import Choice
from neonport.backends.host.blas.measure import Timing
from neonport.backends.host.blas.openblas import find_library
from neonport.backends.host.cpu_info import cpu_flags
from neonport.errors import ConfigurationError
from neonport.io.cache_dir import write_checked

AVX512 = blas_choice._AVX512
needs_wheel = pytest.mark.skipif(find_library() is None, reason="scipy-openblas32 is not installed")


@pytest.fixture
def machine(fresh, monkeypatch):
    """A machine with AVX-512 and the wheel; measurements and loading are recorded, not done."""

    class Machine:
        seconds: dict[str, list[float]]
        steady = True
        measured = 0
        used: list[Choice]

        def measure(self, library, cores, lock_file):
            self.measured += 1
            self.asked = cores
            return Timing(self.seconds, self.steady)

    fake = Machine()
    fake.seconds = {"": [2.0, 2.0], "SKYLAKEX": [1.0, 1.1], "numpy": [2.0, 2.1]}
    fake.used = []

    def use(choice):
        fake.used.append(choice)
        blas_state._state.choice = choice
        blas_state._state.engine = blas_state.NumpyEngine()

    monkeypatch.setattr(blas_choice, "cpu_flags", lambda: AVX512)
    for module in (blas_choice, blas_state):
        monkeypatch.setattr(module, "find_library", lambda: "library")
    monkeypatch.setattr(blas_measure, "measure", fake.measure)
    monkeypatch.setattr(blas_state, "_use", use)
    return fake


def product(size):
    blas.gemm(*(np.ones((size, size), np.float32) for _ in range(3)))


SMALL, LARGE = 8, 256


def test_the_first_large_product_measures_once_per_machine(machine, fresh, monkeypatch):
    product(LARGE)
    product(LARGE)
    assert machine.measured == 1
    assert machine.asked == [None, "HASWELL", "ZEN", "SKYLAKEX"]
    assert [choice.name for choice in machine.used] == ["openblas:SKYLAKEX"]
    assert machine.used[0].reason == "measured"
    monkeypatch.setattr(blas_state, "_state", blas_state._State())  # the next process
    product(SMALL)
    product(LARGE)
    assert machine.measured == 1
    assert machine.used[1].name == "openblas:SKYLAKEX"
    assert machine.used[1].reason == "remembered"
    assert machine.used[1].scores["SKYLAKEX"] == 1.0


def test_a_process_that_began_small_keeps_its_engine(machine, monkeypatch):
    machine.seconds = {"": [2.0], "SKYLAKEX": [2.0], "numpy": [1.0]}
    product(SMALL)
    assert machine.measured == 0
    assert machine.used == [Choice("openblas", "SKYLAKEX", "default")]
    product(LARGE)
    product(LARGE)
    assert machine.measured == 1
    assert len(machine.used) == 1
    monkeypatch.setattr(blas_state, "_state", blas_state._State())
    product(SMALL)
    assert machine.used[1].name == "numpy"


def test_a_process_asks_for_a_measurement_once(machine):
    machine.seconds = {}  # another process measures just now
    product(SMALL)
    product(LARGE)
    product(LARGE)
    assert machine.measured == 1


def test_nothing_is_measured_that_another_process_has_measured(machine):
    product(SMALL)
    blas_choice.measured_choice()
    product(LARGE)
    assert machine.measured == 1


def test_an_explicit_measurement_serves_this_process_if_it_is_the_first(machine):
    info = blas.measure_blas()
    assert machine.measured == 1
    assert machine.used[0].name == "openblas:SKYLAKEX"
    assert info["scores"] == {"": 0.5244, "SKYLAKEX": 1.0, "numpy": 0.5118}
    product(LARGE)
    assert machine.measured == 1


def test_small_differences_keep_the_default(machine):
    machine.seconds = {"": [0.98], "SKYLAKEX": [1.0], "numpy": [0.95]}
    assert blas_choice.measured_choice().name == "openblas:SKYLAKEX"
    machine.seconds = {"": [0.9], "SKYLAKEX": [1.0], "numpy": [0.85]}
    assert blas_choice.measured_choice().name == "openblas"
    machine.seconds = {"": [0.9], "SKYLAKEX": [1.0], "numpy": [0.5]}
    assert blas_choice.measured_choice().name == "numpy"


def test_a_default_that_is_another_name_of_the_detected_core(machine):
    machine.seconds = {"": [1.0], "HASWELL": [2.0], "numpy": [1.5]}
    assert blas_choice.measured_choice().name == "openblas"


def test_a_busy_machine_is_measured_again_later(machine, monkeypatch):
    machine.seconds, machine.steady = {"": [1.0], "SKYLAKEX": [2.0], "numpy": [0.1]}, False
    product(LARGE)
    assert machine.used[0].name == "openblas:SKYLAKEX"
    assert blas_choice.remembered_choice() == Choice("openblas", "SKYLAKEX", "remembered")
    now = time.time()
    monkeypatch.setattr(blas_choice.time, "time", lambda: now + 3700)
    assert blas_choice.remembered_choice() is None


def test_nothing_is_remembered_when_nothing_could_be_measured(machine):
    machine.seconds = {}
    product(LARGE)
    assert machine.used == [Choice("openblas", "SKYLAKEX", "default")]
    assert blas_choice.remembered_choice() is None


@pytest.mark.parametrize(
    "content",
    [
        b"no json", b"[]", b"null", b"7", b"{}", b'{"engine": "mkl", "core": null}',
        b'{"engine": "openblas", "core": null, "until": null, "scores": 5}',
        b'{"engine": "openblas", "core": "COOPERLAKE", "until": null, "scores": {}}',
        b'{"engine": "openblas", "core": ["x"], "until": null, "scores": {}}',
        b'{"engine": "openblas", "core": null, "until": "soon", "scores": {}}',
        b'{"engine": "openblas", "core": null, "until": 1e30, "scores": {}}',
    ],
)  # fmt: skip
def test_a_strange_memory_is_ignored_and_replaced(machine, content):
    write_checked(blas_choice._cache_file(), content)
    assert blas_choice.remembered_choice() is None
    blas_choice.measured_choice()
    assert blas_choice.remembered_choice().name == "openblas:SKYLAKEX"


def test_a_damaged_memory_is_ignored_and_replaced(machine):
    blas_choice.measured_choice()
    file = blas_choice._cache_file()
    file.write_bytes(file.read_bytes()[:-2])
    assert blas_choice.remembered_choice() is None
    blas_choice.measured_choice()
    assert blas_choice.remembered_choice().name == "openblas:SKYLAKEX"


def test_another_machine_is_measured_anew(machine, monkeypatch):
    blas_choice.measured_choice()
    monkeypatch.setattr(blas_choice, "cpu_identity", lambda: "another")
    assert blas_choice.remembered_choice() is None


def test_the_variable_forces(machine, monkeypatch):
    for text, expected in {
        "numpy": Choice("numpy", None, "forced"),
        "openblas": Choice("openblas", "SKYLAKEX", "forced"),
        "OpenBLAS:haswell": Choice("openblas", "HASWELL", "forced"),
        "openblas:ZEN": Choice("openblas", "ZEN", "forced"),
        "auto": None,
        "": None,
    }.items():
        monkeypatch.setenv("NEONPORT_BLAS", text)
        assert blas_choice.forced_choice() == expected
    monkeypatch.setenv("NEONPORT_BLAS", "openblas:HASWELL")
    product(LARGE)
    assert machine.measured == 0
    assert [choice.name for choice in machine.used] == ["openblas:HASWELL"]


def test_plain_openblas_takes_the_measured_core(machine, monkeypatch):
    machine.seconds = {"": [1.0], "SKYLAKEX": [2.0]}
    blas_choice.measured_choice()
    monkeypatch.setenv("NEONPORT_BLAS", "openblas")
    assert blas_choice.forced_choice() == Choice("openblas", None, "forced")


@pytest.mark.parametrize("text", ["mkl", "openblas:", "openblas:COOPERLAKE", "openblas:NONSENSE"])
def test_a_choice_that_cannot_be_is_refused_with_the_way_out(machine, monkeypatch, text):
    monkeypatch.setenv("NEONPORT_BLAS", text)
    with pytest.raises(ConfigurationError, match=r"SKYLAKEX|openblas:CORE"):
        product(SMALL)


def test_forcing_what_is_not_installed(machine, monkeypatch):
    monkeypatch.setattr(blas_choice, "find_library", lambda: None)
    monkeypatch.setenv("NEONPORT_BLAS", "openblas")
    with pytest.raises(ConfigurationError, match="scipy-openblas32"):
        product(SMALL)


def test_without_the_wheel_numpy_is_used_and_nothing_measured(machine, monkeypatch):
    for module in (blas_choice, blas_state):
        monkeypatch.setattr(module, "find_library", lambda: None)
    product(LARGE)
    blas.measure_blas()
    assert machine.measured == 0
    assert [choice.name for choice in machine.used] == ["numpy"]


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
def test_flags_decide_what_is_plausible(machine, monkeypatch, flags, cores, default):
    monkeypatch.setattr(blas_choice, "cpu_flags", lambda: frozenset(flags))
    assert blas_choice.plausible_cores() == cores
    assert blas_choice.default_choice() == Choice("openblas", default)


@pytest.fixture
def _patient(monkeypatch):
    """Other work on the machine must not run the measurement out of its time."""
    monkeypatch.setattr(blas_measure, "LIMIT_SECONDS", 30.0)


@needs_wheel
@pytest.mark.usefixtures("_patient")
def test_a_real_measurement(tmp_path):
    cores = [None, "HASWELL", "SAPPHIRERAPIDS", "SANDYBRIDGE"]
    timing = blas_measure.measure(find_library(), cores, tmp_path / "lock")
    assert {"", "numpy"} <= set(timing.seconds)  # a core that crashes here is just not there
    assert all(0 < seconds < 10 for row in timing.seconds.values() for seconds in row)
    assert not (tmp_path / "lock").exists()


@needs_wheel
def test_the_real_choice_is_remembered(fresh):
    choice = blas_choice.measured_choice()
    if choice.reason == "measured":
        remembered = blas_choice.remembered_choice()
        assert remembered == Choice(choice.engine, choice.core, "remembered")
        assert remembered.scores == choice.scores
        content = json.dumps(choice.scores)
        assert "numpy" in content


@needs_wheel
@pytest.mark.skipif("avx2" not in cpu_flags(), reason="the CPU has no AVX2")
@pytest.mark.usefixtures("_patient")
def test_two_names_of_one_core_are_measured_once(tmp_path):
    timing = blas_measure.measure(find_library(), ["HASWELL", "ZEN"], tmp_path / "lock")
    assert set(timing.seconds) == {"HASWELL", "numpy"}  # the wheel's Zen is its Haswell


def test_a_library_that_cannot_be_loaded_is_no_candidate(tmp_path):
    (tmp_path / "broken.so").write_bytes(b"no library")
    timing = blas_measure.measure(tmp_path / "broken.so", [None, "HASWELL"], tmp_path / "lock")
    assert set(timing.seconds) <= {"numpy"}


def test_only_one_process_measures(tmp_path, monkeypatch):
    lock = tmp_path / "lock"
    lock.write_text("")
    assert blas_measure.measure(tmp_path / "x.so", [None], lock) == Timing({}, False)
    assert lock.exists()
    now = time.time()
    monkeypatch.setattr(blas_measure.time, "time", lambda: now + 1000)  # its owner was killed
    blas_measure.measure(tmp_path / "x.so", [None], lock)
    assert not lock.exists()


def test_a_program_with_python_inside_is_not_started_as_python(tmp_path, monkeypatch):
    monkeypatch.setattr(blas_measure.sys, "executable", "/usr/bin/some-application")
    assert blas_measure.measure(tmp_path / "x.so", [None], tmp_path / "lock") == Timing({}, False)
    monkeypatch.setattr(blas_measure.sys, "executable", "/usr/bin/python3")
    monkeypatch.setattr(blas_measure.sys, "frozen", True, raising=False)
    assert blas_measure.measure(tmp_path / "x.so", [None], tmp_path / "lock") == Timing({}, False)
