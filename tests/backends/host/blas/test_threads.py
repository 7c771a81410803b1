"""One number of threads for everything in the cpu backend."""

from __future__ import annotations

import os

import pytest

from neonport.backends.host import threads
from neonport.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(threads, "_count", None)
    monkeypatch.setattr(threads, "_listeners", [])
    monkeypatch.delenv("NEONPORT_NUM_THREADS", raising=False)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_the_default_is_the_cores_of_this_process():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert threads.num_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_environment_sets_it(monkeypatch):
    monkeypatch.setenv("NEONPORT_NUM_THREADS", " 3 ")
    assert threads.num_threads() == 3


@pytest.mark.parametrize("text", ["0", "-2", "many", "1.5"])
def test_a_bad_environment_is_an_error_that_names_it(monkeypatch, text):
    monkeypatch.setenv("NEONPORT_NUM_THREADS", text)
    with pytest.raises(ConfigurationError, match=f"NEONPORT_NUM_THREADS.*{text}"):
        threads.num_threads()


def test_setting_it_reaches_everybody(monkeypatch):
    monkeypatch.setenv("NEONPORT_NUM_THREADS", "2")
    told: list[int] = []
    threads.on_change(told.append)
    threads.set_num_threads(5)
    assert threads.num_threads() == 5
    threads.on_change(told.append)
    assert told == [2, 5, 5]
    with pytest.raises(ConfigurationError, match="positive"):
        threads.set_num_threads(0)
    assert threads.num_threads() == 5
