"""What plugin authors and the command line rely on."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neonport.errors import UnknownBackendError
from neonport.ops.op import EXACT, OPS, Kind
from neonport.testing import conformance
from neonport.testing import reference as interpret
from neonport.testing.cases import Want, compare, exactly
from neonport.testing.suite.stores import convert
from neonport.testing.tolerances import Allowance

CASES = list(conformance.cases())


def test_there_are_thousands_of_cases_with_names_of_their_own():
    assert len(CASES) > 3000
    assert len({(c.op, c.id) for c in CASES}) == len(CASES)


def test_every_op_has_cases():
    tested = {c.op for c in CASES}
    assert set(OPS) <= tested


def test_every_differentiable_op_has_a_gradient_case():
    from neonport.autodiff.vjps import ROWS

    assert set(ROWS) == {c.op for c in CASES if "gradient" in c.id}


def test_exact_ops_are_exact():
    exact = {name for name, op in OPS.items() if op.accuracy == EXACT}
    moving = {n for n, op in OPS.items() if op.kind is Kind.MOVEMENT}
    assert moving <= exact
    assert {"eq", "lt", "maximum", "where", "max", "argmax", "take", "onehot", "rand"} <= exact


def test_results_by_name():
    results = list(conformance.run("cpu", only=["finite"]))
    assert len(results) > 30
    first = results[0]
    assert (first.op, first.passed, first.message) == ("finite", True, "")
    assert first.max_error == first.bound == 0
    assert isinstance(first.case_id, str)


def test_unknown_backend():
    with pytest.raises(UnknownBackendError):
        next(conformance.run("nonsense"))


def test_dtypes_that_a_backend_lacks_are_left_out(make_backend):
    be = make_backend(batch_size=4)
    be.device.capabilities = replace(be.device.capabilities, dtypes=("float16", "float32"))
    ids = [r.case_id for r in conformance.run(be, only=["sgn"])]
    assert ids
    assert not any(i.startswith("float64") for i in ids)


def test_the_interpreter_knows_no_backend():
    tree = ast.parse(Path(interpret.__file__).read_text())
    names = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert not any(name.startswith("neonport.backends") for name in names if name)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("got", "wanted", "right"),
    [
        ([1.0], [1.0], True),
        ([1.0], [1.5], False),
        ([NAN], [NAN], True),
        ([NAN], [1.0], False),
        ([1.0], [NAN], False),
        ([INF], [INF], True),
        ([INF], [-INF], False),
        ([INF], [1e30], False),
        ([INF], [1e300], True),  # too large for float32
        ([0.0], [-0.0], True),
        ([1.0, 2.0], [1.0], False),
    ],
)
def test_exact_comparison(got, wanted, right):
    outcome = compare(np.array(got, np.float32), exactly(np.array(wanted)))
    assert (outcome.message == "") is right


def test_an_error_is_reported_relative_to_the_bound():
    want = Want(np.array([100.0]), Allowance(np.array([1e-3]), 1e-5))
    near = compare(np.array([100.0005]), want)
    assert near.message == ""
    assert near.max_error == pytest.approx(5e-6)
    far = compare(np.array([100.002]), want)
    assert far.max_error == pytest.approx(2e-5)
    assert "100.002" in far.message
    assert far.bound == 1e-5


def test_another_result_may_be_as_good():
    want = Want(np.array([5.0, 5.0]), Allowance(np.zeros(2), 0.0), (np.array([0.0, 0.0]),))
    assert compare(np.array([5.0, 0.0]), want).message == ""
    assert compare(np.array([5.0, 1.0]), want).message


@pytest.mark.parametrize(
    ("value", "dtype", "stored"),
    [
        (0.5, "int8", 0),
        (1.5, "int8", 2),
        (-2.5, "int32", -2),
        (300.0, "uint8", 255),
        (-1.0, "uint32", 0),
        (NAN, "int16", 0),
        (INF, "int64", 2**63 - 1),
        (-INF, "int64", -(2**63)),
        (2.0**63, "int64", 2**63 - 1),
        (NAN, "bool", True),
        (-0.0, "bool", False),
        (70000.0, "float16", INF),
        (1 + 2.0**-11, "float16", 1.0),
        (1 + 2.0**-8, "bfloat16", 1.0),
        (1 + 3 * 2.0**-8, "bfloat16", 1 + 2.0**-6),
        (1 + 2.0**-8 + 2.0**-40, "bfloat16", 1 + 2.0**-7),  # a tie by way of float32
        (3.3961775e38, "bfloat16", 2.0**128 - 2.0**120),  # one, too
        (2.0**128 - 2.0**119, "bfloat16", INF),
    ],
)
def test_the_store_rule_of_the_suite(value, dtype, stored):
    assert convert(value, dtype) == stored


def test_an_op_that_joins_the_table_later_has_cases(monkeypatch):
    before = conformance.counts()
    assert "late" not in before
    monkeypatch.setitem(OPS, "late", replace(OPS["exp"], name="late"))
    assert conformance.counts()["late"] > 20
    monkeypatch.undo()
    assert conformance.counts() == before
