"""Every elementwise op in every role of its operands, against finite differences, twice."""

from __future__ import annotations

import pytest

from neonport.autodiff.vjps import ROWS
from neonport.ops.op import OPS, Kind
from neonport.optree.node import apply
from neonport.testing import check_grads

ELEMENTWISE = [name for name in ROWS if OPS[name].kind is Kind.ELEMENTWISE]
UNARY = [name for name in ELEMENTWISE if OPS[name].arity == 1]
BINARY = [name for name in ELEMENTWISE if OPS[name].arity == 2]
SHAPES = [
    ((3, 4), (3, 4)),
    ((3, 4), (1, 4)),
    ((3, 4), (3, 1)),
    ((3, 1), (1, 4)),
    ((1, 1), (3, 4)),
    ((2, 3, 4), (3, 4)),
    ((2, 1, 4), (3, 1)),
    ((2, 3, 4), (1, 1)),
]
VIEWS = {
    "slice": lambda t: t[1:3, ::2],
    "reversed": lambda t: t[::-1, :2],
    "transpose": lambda t: t.T,
    "reshape": lambda t: t.reshape(2, 10),
    "share": lambda t: t.share((3, 2)),
    "integer": lambda t: t[2],
    "chain": lambda t: t.T[1:].T.T[:, 1:4].T[::2],
}


def inside(op):
    """Limits of operands for which an op has a derivative."""
    low, high = OPS[op].domain
    return {"low": max(low + 0.2, -0.9), "high": min(high - 0.2, 1.8)}


@pytest.mark.parametrize("op", UNARY)
def test_unary(be64, values, op):
    x = values(3, 4, **inside(op))
    check_grads(apply(op, x), [x], be64)


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_binary_broadcasts_either_way(be64, values, op, shapes):
    x, y = values(*shapes[0]), values(*shapes[1], low=0.25)
    check_grads(apply(op, x, y), [x, y], be64)
    check_grads(apply(op, y, x), [x, y], be64)


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("number", [0.7, 1, -1.0, 2, 3.5])
def test_a_number_as_operand(be64, values, op, number):
    x = values(2, 3, low=0.21)  # no number is a multiple of one of them: `mod` jumps there
    if number > 0 or op != "pow":
        check_grads(apply(op, number, x), [x], be64)
    check_grads(apply(op, x, number), [x], be64)


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "pow"])
def test_the_same_tensor_twice(be64, values, op):
    x = values(2, 3)
    check_grads(apply(op, x, x), [x], be64)
    shared = be64.exp(x)
    check_grads(apply(op, shared, shared) * shared, [x], be64)


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("view", VIEWS)
def test_unary_on_a_view(be64, values, op, view):
    x = values(5, 4, **inside(op))
    check_grads(apply(op, VIEWS[view](x)), [x], be64)


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_with_other_uses_of_its_base(be64, values, op, view):
    x = values(5, 4)
    y = values(*VIEWS[view](x).shape, low=0.25)
    tree = be64.sum(apply(op, VIEWS[view](x), y)) * be64.sqrt(x)
    check_grads(tree, [x, y], be64)


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((1, 4), (3, 1)), ((1, 1), (3, 4))], ids=str)
def test_where(be64, values, shapes):
    c = values(3, 4, low=-1.0, high=1.0) > 0
    x, y = values(*shapes[0]), values(*shapes[1])
    check_grads(be64.where(c, x * y, be64.exp(y)), [x, y], be64)
    check_grads(be64.where(c, 2.0, x), [x], be64)
    check_grads(be64.where(c, x, 2.0), [x], be64)


def test_composites_of_the_backend(be64, values):
    x, low, high = values(3, 4), values(3, 1, low=0.3, high=0.6), values(1, 4, low=1.2, high=1.5)
    check_grads(be64.clip(x, low, high), [x, low, high], be64)
    check_grads(be64.reciprocal(x) + be64.square(x) + x**0.5 + x**2, [x], be64)
    check_grads(be64.mean(x, axis=0) * be64.std(x, axis=1), [x], be64)
    check_grads(be64.mean(x) * be64.std(x), [x], be64)
