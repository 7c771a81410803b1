"""NaN and Inf go where the formulas say and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.optree.node import apply

INF, NAN = np.inf, np.nan


def grad(tree, be, tensor, error=None):
    return Autodiff(tree, be, next_error=error).get_grad_asnumpyarray([tensor])[0]


@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_sums_and_shapes_do_not_look_at_the_values(be64, bad):
    x = be64.array([[bad, 1.0], [2.0, bad]])
    for tree in (
        be64.sum(x),
        be64.mean(x, axis=0) * 2,
        be64.sum(x.T),
        be64.sum(apply("reshape", x, shape=(1, 4))),
        x + 1,
        be64.sum(apply("broadcast", x, shape=(3, 2, 2))) * (1 / 3),
    ):
        found = grad(tree, be64, x)
        assert np.isfinite(found).all()
        assert len(np.unique(found)) == 1


@pytest.mark.parametrize("bad", [INF, NAN])
def test_a_tensor_that_is_not_there_gets_zeros(be64, bad):
    x, other = be64.ones((2, 2)), be64.array([[bad, 1.0], [2.0, 3.0]])
    ad = Autodiff(be64.exp(x), be64)
    np.testing.assert_array_equal(ad.get_grad_op_tree([other])[0].get(), np.zeros((2, 2)))
    buffer = be64.array([[bad] * 2] * 2)
    ad.back_prop_grad([other], [buffer])
    np.testing.assert_array_equal(buffer.get(), np.zeros((2, 2)))


def test_an_infinite_error_does_not_leak_through_a_closed_gate(be64):
    x, y = be64.array([[1.0, 5.0]]), be64.array([[2.0, 2.0]])
    error = be64.array([[INF, NAN]])
    np.testing.assert_array_equal(grad(be64.maximum(x, y), be64, x, error), [[0, NAN]])
    np.testing.assert_array_equal(grad(be64.minimum(x, y), be64, x, error), [[INF, 0]])
    np.testing.assert_array_equal(grad(be64.where(x > 2, x, y), be64, x, error), [[0, NAN]])
    np.testing.assert_array_equal(grad(be64.where(x > 2, x, y), be64, y, error), [[INF, 0]])
    column = be64.array([[INF]])
    np.testing.assert_array_equal(grad(be64.max(x, axis=1), be64, x, column), [[0, INF]])


def test_a_slice_does_not_see_the_rest(be64):
    x = be64.array([[1.0, NAN, INF, 4.0]])
    np.testing.assert_array_equal(grad(be64.square(x[:, ::3]), be64, x), [[2, 0, 0, 8]])


def test_formulas_at_the_edge_of_their_domain(be64):
    x = be64.array([[0.0, 4.0]])
    np.testing.assert_array_equal(grad(be64.sqrt(x), be64, x), [[INF, 0.25]])
    np.testing.assert_array_equal(grad(be64.log(x), be64, x), [[INF, 0.25]])
    np.testing.assert_array_equal(grad(1 / x, be64, x), [[-INF, -1 / 16]])
    np.testing.assert_array_equal(grad(x / 0, be64, x), [[INF, INF]])


def test_powers_at_zero(be64):
    x = be64.array([[0.0, 0.0, 0.0, 2.0, -1.0]])
    y = be64.array([[0.0, 1.0, 3.0, 0.0, 2.5]])
    np.testing.assert_array_equal(grad(x**y, be64, x), [[0, 1, 0, 0, NAN]])
    np.testing.assert_allclose(grad(x**y, be64, y), [[-INF, 0, 0, np.log(2), NAN]])
    np.testing.assert_array_equal(grad(x**0, be64, x), np.zeros((1, 5)))
    np.testing.assert_array_equal(grad(x**1, be64, x), np.ones((1, 5)))


def test_multiplying_by_zero_is_not_left_out(be64):
    x = be64.array([[INF, 1.0]])
    y = be64.array([[0.0, 0.0]])
    np.testing.assert_array_equal(grad(x * y, be64, y), [[INF, 1]])
    # (x * 0) has slope 0, log' is inf at 0: their product is nan, as written
    np.testing.assert_array_equal(grad(be64.log(x * 0.0), be64, x), [[NAN, NAN]])


def test_saturated_activations(be64):
    x = be64.array([[-1e4, 1e4]])
    for name in ("sig", "sig2", "tanh", "tanh2"):
        np.testing.assert_array_equal(grad(apply(name, x), be64, x), [[0, 0]])


def test_axes_of_length_zero(be64):
    empty, row = be64.zeros((0, 3)), be64.ones((1, 3))
    assert grad(be64.sum(empty * row), be64, empty).shape == (0, 3)
    np.testing.assert_array_equal(grad(empty * row, be64, row), np.zeros((1, 3)))
    np.testing.assert_array_equal(grad(empty + row, be64, row), np.zeros((1, 3)))
    assert grad(be64.var(empty, axis=0), be64, empty).shape == (0, 3)
    np.testing.assert_array_equal(grad(be64.dot(empty.T, empty), be64, empty), np.zeros((0, 3)))
    picked = row[:, 3:]
    np.testing.assert_array_equal(grad(picked * 2, be64, row), np.zeros((1, 3)))
