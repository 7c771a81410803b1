"""`t += x` and its kin write into the tensor; a tree on the left makes another tree."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from neonport.errors import DtypeError, ReadOnlyError, ShapeError
from neonport.optree.node import OpTreeNode

VALUES = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
OPERATORS = [
    *(operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow, operator.imod),
]


@pytest.mark.parametrize("change", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", ["number", "array", "tensor", "tree", "list"])
def test_the_tensor_is_changed_and_returned(be, change, kind):
    x, other = be.array(VALUES), np.full((3, 4), 2.5, np.float32)
    forms = {"number": 2.5, "array": other, "list": other.tolist()}
    forms |= {"tensor": be.array(other), "tree": be.array(other) * 1.0}
    same, view = x, x[1:]
    expected = VALUES.copy()
    expected = change(expected, other)
    result = change(x, forms[kind])
    assert result is same
    np.testing.assert_allclose(same.get(), expected, rtol=1e-5)
    np.testing.assert_allclose(view.get(), expected[1:], rtol=1e-5)


def test_a_matrix_product_in_place(be):
    x, turn = be.array(VALUES), np.eye(4, dtype=np.float32)[::-1].copy()
    same = x
    x @= be.array(turn)
    assert x is same
    np.testing.assert_allclose(x.get(), VALUES @ turn)


def test_views_and_gathered_rows(be):
    x, expected = be.array(VALUES), VALUES.copy()
    x[1:3] += 1
    expected[1:3] += 1
    x[:, ::2] *= 2
    expected[:, ::2] *= 2
    x[0, 1] -= 5
    expected[0, 1] -= 5
    x[[0, 2], :] += 3
    expected[[0, 2], :] += 3
    x[:] /= 2
    expected[:] /= 2
    x.T[:2] += 1
    expected.T[:2] += 1
    np.testing.assert_allclose(x.get(), expected)


def test_a_step_of_gradient_descent(be):
    w, g = be.array(VALUES), np.ones((3, 4))
    same = w
    for _ in range(3):
        w -= 0.5 * g
    assert w is same
    np.testing.assert_allclose(same.get(), VALUES - 1.5)


def test_the_operand_may_be_part_of_the_target(be):
    x = be.array(VALUES)
    x += x.reshape(3, 4)[::-1]
    np.testing.assert_allclose(x.get(), VALUES + VALUES[::-1])


def test_a_tree_on_the_left_stays_a_tree(be):
    x = be.array(VALUES)
    tree = first = x * 2
    tree += 1
    assert type(tree) is OpTreeNode
    assert tree is not first
    np.testing.assert_allclose(tree.get(), VALUES * 2 + 1)
    np.testing.assert_allclose(x.get(), VALUES)


def test_an_array_on_the_left_is_refused_as_before(be):
    a = np.ones((3, 4), np.float32)
    with pytest.raises(DtypeError, match=r"be\.array"):
        a += be.array(VALUES)
    assert (a == 1).all()


@pytest.mark.parametrize("value", [np.ones((2, 4)), np.ones((4, 3)), np.ones(4), "a"])
def test_what_does_not_fit_leaves_the_target(be, value):
    x = be.array(VALUES)
    with pytest.raises((ShapeError, TypeError)):
        x += value
    with pytest.raises(ShapeError):
        x += be.ones((2, 4))
    with pytest.raises(ShapeError):
        x[1:2] += be.ones((3, 4))  # a larger value
    assert (x.get() == VALUES).all()


def test_a_read_only_tensor(be):
    array = np.ones((2, 2), np.float32)
    array.flags.writeable = False
    x = be.from_dlpack(array) if be.device_type == 0 else None
    if x is None:
        pytest.skip("the device does not share host memory that is read-only")
    with pytest.raises(ReadOnlyError):
        x += 1
    assert (array == 1).all()


def test_integers_round_as_a_store_does(be):
    x = be.array([[1, 2, 250]], dtype=np.uint8)
    x += 10
    assert x.get().tolist() == [[11, 12, 255]]
    x *= np.array([[0.5, 0.5, 0.1]])
    assert x.get().tolist() == [[6, 6, 26]]


def test_a_view_assigned_to_itself_launches_nothing(be):
    x = be.array(VALUES)
    with be.record() as step:
        x[1:3] = x[1:3]
    step()
    np.testing.assert_array_equal(x.get(), VALUES)
