"""The cases neon's users know: 2x2 inputs in single and half precision, known polynomials."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff

A = np.array([[0.3, -0.7], [1.1, 0.4]])
B = np.array([[0.9, 0.2], [-0.5, 1.3]])
ROW, COLUMN, ONE = np.array([[0.6, -0.2]]), np.array([[0.8], [-0.5]]), np.array([[0.9]])

CASES = {
    "polynomial": lambda be, f, a, b: a * a * b + 2 * a - b / 3,
    "scalar": lambda be, f, a, b: 3 * a + b * 0.5 - 2,
    "chain": lambda be, f, a, b: f.exp(f.tanh(a)) * f.sig(b),
    "dot": lambda be, f, a, b: f.dot(a, b),
    "dot and reduction": lambda be, f, a, b: f.dot(a, b) + f.sum(a, axis=0) * f.sum(b, axis=1),
    "dot of sums": lambda be, f, a, b: f.dot(f.sum(a, axis=1), f.sum(b, axis=0)),
    "transposes": lambda be, f, a, b: f.dot(a.T, b).T + (a * b).T.T,
    "dot of transposes": lambda be, f, a, b: f.dot((a + b).T, (a * b).T).T,
    "mean and std": lambda be, f, a, b: (a - f.mean(a, axis=1)) / f.std(a, axis=1) * b,
    "max and min": lambda be, f, a, b: f.max(a, axis=0) * b - f.min(b, axis=1) * a,
    "maximum": lambda be, f, a, b: f.maximum(a, b) * f.minimum(a, 0.35),
    "clip": lambda be, f, a, b: f.clip(a, -0.5, 0.5) * b,
    "batch norm": lambda be, f, a, b: (a - f.mean(a, axis=1)) / f.sqrt(f.var(a, axis=1) + 0.1) + b,
    "repeated": lambda be, f, a, b: (a + b) * (a + b) * a,
    "base 2": lambda be, f, a, b: f.exp2(a) * f.sig2(b) + f.tanh2(a * b) + f.log2(a * a + 1),
}


class Plain:
    """The same functions on arrays, written with NumPy."""

    exp, tanh, sqrt, log2, exp2 = np.exp, np.tanh, np.sqrt, np.log2, np.exp2
    maximum, minimum = np.maximum, np.minimum
    dot, clip = staticmethod(np.dot), staticmethod(np.clip)

    @staticmethod
    def sig(x):
        return 1 / (1 + np.exp(-x))

    @staticmethod
    def sig2(x):
        return 1 / (1 + 2.0**-x)

    @staticmethod
    def tanh2(x):
        return (2.0 ** (2 * x) - 1) / (2.0 ** (2 * x) + 1)

    def __getattr__(self, name):
        return lambda x, axis: getattr(np, name)(x, axis=axis, keepdims=True)


def numeric(function, arrays, weights):
    """Gradients of sum(function(*arrays) * weights) by central differences in float64."""
    results = []
    for k, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for index in np.ndindex(*array.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [a.copy() for a in arrays]
                moved[k][index] += step
                ends.append(np.sum(function(*moved) * weights))
            gradient[index] = (ends[0] - ends[1]) / 2e-5
        results.append(gradient)
    return results


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("error", [False, True], ids=["ones", "error"])
def test_against_plain_numpy(quick_backend, name, dtype, error):
    be, case = quick_backend(dtype=dtype), CASES[name]
    if name == "mean and std":  # two values: the normalised ones are +-1, all slopes are zero
        a64, b64 = np.array([[0.3, -0.7, 0.1], [1.1, 0.4, -0.6]]), np.ones((2, 3))
    else:
        a64, b64 = A, B
    a64, b64 = (x.astype(dtype).astype(np.float64) for x in (a64, b64))
    a, b = be.array(a64), be.array(b64)
    tree = case(be, be, a, b)
    weights = np.linspace(0.5, 1.5, int(np.prod(tree.shape))).reshape(tree.shape).astype(dtype)
    ad = Autodiff(tree, be, next_error=be.array(weights) if error else None)
    found = ad.get_grad_asnumpyarray([a, b])
    scale = weights.astype(np.float64) if error else 1.0
    expected = numeric(lambda x, y: case(None, Plain(), x, y), [a64, b64], scale)
    tolerance = {np.float16: 5e-3, np.float32: 2e-5, np.float64: 1e-8}[dtype]
    for got, wanted in zip(found, expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32], ids=lambda d: d.__name__)
@pytest.mark.parametrize("small", [ROW, COLUMN, ONE], ids=["row", "column", "one"])
@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "divide", "maximum", "power"])
def test_broadcasting(quick_backend, dtype, small, op):
    be = quick_backend(dtype=dtype)
    big64, small64 = (abs(x).astype(dtype).astype(np.float64) for x in (A, small))
    big, little = be.array(big64), be.array(small64)
    for order in (1, -1):
        found = Autodiff(getattr(be, op)(*[big, little][::order]), be).get_grad_asnumpyarray(
            [big, little]
        )
        expected = numeric(
            lambda x, y, order=order: getattr(np, op)(*[x, y][::order]), [big64, small64], 1.0
        )
        tolerance = 1e-2 if dtype == np.float16 else 1e-4
        for got, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_a_known_polynomial(be):
    x0, x1 = be.array(A), be.array(B)
    a, b = A, B
    f = x0 * x0 * x0 + x0 * x1 * 5 - x1 * x1 / 2
    d0, d1 = Autodiff(f, be).get_grad_asnumpyarray([x0, x1])
    np.testing.assert_allclose(d0, 3 * a * a + 5 * b, atol=1e-5)
    np.testing.assert_allclose(d1, 5 * a - b, atol=1e-5)


@pytest.mark.parametrize(("axis", "shape"), [(0, (1, 2)), (1, (3, 1)), (None, (1, 1))])
def test_a_sum_has_the_shape_of_its_axis(be, axis, shape):
    x = be.ones((3, 2))
    tree = be.sum(x, axis=axis)
    assert tree.shape == shape
    assert Autodiff(tree, be).get_grad_op_tree([x])[0].shape == (3, 2)


def test_the_max_of_a_tie(be):
    x = be.array(np.array([[2.0], [2.0], [1.0]]))
    found = Autodiff(be.max(x, axis=0), be).get_grad_asnumpyarray([x])[0]
    np.testing.assert_array_equal(found[:, 0], [0.5, 0.5, 0])


def test_values_in_half_precision_are_computed_in_single(make_backend):
    be = make_backend(dtype=np.float16)
    x = be.array(np.full((1, 4), 300.0))
    # 300^3 does not fit float16
    found = Autodiff(x * x * x * 1e-4, be).get_grad_asnumpyarray([x])[0]
    np.testing.assert_allclose(found, 27.0, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
def test_batch_norm_of_a_batch(make_backend, dtype):
    be = make_backend(dtype=dtype)
    rng = np.random.RandomState(0)
    x64, gamma64, e64 = rng.randn(4, 64) * 3 + 1, rng.rand(4, 1) + 0.5, rng.randn(4, 64)
    x, gamma, beta, e = be.array(x64), be.array(gamma64), be.zeros((4, 1)), be.array(e64)
    tree = (x - be.mean(x, axis=1)) / be.sqrt(be.var(x, axis=1) + 1e-3) * gamma + beta
    Autodiff(tree, be, next_error=e).back_prop_grad(
        [x, gamma, beta], [e, dg := be.empty((4, 1)), db := be.empty((4, 1))]
    )
    # closed form of Ioffe and Szegedy (2015)
    inv = 1 / np.sqrt(x64.var(1, keepdims=True) + 1e-3)
    hat = (x64 - x64.mean(1, keepdims=True)) * inv
    g = e64 * gamma64
    expected = inv * (g - g.mean(1, keepdims=True) - hat * (g * hat).mean(1, keepdims=True))
    tolerance = 1e-4 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(e.get(), expected, atol=tolerance)
    np.testing.assert_allclose(dg.get(), (e64 * hat).sum(1, keepdims=True), atol=10 * tolerance)
    np.testing.assert_allclose(db.get(), e64.sum(1, keepdims=True), atol=10 * tolerance)
