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
    np.testing.assert_allclose(grad(x**y, be64, y), [[0, 0, 0, np.log(2), NAN]])
    np.testing.assert_array_equal(grad(x**0, be64, x), np.zeros((1, 5)))
    np.testing.assert_array_equal(grad(x**1, be64, x), np.ones((1, 5)))


def test_powers_of_every_base_and_exponent(be64):
    cases = [
        (0.0, 0.5, INF, 0), (0.0, -1.0, -INF, -INF), (0.0, 1.0, 1, 0), (-2.0, 3.0, 12, NAN),
        (-1.0, 0.0, 0, NAN), (INF, -1.0, 0, 0), (INF, 0.0, 0, INF), (0.0, INF, NAN, 0),
    ]  # fmt: skip
    for number, power, by_base, by_exponent in cases:  # alone: PoCL 3.1 mixes up lanes of `pow`
        base, exponent = be64.array([[number]]), be64.array([[power]])
        np.testing.assert_array_equal(grad(base**exponent, be64, base), [[by_base]])
        np.testing.assert_array_equal(grad(base**exponent, be64, exponent), [[by_exponent]])
    for number in (0.0, 0):
        y = be64.array([[0.0, 2.0, -1.0]])
        np.testing.assert_array_equal(grad(number**y, be64, y), [[0, 0, -INF]])
    x = be64.array([[0.0]])
    zero = be64.array([[0.0]])
    for a in (x, zero):
        (first,) = Autodiff(x**zero, be64).get_grad_op_tree([a])
        for b in (x, zero):
            assert np.isfinite(grad(first, be64, b)).all()


def test_second_derivatives_of_safelog_at_zero(be64):
    x = be64.array([[0.0, 2.0]])
    (first,) = Autodiff(be64.safelog(x), be64).get_grad_op_tree([x])
    np.testing.assert_array_equal(grad(first, be64, x), [[0, -0.25]])


def test_l2_pooling_of_zeros(be64):
    images = np.zeros((4, 1, 4, 4, 2))
    images[:, :, :2, :2] = 3.0
    x = be64.array(images)
    pooled = be64.pool(x, "l2", 2)
    found = grad(pooled, be64, x)
    np.testing.assert_allclose(pooled.get()[0, 0, :, :, 0], [[6, 0], [0, 0]])
    np.testing.assert_allclose(found, images / 6)
    (first,) = Autodiff(pooled, be64).get_grad_op_tree([x])
    assert np.isfinite(grad(first, be64, x)).all()


LOGISTIC = {
    "1 / (1 + exp(-x))": lambda be, x: 1 / (1 + be.exp(-x)),
    "1 / (exp(-x) + 1.0)": lambda be, x: 1 / (be.exp(-x) + 1.0),
    "reciprocal": lambda be, x: be.reciprocal(1 + be.exp(-x)),
    "power": lambda be, x: (1 + be.exp(-x)) ** -1,
    "exp / (1 + exp)": lambda be, x: be.exp(x) / (1 + be.exp(x)),
    "exp / (1 + exp) of equal trees": lambda be, x: be.exp(x * 1.0) / (1 + be.exp(x * 1.0)),
}
SOFTPLUS = {
    "log": lambda be, x: be.log(1 + be.exp(x)),
    "log1p": lambda be, x: be.log1p(be.exp(x)),
    "safelog": lambda be, x: be.safelog(be.exp(x) + 1.0),
    "log2": lambda be, x: be.log2(1 + be.exp(x)) * np.log(2),
    "log2 of exp2": lambda be, x: be.log2(1 + be.exp2(x / np.log(2))) * np.log(2),
}


MINUS_SOFTPLUS = {
    "log of 1 - sig": lambda be, x: be.log(1 - be.sig(x)),
    "log of sig": lambda be, x: be.log(be.sig(-x)),
    "log2 of sig2": lambda be, x: be.log2(be.sig2(-x / np.log(2))) * np.log(2),
    "log of a quotient": lambda be, x: be.log(1 / (1 + be.exp(x))),
    "log of 1 - a quotient": lambda be, x: be.log(1.0 - 1 / (1 + be.exp(-x))),
    "log of 1 - 1 - sig": lambda be, x: be.log(1 - (1 - be.sig(-x))),
}


@pytest.mark.parametrize("name", [*LOGISTIC, *SOFTPLUS, *MINUS_SOFTPLUS])
def test_written_out_logistic_functions_and_their_logarithms(be64, name):
    points = np.array([[-1e4, -800.0, -100.0, -3.0, 0.0, 2.0, 40.0, 800.0, 1e4]])
    x = be64.array(points)
    tree = {**LOGISTIC, **SOFTPLUS, **MINUS_SOFTPLUS}[name](be64, x)
    s = np.exp(np.minimum(points, 0)) / (1 + np.exp(-abs(points)))
    other = np.exp(-np.maximum(points, 0)) / (1 + np.exp(-abs(points)))
    first, second = (s * other, s * other * (other - s)) if name in LOGISTIC else (s, s * other)
    if name in MINUS_SOFTPLUS:
        first, second = -first, -second
    np.testing.assert_allclose(grad(tree, be64, x), first, rtol=1e-12, atol=1e-300)
    (slope,) = Autodiff(tree, be64).get_grad_op_tree([x])
    # the row of sig has ans * (1 - ans), which is exact to an ulp of 1
    np.testing.assert_allclose(grad(slope, be64, x), second, rtol=1e-9, atol=1e-16)


def test_quotients_by_one_and_an_exponential(be64):
    x, c = be64.array([[-2.0, 0.5], [1.0, -1000.0]]), be64.array([[3.0], [-2.0]])
    tree = c / (1 + be64.exp(-x))
    s = 1 / (1 + np.exp(-np.maximum(x.get(), -700)))
    np.testing.assert_allclose(grad(tree, be64, x), c.get() * s * (1 - s), atol=1e-300)
    np.testing.assert_allclose(grad(tree, be64, c), s.sum(1, keepdims=True))
    e = be64.exp(-x[:, :1])
    both = be64.sum(1 / (1 + e) + e * 2.0)  # the exponential has another user as well
    t, n = s[:, :1], np.exp(-x.get()[:, :1])
    assert np.allclose(grad(both, be64, x)[:, :1], t * (1 - t) - 2 * n)
    # no pattern: another number, and a number that may change
    for k in (2.0, 1.5):
        e = np.exp(-x.get()[:1])
        found = grad(1 / (k + be64.exp(-x[:1])), be64, x)[:1]
        np.testing.assert_allclose(found, e / (k + e) ** 2)


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


@pytest.mark.parametrize(
    ("above", "right"), [(3.0, 4.0), (1e-25, 2e-25), (1e25, -2e25), (0.0, 1e-30), (0.0, 0.0)]
)
def test_angles_of_points_whose_squares_leave_the_range(be, above, right):
    y, x = be.array([[above, 1.0]]), be.array([[right, -1.0]])
    found = Autodiff(be.arctan2(y, x), be).get_grad_asnumpyarray([y, x])
    square = above**2 + right**2 or 1.0  # at the origin both slopes are 0
    np.testing.assert_allclose(found[0], [[right / square, -0.5]], rtol=1e-5)
    np.testing.assert_allclose(found[1], [[-above / square, -0.5]], rtol=1e-5)
