"""Known gaps of drivers: explained failures are expected, and nothing stale stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_number(n):
    assert n == 1
"""
CASES = {
    "nothing listed": ("# only words\n", 1, "1 failed, 1 passed"),
    "explained": ("tests/test_it.py::test_number[2]  # one too many\n", 0, "1 passed, 1 xfailed"),
    "passes": ("tests/test_it.py::test_number[*]  # all of them\n", 1, "1 failed, 1 xfailed"),
    "stale": ("tests/test_it.py::test_gone  # was here\n", 4, "no test is called"),
    "of another file": ("tests/test_other.py::test_a  # elsewhere\n", 1, "1 failed, 1 passed"),
    "without reason": ("tests/test_it.py::test_number[2]\n", 4, "needs a reason"),
}


@pytest.mark.parametrize("case", CASES)
def test_known_gaps(tmp_path, monkeypatch, case):
    text, status, words = CASES[case]
    folder = tmp_path / "tests"
    (folder / "xfails").mkdir(parents=True)
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(TESTS)
    (folder / "xfails" / "some-driver.txt").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = opencl\n")
    monkeypatch.setenv("NEONPORT_OPENCL_DEVICE", "Some-Driver:0")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == status, done.stdout
    assert words in done.stdout + done.stderr
