"""`--only-backend` keeps what a backend can change, and nothing that the plain run has as well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

def test_plain(): ...

@pytest.mark.slow
def test_slow(): ...

def test_by_name(backend_name): ...

def test_through_a_fixture(be): ...

@pytest.mark.opencl
def test_marked(): ...

@pytest.mark.parametrize("memory", ["host", pytest.param("device", marks=pytest.mark.opencl)])
def test_memory(memory): ...
"""


def collected(folder, *options):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--co", "-q", "-p", "no:cacheprovider",
         "--backend", "null", *options, "tests"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.partition("/")[2] for line in done.stdout.splitlines() if "::" in line}


def test_what_is_left_out(tmp_path):
    tests = tmp_path / "tests"
    (tests / "backends" / "opencl").mkdir(parents=True)
    shutil.copy(CONFTEST, tests)
    (tests / "test_it.py").write_text(TESTS)
    for folder in ("backends", "backends/opencl"):
        (tests / folder / f"test_{len(folder)}.py").write_text("def test_driver(): ...\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  opencl\n  slow\n")
    apart = {f"test_it.py::test_{name}" for name in ("plain", "slow", "memory[host]")}
    some = collected(tmp_path, "--only-backend")
    assert collected(tmp_path) - some == apart
    assert len(some) == 6
