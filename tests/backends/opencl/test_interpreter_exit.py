"""Daemon threads are at work when the interpreter ends: it ends as if there were none."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from neonport.backends.opencl import interpreter_exit

PROGRAM = """
import atexit, random, sys, threading
from neonport.backends import gen_backend

def late():  # runs after all handlers of the library
    from neonport.backends.opencl.device import OpenCLBackend
    z = OpenCLBackend().ones((3, 4))
    print("late", z.get().sum(), flush=True)

atexit.register(late)
kind = sys.argv[1]
be = gen_backend("opencl", rng_seed=0)
x, y, small = be.ones((300, 300)), be.empty((300, 300)), be.ones((3, 3))
y[:] = x * 2
at_work = threading.Barrier(3)

def once(n):
    if kind == "compile":
        tree = x
        for _ in range(random.randint(3, 20)):
            tree = random.choice((be.exp, be.tanh, be.sin, be.sqrt))(tree) + random.random()
        y[:] = tree
    elif kind == "get":
        y[:] = x * 2
        y.get()
    elif kind == "launch":
        y[:] = x * 2
        small[:] = small * 1
    elif kind == "allocate":
        be.empty((300, 300 + n % 50))
    elif kind == "open":
        from neonport.backends.opencl.device import OpenCLBackend
        OpenCLBackend().cleanup_backend()

def work():
    for n in range(10**9):
        once(n)
        if n == 2:
            at_work.wait()

for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
at_work.wait()
"""


@pytest.mark.parametrize("kind", ["compile", "get", "launch", "allocate", "open"])
def test_daemon_threads_at_work(ocl, tmp_path, monkeypatch, kind):
    if kind == "compile":
        monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "late 12.0\n"
        assert not done.stderr


PENDING = """
from neonport.backends.opencl.device import OpenCLBackend

be = OpenCLBackend(rng_seed=0)
x, y = be.ones((1, 300_000)), be.empty((1, 300_000))
for _ in range(30):
    y[:] = be.exp(be.sin(x) * 0.5) + be.tanh(x)
"""


def test_work_that_nobody_waits_for(ocl):
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PENDING], capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_who_ends_the_interpreter_goes_on_and_others_do_not(ocl, monkeypatch):
    x, y = ocl.ones((3, 4)), ocl.empty((3, 4))
    y[:] = x * 2
    for user in list(interpreter_exit._enqueuing):  # put back by monkeypatch
        monkeypatch.setattr(user, "enqueue", user.enqueue)
    monkeypatch.setattr(interpreter_exit, "_leaving", None)
    uses = (
        lambda: y.__setitem__(slice(None), x * 2),
        lambda: y.__setitem__(slice(None), x * 2 + 1),
        lambda: ocl.empty((5, 5)),
        y.get,
        ocl.synchronize,
        lambda: type(ocl)(),
    )
    refused = []

    def other():
        for use in uses:
            try:
                use()
            except SystemExit:
                refused.append(use)

    interpreter_exit.stop_other_threads()
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert refused == list(uses)
    for use in uses:
        use()
    assert (y.get() == 3).all()


def test_a_driver_that_never_returns_is_not_waited_for_without_end(monkeypatch, caplog):
    let_go, inside = threading.Event(), threading.Event()

    def stuck():
        inside.set()
        let_go.wait()

    call = interpreter_exit._refusing(stuck)
    thread = threading.Thread(target=call)
    thread.start()
    inside.wait()
    monkeypatch.setattr(interpreter_exit, "_enqueuing", ())
    monkeypatch.setattr(interpreter_exit, "_leaving", None)
    monkeypatch.setattr(interpreter_exit, "LONGEST", 0.01)
    interpreter_exit.stop_other_threads()
    let_go.set()
    thread.join()
    assert "still in a driver" in caplog.text
