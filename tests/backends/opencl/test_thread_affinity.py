"""A driver's threads keep off the processor of the thread that calls; all other threads stay."""

from __future__ import annotations

import _thread
import os
import subprocess
import sys
import threading

import pytest

from neonport.backends.opencl import discovery as devices
from neonport.backends.opencl import thread_affinity as workers
from neonport.backends.opencl.thread_affinity import Workers, processor_reader, tasks

if sys.platform != "linux":
    pytest.skip("threads are listed and moved on Linux only", allow_module_level=True)
if len(os.sched_getaffinity(0)) < 2:
    pytest.skip("this process may use one processor only", allow_module_level=True)

ALLOWED = os.sched_getaffinity(0)
FIRST, SECOND = sorted(ALLOWED)[:2]


@pytest.fixture(autouse=True)
def moves_at_once(monkeypatch):
    monkeypatch.delenv("NEONPORT_OPENCL_AFFINITY", raising=False)
    monkeypatch.setattr(workers, "PAUSE", 0.0)


@pytest.fixture
def native():
    """Threads of before, and one that Python's `threading` knows nothing of, as a driver's."""
    before, hold, ready = tasks(), threading.Lock(), threading.Event()
    number: list[int] = []

    def wait():
        number.append(_thread.get_native_id())
        ready.set()
        with hold:
            pass

    hold.acquire()
    _thread.start_new_thread(wait, ())
    assert ready.wait(10)
    yield before, number[0]
    hold.release()


def test_they_keep_off_wherever_the_caller_is(native):
    before, thread = native
    place = [FIRST]
    found = Workers(before, 1, lambda: place[0])
    assert found.threads == [thread]
    assert os.sched_getaffinity(thread) == ALLOWED
    for here in (FIRST, SECOND):
        place[0] = here
        found.look()
        assert os.sched_getaffinity(thread) == ALLOWED - {here}
    assert os.sched_getaffinity(0) == ALLOWED


def test_the_caller_s_processor_is_one_that_it_may_use():
    read = processor_reader()
    assert read is not None
    assert read() in ALLOWED


def test_a_caller_tied_to_one_processor_leaves_them_the_others(native):
    before, thread = native
    place = [FIRST]
    found = Workers(before, 1, lambda: place[0])
    found.look()
    assert os.sched_getaffinity(thread) == ALLOWED - {FIRST}
    os.sched_setaffinity(0, {SECOND})
    try:
        place[0] = SECOND
        found.look()
        assert os.sched_getaffinity(thread) == ALLOWED
    finally:
        os.sched_setaffinity(0, ALLOWED)


def test_more_threads_than_the_driver_should_have_are_left_alone(native):
    before, _ = native
    assert Workers(before, 0, lambda: FIRST).threads == []


def test_a_driver_that_ties_them_later_does_not_have_the_last_word(native, monkeypatch):
    before, thread = native
    found = Workers(before, 1, lambda: FIRST)
    found.look()
    os.sched_setaffinity(thread, {FIRST})
    found.look()
    assert os.sched_getaffinity(thread) == {FIRST}  # told a moment ago
    monkeypatch.setattr(workers, "AGAIN", 0.0)
    found.look()
    assert os.sched_getaffinity(thread) == ALLOWED - {FIRST}


def test_python_s_threads_are_left_alone():
    before, stop = tasks(), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert Workers(before, 1, lambda: FIRST).threads == []
    finally:
        stop.set()
        thread.join()


def test_the_environment_turns_it_off(native, monkeypatch):
    before, _ = native
    monkeypatch.setenv("NEONPORT_OPENCL_AFFINITY", "0")
    assert Workers(before, 1, lambda: FIRST).threads == []


def test_a_thread_that_has_ended_is_forgotten(native):
    before, _ = native
    found = Workers(before, 1, lambda: FIRST)
    found.threads = [2**22 + 1]  # above the largest number of a thread
    found.look()
    assert found.threads == []


def test_launches_and_waits_look_where_the_caller_is(ocl, monkeypatch):
    looks = []

    class Stand(Workers):
        def look(self) -> None:
            super().look()
            looks.append(self.left)

    monkeypatch.setattr(ocl.device.progress, "workers", Stand())
    x = ocl.ones((100, 1000))
    y = ocl.empty((100, 1000))
    statement = ocl.executor.bind([(y, x * 2)])
    for _ in range(3 * workers.LAUNCHES):
        statement.run()
    assert 2 <= len(looks) <= 4
    seen = len(looks)
    ocl.synchronize()
    assert len(looks) == seen + 1


def test_intel_s_threads_are_found_and_moved():
    """In a process of its own, where no other test has opened the device."""
    if devices.probe().state != "ready" or not devices.choose().helps:
        pytest.skip("the device has no threads for other cores than the caller's")
    text = (
        "import os\n"
        "from neonport.plugins.registry import create_backend\n"
        "be = create_backend('opencl')\n"
        "x = be.ones((100, 1000)); x[:] = x * 2; be.synchronize()\n"
        "found = be.device.progress.workers.threads\n"
        "assert found, 'none found'\n"
        "rest = [os.sched_getaffinity(t) for t in found]\n"
        "assert all(len(r) == len(os.sched_getaffinity(0)) - 1 for r in rest), rest\n"
    )
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
