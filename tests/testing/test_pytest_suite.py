"""`from neonport.testing.suite import *` makes tests of the conformance cases."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import neonport
from neonport.errors import ConfigurationError
from neonport.testing.cases import Case
from neonport.testing.known_gaps import KnownGap, find_gap, read_known_gaps, unused

SITE = Path(neonport.__file__).parents[1]
FAULTY = Path(__file__).parents[1] / "fixtures" / "plugins" / "planted_faults"


@pytest.fixture
def pytest_in(tmp_path):
    """`pytest_in(head, *arguments, xfails="")` runs a plugin author's test file."""

    def run(head, *arguments, xfails=""):
        text = f"from neonport.testing.suite import *  # noqa: F403\n{head}\n"
        (tmp_path / "test_device.py").write_text(text)
        (tmp_path / "xfails.toml").write_text(xfails)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SITE), str(FAULTY)])},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def outcomes(run):
    """(outcome, test) of each test, and of each file that could not be collected."""
    lines = [line.split(" ", 1) for line in run.stdout.splitlines()]
    words = ("PASSED", "FAILED", "XFAIL", "ERROR")
    return [(line[0], line[1].split("::")[-1]) for line in lines if line[0] in words]


def test_one_test_a_case_and_known_gaps(pytest_in):
    gaps = """
    [[xfail]]
    op = "tanh"
    case = "* strided"
    reason = "there is no tanh"
    [[xfail]]
    op = "sig"
    case = "float32 odd"
    reason = "nobody knows"
    [[xfail]]
    op = "sigg"
    reason = "misspelt"
    """
    run = pytest_in(
        'BACKEND = "faulty"\nXFAILS = "xfails.toml"',
        "-n2",
        "-k",
        "known_gaps or ((tanh or sig) and float32 and (odd or strided))",
        xfails=gaps,
    )
    found = {test.partition(" - ")[0]: outcome for outcome, test in outcomes(run)}
    assert found["test_conformance[sig: float32 strided]"] == "PASSED"
    assert found["test_conformance[tanh: float32 odd]"] == "FAILED"
    assert found["test_conformance[tanh: float32 strided]"] == "XFAIL"
    assert found["test_conformance[sig: float32 odd]"] == "FAILED"  # passes, though it is listed
    assert found["test_known_gaps"] == "FAILED"
    assert "fits these entries, remove them: op = 'sigg', case = '*'" in run.stdout
    assert "there is no tanh on this device" in run.stdout
    assert run.returncode == 1


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("", 'BACKEND = "name"'),
        ('BACKEND = "nonsense"', "unknown backend 'nonsense'"),
        ('BACKEND = "cpu"\nXFAILS = "none.toml"', "none.toml cannot be read"),
        ('BACKEND = "cpu"\nLEVEL = "1"', "LEVEL is a level, 0 to 3; got '1'"),
    ],
)
def test_a_file_that_can_test_nothing_is_an_error(pytest_in, head, words):
    run = pytest_in(head)
    assert words in run.stdout
    assert run.returncode not in (0, 1, 5)


CASES = [Case("exp", "float32 odd", lambda be: None), Case("conv", "2-D [x]", lambda be: None)]


def test_patterns():
    gap = KnownGap("conv*", "*[x]", "because")
    assert find_gap([gap], CASES[1]) is gap
    assert find_gap([gap], CASES[0]) is None
    other = KnownGap("exp", "float16*", "because")
    assert unused([gap, other], CASES) == [other]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[xfail]]\nop = "exp"', "entry 1 of .* needs a reason"),
        ('[[xfail]]\nreason = "x"', "names neither op nor case"),
        ('[[xfail]]\nop = "exp"\nreason = "x"\nwhy = "y"', "has why; it takes op, case and reason"),
        ("[[xfail]]\nop = 1", "each a text"),
        ('[xfail]\nop = "exp"', "is no list of tables"),
        ('[[gaps]]\nop = "exp"', "it has gaps"),
        ("[[", "cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path, text, words):
    path = tmp_path / "xfails.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        read_known_gaps(path)
