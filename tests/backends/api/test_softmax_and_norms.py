"""`std`, `norm`, `logsumexp`, `softmax`, `log_softmax`: values against float64 NumPy, gradients."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.autodiff.autodiff import Autodiff
from neonport.errors import ConfigurationError, ShapeError

AXES = [0, 1, -1, None, (0, 1)]
INF = float("inf")


def np_logsumexp(x, axis):
    axis = tuple(range(x.ndim)) if axis is None else axis
    m = x.max(axis=axis, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=axis, keepdims=True)) + m


def np_log_softmax(x, axis):
    x = x - x.max()  # by any number: a large one has no room for a small one beside it
    return x - np_logsumexp(x, axis)


def np_norm(x, ord, axis):
    if ord == 1:
        return np.abs(x).sum(axis=axis, keepdims=True)
    if ord == 2:
        return np.sqrt((x * x).sum(axis=axis, keepdims=True))
    return np.abs(x).max(axis=axis, keepdims=True)


FUNCTIONS = {
    "std": (lambda be, x, axis: be.std(x, axis), lambda x, a: x.std(axis=a, keepdims=True)),
    "norm 1": (lambda be, x, axis: be.norm(x, 1, axis), lambda x, a: np_norm(x, 1, a)),
    "norm 2": (lambda be, x, axis: be.norm(x, axis=axis), lambda x, a: np_norm(x, 2, a)),
    "norm inf": (lambda be, x, axis: be.norm(x, INF, axis), lambda x, a: np_norm(x, INF, a)),
    "logsumexp": (lambda be, x, axis: be.logsumexp(x, axis), np_logsumexp),
    "softmax": (
        lambda be, x, axis: be.softmax(x, axis),
        lambda x, a: np.exp(np_log_softmax(x, a)),
    ),
    "log_softmax": (
        lambda be, x, axis: be.log_softmax(x, axis),
        lambda x, a: np_log_softmax(x, a),
    ),
}
EXPONENTIALS = ("logsumexp", "softmax", "log_softmax")


def numbers(*shape, seed=0, scale=1.0):
    return np.random.RandomState(seed).normal(size=shape) * scale


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(be, name, axis):
    function, wanted = FUNCTIONS[name]
    x = numbers(7, 33).astype(np.float32)
    found = function(be, be.array(x), axis).get()
    np.testing.assert_allclose(found, wanted(x.astype(np.float64), axis), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("axis", [1, -1, (0, 2)], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_three_axes(be, name, axis):
    function, wanted = FUNCTIONS[name]
    x = numbers(3, 4, 5).astype(np.float32)
    found = function(be, be.array(x), axis).get()
    np.testing.assert_allclose(found, wanted(x.astype(np.float64), axis), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 2e-3), ("bfloat16", 1.6e-2)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_small_dtypes_compute_in_float32(be, name, dtype, digits):
    function, wanted = FUNCTIONS[name]
    x = be.array(numbers(7, 33), dtype=dtype)
    read = x.get().astype(np.float64)  # what is stored
    for axis in (0, 1):
        tree, value = function(be, x, axis), wanted(read, axis)
        np.testing.assert_allclose(tree.get(), value, rtol=4e-6, atol=4e-6)
        stored = be.empty(tree.shape, dtype=dtype)
        stored[:] = tree
        np.testing.assert_allclose(stored.get().astype("f8"), value, rtol=digits, atol=1e-3)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4, 3e38, -3e38])
@pytest.mark.parametrize("name", EXPONENTIALS)
def test_large_inputs_neither_overflow_nor_vanish(be, name, shift):
    function, wanted = FUNCTIONS[name]
    x = (np.array([[0.0, 1.0, 2.0, -50.0]]) + shift).astype(np.float32)
    found = function(be, be.array(x), 1).get()
    np.testing.assert_allclose(found, wanted(x.astype(np.float64), 1), rtol=1e-6, atol=1e-6)


def test_log_softmax_is_exact_where_softmax_is_0(be):
    x = be.array([[0.0, -500.0, -1000.0]])
    assert be.log_softmax(x, 1).get().tolist() == [[0.0, -500.0, -1000.0]]


def test_infinite_inputs(be):
    x = be.array([[-INF, -INF], [INF, 0.0], [-INF, 1.0], [np.nan, 0.0]])
    found = be.logsumexp(x, axis=1).get()[:, 0]
    np.testing.assert_array_equal(found, [-INF, INF, 1.0, np.nan])
    np.testing.assert_array_equal(be.softmax(x, axis=1).get()[2], [0.0, 1.0])
    np.testing.assert_array_equal(be.log_softmax(x, axis=1).get()[2], [-INF, 0.0])
    assert np.isnan(be.softmax(x, axis=1).get()[3]).all()
    assert np.isnan(be.norm(x, axis=1).get()[3, 0])
    assert np.isnan(be.std(x, axis=1).get()[3, 0])
    assert be.norm(x, axis=1).get()[1, 0] == INF


def test_out(be):
    x, out = be.array(numbers(3, 4)), be.empty((3, 4))
    assert be.softmax(x, axis=0, out=out) is out
    np.testing.assert_allclose(out.get().sum(axis=0), 1, rtol=1e-6)
    row = be.empty((1, 4))
    for function in (be.norm, be.logsumexp, be.std):
        assert function(x, axis=0, out=row) is row
    assert be.log_softmax(x, 0, out) is out


# ---- gradients ---------------------------------------------------------------------------------


def gradient(be, tree, x):
    return Autodiff(tree, be).get_grad_asnumpyarray([x])[0]


@pytest.mark.parametrize("name", ["std", "norm 1", "norm 2", "norm inf"])
def test_the_gradient_at_zero_is_zero(be, name):
    function, _ = FUNCTIONS[name]
    x = be.zeros((3, 4))
    first = Autodiff(function(be, x, 1), be).get_grad_op_tree([x])[0]
    np.testing.assert_array_equal(first.get(), np.zeros((3, 4)))
    second = gradient(be, be.square(first) + first, x)
    np.testing.assert_array_equal(second, np.zeros((3, 4)))


def test_a_zero_vector_beside_another(be):
    x = be.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(gradient(be, be.norm(x, axis=1), x), [[0, 0], [0.6, 0.8]], rtol=1e-6)
    equal = be.array([[2.0, 2.0], [1.0, 3.0]])
    found = gradient(be, be.std(equal, axis=1), equal)
    np.testing.assert_allclose(found, [[0, 0], [-0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_gradients_at_large_inputs(be, shift):
    x = be.array(np.array([[0.0, 1.0, 2.0, -50.0]]) + shift)
    p = be.softmax(x, axis=1).get()
    np.testing.assert_allclose(gradient(be, be.logsumexp(x, axis=1), x), p, rtol=1e-5)
    loss = be.sum(be.log_softmax(x, axis=1))
    np.testing.assert_allclose(gradient(be, loss, x), 1 - 4 * p, rtol=1e-5, atol=1e-6)
    assert np.abs(gradient(be, be.softmax(x, axis=1), x)).max() < 1e-6  # the sum is always 1


def test_ties_share_the_gradient(be):
    x = be.array([[1.0, 1.0]])
    np.testing.assert_allclose(gradient(be, be.logsumexp(x), x), [[0.5, 0.5]])


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPONENTIALS)
def test_no_elements_to_sum_over(be, name):
    function = getattr(be, name)
    for shape, axis in (((0, 3), 0), ((3, 0), 1), ((0, 0), None), ((2, 3), ())):
        with pytest.raises(ShapeError, match=rf"{name}: there are no elements along axis"):
            function(be.zeros(shape), axis=axis)
    assert function(be.zeros((0, 3)), axis=1).shape[0] == 0  # no row, so nothing to sum


@pytest.mark.parametrize("name", ["std", "norm", *EXPONENTIALS])
def test_axes_that_are_not_there(be, name):
    x = be.zeros((2, 3))
    with pytest.raises(ShapeError, match="out of range"):
        getattr(be, name)(x, axis=2)
    with pytest.raises(ShapeError, match="twice"):
        getattr(be, name)(x, axis=(0, 0))


@pytest.mark.parametrize("ord", [0, 3, -INF, "fro", None])
def test_other_norms(be, ord):
    with pytest.raises(ConfigurationError, match="must be 1, 2 or inf"):
        be.norm(be.zeros((2, 3)), ord)
