"""Every so many case of the conformance suite; `neonport conformance torch` runs all."""

from __future__ import annotations

import pytest

from neonport.testing import conformance

STEP = 12
CASES = list(conformance.cases())[::STEP]


@pytest.fixture(scope="module")
def be():
    with conformance.opened("torch") as backend:
        yield backend


def test_selection(be):
    stored = set(be.default_dtypes)
    chosen = [case for case in CASES if case.needs <= stored]
    results = [conformance.run_case(be, case) for case in chosen]
    assert len(results) > 300
    assert not [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]
