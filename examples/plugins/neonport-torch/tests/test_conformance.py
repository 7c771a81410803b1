"""Every so many case of the conformance suite; `neonport conformance torch` runs all."""

from __future__ import annotations

import pytest

from neonport.testing import conformance

STEP = 12


@pytest.fixture(scope="module")
def be():
    with conformance.opened("torch") as backend:
        yield backend


def test_selection(be):
    chosen = list(conformance.applicable(be))[::STEP]
    results = [conformance.run_case(be, case) for case in chosen]
    assert len(results) > 300
    assert not [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]
