"""The unrolled builders give what `apply` gives, the first time and when they find it again."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from neonport.errors import DtypeError, ShapeError
from neonport.ops.op import OPS, Kind
from neonport.optree import operators as builders
from neonport.optree.node import apply
from neonport.optree.signature import MAX_LEAVES, MAX_OPS

UNARY = sorted(n for n, op in OPS.items() if op.kind is Kind.ELEMENTWISE and op.arity == 1)
BINARY = sorted(n for n, op in OPS.items() if op.kind is Kind.ELEMENTWISE and op.arity == 2)


@pytest.fixture
def operands(be):
    """A tensor, one that broadcasts, a tree, a tree of a number, and numbers."""
    x, row = be.array(np.ones((3, 4))), be.array(np.ones((1, 4)), dtype=np.float64)
    return [x, row, x * 2.0, apply("exp", 0.5), 3, 0.25, np.float32(2)]


def same(a, b):
    """Whether two nodes are equal in all that a statement is found by."""
    return (
        (a.sig is b.sig or repr(a) == repr(b)) and a.scalars == b.scalars and a.tokens == b.tokens
    )


@pytest.mark.parametrize("name", UNARY)
def test_unary(operands, name):
    for a in operands:
        for _ in range(2):
            assert same(builders.unary(name)(a), apply(name, a))


@pytest.mark.parametrize("name", BINARY)
def test_binary(operands, name):
    for a in operands:
        for b in operands:
            for _ in range(2):
                assert same(builders.binary(name)(a, b), apply(name, a, b))


def test_where(operands):
    for c in operands:
        for a in operands:
            for b in operands:
                for _ in range(2):
                    assert same(builders.where(c, a, b), apply("where", c, a, b))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), [1]])
def test_reductions_through_the_catalogue(be, axis):
    x = be.array(np.arange(12.0).reshape(3, 4))
    for _ in range(2):
        assert be.sum(x, axis=axis).sig is be.sum(x, axis=axis).sig
        along = tuple(axis) if isinstance(axis, list) else axis
        wanted = x.get().mean(axis=along, keepdims=True)
        assert np.allclose(be.mean(x, axis=axis).get(), wanted)


@pytest.mark.parametrize("axis", [1.0, "1"])
def test_an_axis_that_only_equals_one_is_no_axis(be, axis):
    x = be.array(np.ones((3, 4)))
    be.sum(x, axis=1)
    with pytest.raises((TypeError, ShapeError)):
        be.sum(x, axis=axis)


def test_operators_of_python(be):
    x = be.array(np.full((2, 2), 3.0))
    assert same(-x, apply("neg", x))
    assert same(abs(x), apply("abs", x))
    assert same(x**2, apply("sqr", x))
    assert same(x**0.5, apply("sqrt", x))
    assert same(x**3, apply("pow", x, 3))
    assert same(2**x, apply("pow", 2, x))
    with pytest.raises(TypeError):
        operator.add(x, "a")
    with pytest.raises(DtypeError):
        be.maximum(x, np.ones((2, 2)))


def test_large_trees_are_known_by_identity(be):
    x = be.array(np.full((2, 2), 0.5))
    tree = x
    for _ in range(MAX_LEAVES + 2):
        tree = tree + x
    for make in (lambda: be.exp(tree), lambda: be.where(tree, tree, x), lambda: tree * tree):
        assert make().tokens != make().tokens


def test_what_is_remembered_is_bounded(be):
    sig = be.zeros((2, 3)).sig
    for i in range(20_000):
        builders._keep(sig, ("test", i), sig)
    assert len(sig.derived) < 5_000


def test_leaves_are_read_in_the_order_of_the_formula(be):
    x, y = be.array(np.ones((2, 3))), be.array(np.ones((1, 3)))
    part = 2.0 * x
    tree = be.where(part > y, be.sum(x - 3.0, axis=0) / part, 4) ** 5.5
    a, b = x.token, y.token
    assert tree.tokens == (a, b, a, a)
    assert tree.scalars == (2.0, 3.0, 2.0, 4, 5.5)
    assert (tree.tokens, tree.scalars) == tree.leaves == apply("neg", tree).leaves


def test_a_source_is_one_leaf_wherever_it_stands(be):
    x, noise = be.array(np.ones((2, 3))), be.rand(shape=(2, 3))
    tree = x * noise + noise
    assert tree.tokens == (x.token, *noise.tokens, *noise.tokens)
    assert be.rand(shape=(2, 3)).tokens != noise.tokens


def test_deep_trees_are_known_by_identity(be):
    x = be.array(np.full((2, 2), 0.5))
    tree = x
    for _ in range(MAX_OPS):
        tree = -tree
    assert tree.tokens == (x.token,)
    deeper = -tree
    assert deeper.tokens == deeper.tokens != (-tree).tokens
    out = be.empty((2, 2))
    for _ in range(2):
        out[:] = deeper
        assert np.array_equal(out.get(), -x.get())


def test_nodes_are_immutable(be):
    tree = be.array(np.ones((2, 3))) + 1.0
    for name in ("op", "args", "left", "right", "shape", "dtype", "tokens", "scalars", "new"):
        with pytest.raises(AttributeError):
            setattr(tree, name, None)


def test_errors_speak_of_the_operands_only(be):
    x, y = be.array(np.ones((2, 3))), be.array(np.ones((4, 5)))
    mistakes = [
        lambda: x + y,
        lambda: be.maximum(x, y),
        lambda: be.exp("a"),
        lambda: be.sum(x, axis=7),
        lambda: be.mean("a", axis=1),
        lambda: be.where(x, y, 1.0),
        lambda: be.where(x, "a", 1.0),
    ]
    for mistake in mistakes:
        with pytest.raises((ShapeError, DtypeError)) as caught:
            mistake()
        assert caught.value.__context__ is None
