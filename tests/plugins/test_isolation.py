"""Processes that examine plugins: an interrupt ends them, and so does the limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import neonport

SITE = Path(neonport.__file__).parents[1]  # of the package under test: source tree or wheel
HANGS = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
place = pathlib.Path(__file__).with_name("processes")
place.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
place.with_suffix(".new").rename(place)
time.sleep(600)
"""


def _gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has asked for its end counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _waits_for(condition) -> bool:
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def doctor(tmp_path):
    """A `neonport doctor` that examines a plugin which hangs, and starts a process of its own."""
    info = tmp_path / "neonport_hangs-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[neonport]\nhangs = fake_hangs\n")
    (tmp_path / "fake_hangs.py").write_text(HANGS)

    def start(limit):
        path = os.pathsep.join([str(SITE), str(tmp_path)])
        clean = {k: v for k, v in os.environ.items() if not k.startswith("NEONPORT_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "neonport", "doctor"],
            env=clean | {"PYTHONPATH": path, "NEONPORT_PLUGIN_TIMEOUT": limit},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert _waits_for((tmp_path / "processes").exists)
        return process, [int(pid) for pid in (tmp_path / "processes").read_text().split()]

    return start


@pytest.mark.skipif("sys.platform != 'linux'", reason="reads /proc")
def test_an_interrupt_ends_what_hangs(doctor):
    process, pids = doctor("600")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert _waits_for(lambda: all(map(_gone, pids)))


@pytest.mark.skipif("sys.platform != 'linux'", reason="reads /proc")
def test_the_limit_ends_it_with_what_it_started(doctor):
    process, pids = doctor("2")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "importing fake_hangs: TimeoutError: it took longer than 2 s" in out
    assert _waits_for(lambda: all(map(_gone, pids)))
