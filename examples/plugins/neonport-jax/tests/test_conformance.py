"""Every so many case of the conformance suite; `neonport conformance jax` runs all."""

from __future__ import annotations

import pytest

from neonport.testing import conformance

STEP = 150
CASES = list(conformance.cases())[::STEP]


@pytest.fixture(scope="module")
def be():
    with conformance.opened("jax") as backend:
        yield backend


def test_selection(be):
    results = [conformance.run_case(be, case) for case in CASES]
    assert len(results) > 30
    assert not [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]
