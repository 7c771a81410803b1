"""neon's questions for a GPU are answered by the cuda backend's probe."""

from __future__ import annotations

import logging

import pytest

from neonport.backends.util import check_gpu, check_mkl
from neonport.plugins import registry


@pytest.fixture
def probed(monkeypatch):
    """`probed(state=..., ...)` makes the cuda probe answer that."""

    def answer(**fields):
        base = {"name": "cuda", "distribution": "neonport", "version": "1", "protocol": "1.0"}
        row = registry.Status(**(base | fields))
        monkeypatch.setattr(registry, "probe", lambda name: {"cuda": row}[name])

    return answer


def test_two_devices(probed):
    probed(state="ready", device="A", count=2, capabilities=(7.5, 9.0))
    assert check_gpu.get_device_count() == 2
    assert check_gpu.get_compute_capability() == 9.0
    assert check_gpu.get_compute_capability(0) == 7.5
    assert check_gpu.get_compute_capability(2) == 0.0
    assert check_gpu.get_compute_capability(-1) == 0.0
    check_gpu.ensure_gpu_capability(1)


@pytest.mark.parametrize("state", ["no-device", "not-installed", "broken", "blocked"])
def test_no_usable_device(probed, state):
    probed(state=state, reason="the reason", count=2, capabilities=(9.0, 9.0))
    assert check_gpu.get_device_count() == 0
    assert check_gpu.get_compute_capability() == 0.0
    assert check_gpu.get_compute_capability(0) == 0.0
    with pytest.raises(RuntimeError, match=rf"cuda is {state}: the reason"):
        check_gpu.ensure_gpu_capability(0)


def test_an_old_device_is_refused(probed):
    probed(state="ready", count=1, capabilities=(2.1,))
    with pytest.raises(RuntimeError, match=r"capability 2\.1, needed is 3\.0"):
        check_gpu.ensure_gpu_capability(0)


def test_verbose_says_why(probed, caplog):
    probed(state="no-device", reason="no driver")
    with caplog.at_level(logging.INFO, "neonport"):
        check_gpu.get_device_count()
        assert caplog.text == ""
        check_gpu.get_device_count(verbose=True)
    assert "cuda: no-device no driver" in caplog.text


def test_the_real_probe_answers_on_any_machine():
    assert check_gpu.get_device_count() >= 0
    assert check_gpu.get_compute_capability() >= 0.0


def test_there_is_no_separate_mkl_backend():
    assert not check_mkl.get_mkl_lib()
