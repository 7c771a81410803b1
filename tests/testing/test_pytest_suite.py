"""`from neonport.testing.suite import *` makes tests of the conformance cases."""

from __future__ import annotations

import os
import re
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
    """`pytest_in(heads, *arguments, xfails="")` runs test files of a plugin author, by name."""

    def run(heads, *arguments, xfails=""):
        for name, head in heads.items():
            text = f"from neonport.testing.suite import *  # noqa: F403\n{head}\n"
            (tmp_path / f"test_{name}.py").write_text(text)
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
    op = "compound_dot"
    case = "*(2.0, 0.0*"
    reason = "alpha is forgotten"
    [[xfail]]
    op = "memory"
    case = "nbytes*"
    reason = "nobody knows"
    [[xfail]]
    op = "memmory"
    reason = "misspelt"
    """
    run = pytest_in(
        {"device": 'BACKEND = "faulty"\nXFAILS = "xfails.toml"'},
        "-n2",
        "-k",
        "declared or known_gaps or memory or (compound_dot and float32 and offset)",
        xfails=gaps,
    )
    found = {test.partition(" - ")[0]: outcome for outcome, test in outcomes(run)}
    product = "test_conformance[compound_dot: float32 offset transposed transposed alpha, beta, "
    assert found["test_conformance[memory: new memory is zero]"] == "PASSED"
    assert found[product + "relu, bsum = (0.5, 2.0, True, False)]"] == "FAILED"
    assert found[product + "relu, bsum = (2.0, 0.0, False, False)]"] == "XFAIL"
    assert found["test_conformance[memory: nbytes is what was asked for]"] == "FAILED"  # it passes
    assert found["test_known_gaps"] == "FAILED"
    assert "fits these entries, remove them: op = 'memmory', case = '*'" in run.stdout
    assert "run_one('faulty', 'compound_dot'" in run.stdout  # the script that reproduces it
    assert re.search(r"SKIPPED .*not tested: float64 \(level 0, \d+ cases\)", run.stdout)
    assert run.returncode == 1


WRONG = {
    "none": ("", 'BACKEND = "name"'),
    "unknown": ('BACKEND = "nonsense"', "unknown backend 'nonsense'"),
    "gaps": ('BACKEND = "cpu"\nXFAILS = "none.toml"', "none.toml cannot be read"),
    "word": ('BACKEND = "cpu"\nLEVEL = "1"', "LEVEL is a level, 0 to 3; got '1'"),
    "level": ('BACKEND = "cpu"\nLEVEL = 4', "there is no level 4; 0: memory and copies"),
    "seed": ('BACKEND = "cpu"\nSEED = -1', "seed -1 must be a whole number of 0 or more"),
}


def test_a_file_that_can_test_nothing_is_an_error(pytest_in):
    run = pytest_in({name: head for name, (head, _) in WRONG.items()})
    assert run.returncode not in (0, 1, 5)
    for name, (_, words) in WRONG.items():
        _, _, report = run.stdout.partition(f"ERROR collecting test_{name}.py")
        assert words in report.partition("ERROR collecting")[0]


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
