"""Every so many case of the conformance suite, and all known gaps; README.md: how to run it all."""

from __future__ import annotations

from pathlib import Path

import pytest

from neonport.testing import conformance
from neonport.testing.known_gaps import find_gap, read_known_gaps, unused

STEP = 150
CASES = list(conformance.cases())
GAPS = read_known_gaps(Path(__file__).with_name("xfails.toml"))


@pytest.fixture(scope="module")
def be():
    with conformance.opened("jax") as backend:
        yield backend


def test_selection(be):
    chosen = [c for c in list(conformance.applicable(be))[::STEP] if find_gap(GAPS, c) is None]
    results = [conformance.run_case(be, case) for case in chosen]
    assert len(results) > 30
    assert not [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]


def test_known_gaps(be):
    assert not unused(GAPS, CASES)
    covered = [case for case in CASES if find_gap(GAPS, case)]
    passed = [case.id for case in covered if conformance.run_case(be, case).passed]
    assert not passed
