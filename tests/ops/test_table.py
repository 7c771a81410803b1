"""The op table: rows from outside, and what is derived from its columns."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff, ops
from neonport.autodiff import vjps
from neonport.autodiff.vjps import ROWS
from neonport.backends.backend import Backend, OpCollection
from neonport.compiler.codegen import dialect
from neonport.errors import ConfigurationError, UnknownOpError
from neonport.ops.op import OPS, Kind, Op
from neonport.ops.recurrence import BLOCKS, GATES
from neonport.optree.node import OpTreeNode, apply

PUBLIC = [(op.name, method) for op in OPS.values() for method in op.public]


@pytest.fixture
def cube():
    yield Op("cube", 1, Kind.ELEMENTWISE, lambda x: x * x * x, "cube({0})", "x^3")
    OPS.pop("cube", None)
    ROWS.pop("cube", None)
    dialect.EXPRESSIONS.pop("cube", None)


def test_a_row_is_registered_once(cube):
    assert ops.register(cube) is OPS["cube"] is cube
    assert "cube" in ops.of_kind(Kind.ELEMENTWISE)
    with pytest.raises(ConfigurationError, match=r"cube.*already"):
        ops.register(cube)


def test_an_expression_is_registered_once():
    with pytest.raises(ConfigurationError, match=r"exp.*already"):
        dialect.register("exp", "exp({0})")


def test_an_op_from_outside_runs_and_has_a_gradient(cube, be):
    ops.register(cube)
    dialect.register("cube", "({0} * {0} * {0})")
    vjps.register("cube", lambda ans, g, x: (g * 3.0 * x * x,))
    values = np.array([[1.0, -2.0, 0.5]])
    x, y = be.array(values), be.empty((1, 3))
    y[:] = apply("cube", x) + 1.0
    np.testing.assert_allclose(y.get(), values**3 + 1)
    assert str(apply("cube", x)).startswith("cube(")
    (gradient,) = Autodiff(apply("cube", x), be).get_grad_tensor([x])
    np.testing.assert_allclose(gradient.get(), 3 * values**2)


def test_an_op_without_an_expression_says_so(cube):
    ops.register(cube)
    null = Backend.allocate_backend("null")
    x = null.array(np.array([[1.0, -2.0]]))
    with pytest.raises(UnknownOpError, match=r"cube.*dialect\.register"):
        x[:] = apply("cube", x)


def sequence_op(be, name, method):
    """Two steps of one unit and three samples."""
    family = name.removesuffix("_backward")
    gates, blocks = GATES[family], BLOCKS[family]
    w, z, s = be.ones((gates, 1)), be.ones((gates, 6)), be.ones((blocks, 6))
    operands = (s[:1], s, w) if name != family else (z, w)
    more = {"all_blocks": True} if name in ("lstm", "gru") else {}
    return getattr(be, method)(*operands, steps=2, **more)


@pytest.mark.parametrize(("name", "method"), PUBLIC)
def test_public_names_are_methods_that_build_the_op(be, name, method):
    integers = OPS[name].reads.startswith("i")
    x = be.array(np.eye(2), dtype=np.int32) if integers else be.array(np.eye(2))
    if name == "rand":
        tree = be.rand(shape=(2, 2))
    elif name == "onehot":
        tree = be.onehot([0, 1], 0)
    elif name == "take":
        tree = be.take(x, [0, 1], 0)
    elif name == "take_along_axis":
        tree = getattr(be, method)(x, [[0, 1], [1, 0]], 0)
    elif name == "concat":
        tree = getattr(be, method)([x, x])
    elif name == "lrn":
        tree = be.lrn(be.ones((3, 1, 1, 1, 2)), 3)
    elif OPS[name].kind is Kind.SEQUENCE:
        tree = sequence_op(be, name, method)
    elif OPS[name].kind is Kind.AXIS:
        tree = getattr(be, method)(x, 1)
    else:
        tree = getattr(be, method)(*[x + 0.0] * OPS[name].arity)
    assert isinstance(tree, OpTreeNode)
    assert tree.op == name


def test_the_sets_of_neon_hold_ops_only():
    sets = (OpCollection.float_ops, OpCollection.ew_ops, OpCollection.reduction_ops)
    assert set().union(*sets) <= set(OPS)
    assert {"add", "exp", "where", "rand", "onehot"} <= OpCollection.ew_ops
    assert not {"dot", "transpose", "sum"} & OpCollection.ew_ops
    assert OpCollection.reduction_ops == {"sum", "prod", "max", "min", "var", "argmax", "argmin"}
    assert all(OPS[name].arity == 1 for name in OpCollection.unary_ops)
    assert all(OPS[name].arity == 2 for name in OpCollection.binary_ops)
