"""Methods that users of NumPy expect of tensors and trees."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.optree.node import OpTreeNode

VALUES = np.random.RandomState(0).randn(3, 4).astype(np.float32)


@pytest.fixture(params=["tensor", "tree"])
def operand(request, be):
    """VALUES as a tensor, and as a tree."""
    x = be.array(VALUES)
    return x if request.param == "tensor" else x * 1.0


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std", "argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_reductions(be, operand, name, axis):
    wanted = np.asarray(getattr(VALUES, name)(axis=axis, keepdims=True))
    tree = getattr(operand, name)(axis=axis)
    assert type(tree) is OpTreeNode
    np.testing.assert_allclose(tree.get(), wanted, rtol=1e-5)
    out = be.empty(wanted.shape)
    assert getattr(operand, name)(axis, out=out) is out
    np.testing.assert_allclose(out.get(), wanted, rtol=1e-5)
    np.testing.assert_allclose(getattr(np, name)(operand, axis=axis).get(), wanted, rtol=1e-5)


def test_an_axis_may_be_a_number_of_numpy(operand):
    for axis in (np.int64(1), np.array(1), np.array([1]), [np.int8(1)]):
        np.testing.assert_allclose(
            operand.sum(axis=axis).get(), VALUES.sum(axis=1, keepdims=True), rtol=1e-5
        )


def test_what_numpy_has_and_a_tree_has_not(operand):
    with pytest.raises(DtypeError, match=r"t\.get\(\)\.sum"):
        operand.sum(dtype=np.float64)
    with pytest.raises(ConfigurationError, match="ddof"):
        operand.var(ddof=1)
    with pytest.raises(ShapeError, match="axis"):
        operand.max(axis=5)


def test_shapes(be, operand):
    assert (operand.ndim, operand.size) == (2, 12)
    for shape in ((4, 3), (2, -1), (2, 2, 3)):
        np.testing.assert_array_equal(operand.reshape(shape).get(), VALUES.reshape(shape))
        np.testing.assert_array_equal(operand.reshape(*shape).get(), VALUES.reshape(shape))
        np.testing.assert_array_equal(be.reshape(operand, shape).get(), VALUES.reshape(shape))
    np.testing.assert_array_equal(be.reshape(operand.T, (2, 6)).get(), VALUES.T.reshape(2, 6))
    with pytest.raises(ShapeError):
        operand.reshape(5, 2)
    with pytest.raises(ShapeError, match="only known"):
        be.rand().reshape(1, 1)


def test_products(be, operand):
    other = be.array(VALUES.T)
    np.testing.assert_allclose((operand @ other).get(), VALUES @ VALUES.T, rtol=1e-5)
    cube = np.stack([VALUES, VALUES * 2])
    np.testing.assert_allclose((be.array(cube) @ other).get(), cube @ VALUES.T, rtol=1e-5)
    with pytest.raises(ShapeError):
        operand @ operand
    with pytest.raises(DtypeError):
        operand @ 2


def test_functions_of_the_backend(be, operand):
    np.testing.assert_array_equal(be.relu(operand).get(), np.maximum(VALUES, 0))
    np.testing.assert_array_equal(be.abs(operand).get(), np.abs(VALUES))
    np.testing.assert_array_equal(abs(operand).get(), np.abs(VALUES))


def test_arrays(operand):
    for array in (operand.numpy(), operand.get(), np.asarray(operand)):
        assert type(array) is np.ndarray
        np.testing.assert_array_equal(array, VALUES)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_a_copied_tensor_is_its_own(be, make):
    x = be.array(VALUES, dtype=np.float16, name="weights")
    for source in (x, x.T, x[1:, ::2]):
        before = source.get()
        own = make(source)
        assert (own.backend, own.dtype, own.shape, own.name) == (be, x.dtype, source.shape, x.name)
        own[:] = 0
        np.testing.assert_array_equal(source.get(), before)


def test_containers_share_what_they_shared(be):
    x = be.array(VALUES)
    first, second, tree = copy.deepcopy([x, x, x + x])
    assert first is second
    assert first is not x
    x[:] = 0
    np.testing.assert_array_equal(tree.get(), VALUES * 2)
    same = copy.copy(tree)
    assert same is tree


@pytest.mark.parametrize("order", [1, -1])
def test_views_that_are_copied_together_share_memory_again(be, order):
    x = be.array(VALUES, dtype=np.float32)
    views = [
        x,
        x[1:, ::2],
        x.T,
        x.T[2:][::-1],
        x.reshape(2, 6),
        x.share((6, 2)),
        x.share((12, 2), np.uint16),
    ]
    for _ in range(2000):  # a view of a view of a view
        views[1] = views[1][:]
    own = copy.deepcopy(views[::order])[::order]
    assert [t.shape for t in own] == [t.shape for t in views]
    own[0][:] = own[0] * 2
    for mine, given in zip(own[:-1], views, strict=False):
        np.testing.assert_array_equal(mine.get(), given.get() * 2)
    np.testing.assert_array_equal(own[-1].get(), (VALUES * 2).view(np.uint16).reshape(-1, 2))
    np.testing.assert_array_equal(x.get(), VALUES)


def test_copies_of_foreign_memory_with_gaps(be):
    x = be.from_dlpack(np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2])
    whole, part = copy.deepcopy([x, x[1:, 1:]])
    x[:] = 0
    np.testing.assert_array_equal(whole.get(), np.arange(24).reshape(4, 6)[:, ::2])
    np.testing.assert_array_equal(part.get(), np.arange(24).reshape(4, 6)[1:, 2::2])


def test_pickling_is_refused_with_the_way_out(operand):
    for value in (operand, {"a": operand}):
        with pytest.raises(TypeError, match=r"be\.array\(a, dtype=a\.dtype\)"):
            pickle.dumps(value)


def test_a_notebook_shows_the_values_of_a_small_tensor(be):
    assert "[1. 2.]" in repr(be.array([[1.0, 2.0]]))
    assert "..." in repr(be.zeros((100, 100)))
    assert "+" in repr(be.ones((1, 2)) + 1)
