"""The constructors of gradient trees leave out only what changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.autodiff import simplify as s
from neonport.optree.node import apply, walk


@pytest.fixture
def x(be64):
    return be64.array(np.array([[1.0, -2.0, np.nan], [np.inf, 0.0, 5.0]]))


def value(be, tree, shape=None):
    out = be.empty(tree.shape if shape is None else shape)
    out[:] = tree
    return out.get()


def test_neutral_numbers(x):
    assert s.add(x, 0) is x is s.add(0.0, x)
    assert s.add(None, x) is x is s.add(x, None)
    assert s.mul(1, x) is x is s.mul(x, 1.0)
    assert s.div(x, 1) is x
    assert s.raise_to(x, 1) is x
    assert s.raise_to(x, 0) == 1
    assert s.neg(s.neg(x)) is x
    assert s.mul(x, -1).op == "neg"
    assert s.gate(x, 1.0) is x


def test_numbers_are_folded():
    assert s.add(2, 3) == 5
    assert s.mul(2, 3.5) == 7
    assert s.neg(2) == -2
    assert s.div(1, 4) == 0.25
    assert s.div(1, 0) == np.inf
    assert s.div(-1.0, 0) == -np.inf
    assert np.isnan(s.div(0.0, 0))


@pytest.mark.parametrize("number", [0, 0.0, 2, -0.5])
def test_what_could_matter_stays(be64, x, number):
    with np.errstate(invalid="ignore"):
        expected = x.get() * number
    np.testing.assert_array_equal(value(be64, s.mul(x, number)), expected)
    assert s.mul(x, number).op == "mul"


def test_transposes_join(be64):
    t = be64.array(np.arange(24.0).reshape(2, 3, 4))
    node = t * 2
    a, b = (1, 2, 0), (2, 1, 0)
    both = s.transpose(s.transpose(node, a), b)
    np.testing.assert_array_equal(value(be64, both), (t.get() * 2).transpose(a).transpose(b))
    assert len(walk(both)) == 2
    assert s.transpose(s.transpose(node, a), (2, 0, 1)) is node
    assert s.transpose(s.transpose(t, a), (2, 0, 1)) is t
    np.testing.assert_array_equal(s.transpose(s.transpose(t, a), b).get(), both.get() / 2)
    assert s.swap(3.0) == 3.0


def test_reshapes_join_and_slices_undo(be64, x):
    node = x * 2
    assert s.reshape(s.reshape(node, (3, 2)), (2, 3)) is node
    assert len(walk(s.reshape(s.reshape(node, (3, 2)), (1, 6)))) == 2
    put = apply("pad_region", node, starts=(1, 0), steps=(1, 2), shape=(4, 6))
    assert s.take_region(put, (1, 0), (1, 2), (2, 3)) is node
    assert s.take_region(put, (0, 0), (1, 2), (2, 3)) is not node
    assert s.total(x, ()) is x
    assert s.total(x[:1], (0,)).shape == (1, 3)


def test_full(be64):
    row = be64.array(np.array([[1.0, 2.0]]))
    like = be64.zeros((3, 2))
    for g, expected in ((row, [[1, 2]] * 3), (0.5, 0.5), (1 / 3, 1 / 3), (np.inf, np.inf)):
        out = value(be64, s.full(g, (3, 2), like))
        np.testing.assert_array_equal(out, np.broadcast_to(expected, (3, 2)))
    assert s.full(like, (3, 2), like) is like
    twice = s.full(s.full(row, (3, 2), like), (4, 3, 2), like)
    assert len(walk(twice)) == 1


@pytest.mark.parametrize("operand", [(3, 4), (1, 4), (3, 1), (1, 1), (2, 3, 4), (2, 1, 1)], ids=str)
@pytest.mark.parametrize("have", [None, (1, 1), (1, 4), (3, 1), (3, 4), (2, 3, 4), (2, 1, 4)])
def test_unbroadcast(be64, operand, have):
    result, rng = (2, 3, 4), np.random.RandomState(0)
    array = np.float64(0.3) if have is None else rng.rand(*have)
    g = 0.3 if have is None else be64.array(array)
    full = np.broadcast_to(array, result)
    padded = (1,) * (3 - len(operand)) + operand
    axes = tuple(a for a in range(3) if padded[a] == 1)
    expected = full.sum(axis=axes, keepdims=True).reshape(operand)
    small = s.unbroadcast(g, result, operand)
    shape = np.shape(small) if s.is_number(small) else small.sig.shape
    assert len(shape) <= len(operand)
    np.testing.assert_allclose(value(be64, s.as_tree(small, be64.zeros(operand))), expected)


def test_unbroadcast_over_nothing():
    assert s.unbroadcast(np.inf, (0, 3), (1, 3)) is None


def test_constants_do_not_read_their_model(be64, x):
    for g in (0.5, apply("broadcast", 0.5, shape=(2, 3))):
        tree = s.as_tree(g, x)
        assert tree.backend is be64
        np.testing.assert_array_equal(tree.get(), np.full((2, 3), 0.5))


def test_open_sizes_are_filled_in_everywhere(be64):
    labels = be64.array(np.array([0, 1]), dtype=np.int32)
    onehot, noise = be64.onehot(labels, axis=0), be64.rand()
    tree = (onehot * 2 + onehot) * noise
    closed = s.close_sizes(tree, (3, 2))
    assert closed.shape == (3, 2)
    assert not closed.sig.open
    assert len(walk(closed)) == len(walk(tree))
    plain = be64.ones((2, 2)) * 2
    assert s.close_sizes(plain, (2, 2)) is plain
