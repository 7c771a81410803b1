"""Every op has a stated derivative, and the table can grow."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.autodiff.vjps import NOT_DIFFERENTIABLE, ROWS, ZERO, register
from neonport.errors import ConfigurationError
from neonport.ops.op import OPS, Kind, Op
from neonport.optree.node import apply


@pytest.mark.parametrize("op", sorted(OPS))
def test_op_is_in_exactly_one_of_the_three_lists(op):
    places = [op in ROWS, op in ZERO, op in NOT_DIFFERENTIABLE]
    assert sum(places) == 1, f"{op}: add one row to neonport/autodiff/vjps.py"


@pytest.mark.parametrize("op", sorted({*ROWS, *ZERO, *NOT_DIFFERENTIABLE}))
def test_lists_name_only_ops_that_exist(op):
    assert op in OPS


def test_a_new_op_gets_a_row(be64, values, monkeypatch):
    cube = Op("cube", 1, Kind.ELEMENTWISE, lambda x: x * x * x, "cube({0})", "x^3")
    monkeypatch.setitem(OPS, "cube", cube)
    x = values(2, 3)
    tree = be64.exp(x) * apply("cube", x)
    with pytest.raises(NotImplementedError, match=r"cube: has no derivative.*register"):
        Autodiff(tree, be64).get_grad_op_tree([x])
    try:
        register("cube", lambda ans, g, x: (g * 3.0 * x * x,))
        # the row is a tree of known ops, so it runs where the op itself does not
        gradient = Autodiff(apply("cube", x), be64).get_grad_op_tree([x])[0]
        np.testing.assert_allclose(gradient.get(), 3 * x.get() ** 2)
    finally:
        del ROWS["cube"]


@pytest.mark.parametrize("op", ["mul", "eq", "shift"])
def test_a_derivative_is_registered_once(op):
    with pytest.raises(ConfigurationError, match=f"{op}.*already"):
        register(op, lambda ans, g, x: (g,))
