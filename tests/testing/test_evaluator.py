"""The NumPy evaluator of the cpu backend, which runs where there is no compiler, passes as well."""

from __future__ import annotations

import pytest

from neonport.testing import conformance


def test_without_a_compiler(make_backend, backend_name, monkeypatch):
    if backend_name != "cpu":
        pytest.skip("only the cpu backend has an evaluator")
    be = make_backend(batch_size=4, rng_seed=0)
    monkeypatch.setattr(type(be.device), "compiles", False)
    results = list(conformance.run(be))
    failed = [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]
    assert not failed, f"{len(failed)} of {len(results)} cases: " + "\n".join(failed[:20])
