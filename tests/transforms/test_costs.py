"""Costs against NumPy: values per column, gradients, extreme probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.transforms import (
    CrossEntropyBinary,
    CrossEntropyMulti,
    MeanSquared,
    SmoothL1Loss,
    SquareHingeLoss,
    SumSquared,
)

FLOOR = np.exp(-50.0)


def safelog(x: Any) -> Any:
    return np.log(np.maximum(x, FLOOR))


def smooth_l1(x: Any, sigma: float) -> Any:
    s2 = sigma * sigma
    return np.where(np.abs(x) < 1 / s2, 0.5 * s2 * x * x, np.abs(x) - 0.5 / s2)


def smooth_l1_grad(x: Any, sigma: float) -> Any:
    return np.where(np.abs(x) < 1 / sigma**2, sigma**2 * x, np.sign(x))


def hinge(y: Any, t: Any, margin: float) -> Any:
    return np.maximum(margin - (2 * t - 1) * y, 0)


# cost, value of each column, gradient
CASES: dict[str, tuple[Any, Any, Any]] = {
    "binary": (
        CrossEntropyBinary(),
        lambda y, t: (-t * safelog(y) - (1 - t) * safelog(1 - y)).sum(0, keepdims=True),
        lambda y, t: y - t,
    ),
    "binary-scaled": (
        CrossEntropyBinary(scale=3),
        lambda y, t: (-t * safelog(y) - (1 - t) * safelog(1 - y)).sum(0, keepdims=True),
        lambda y, t: 3 * (y - t),
    ),
    "multi": (
        CrossEntropyMulti(),
        lambda y, t: (-t * safelog(y)).sum(0, keepdims=True),
        lambda y, t: y - t,
    ),
    "multi-bits": (
        CrossEntropyMulti(scale=2, usebits=True),
        lambda y, t: (-t * safelog(y)).sum(0, keepdims=True) / np.log(2),
        lambda y, t: 2 * (y - t) / np.log(2),
    ),
    "sum-squared": (
        SumSquared(),
        lambda y, t: ((y - t) ** 2).sum(0, keepdims=True) / 2,
        lambda y, t: y - t,
    ),
    "mean-squared": (
        MeanSquared(),
        lambda y, t: ((y - t) ** 2).mean(0, keepdims=True) / 2,
        lambda y, t: (y - t) / y.shape[0],
    ),
    "smooth-l1": (
        SmoothL1Loss(),
        lambda y, t: smooth_l1(y - t, 1).sum(0, keepdims=True),
        lambda y, t: smooth_l1_grad(y - t, 1),
    ),
    "smooth-l1-sigma": (
        SmoothL1Loss(sigma=3),
        lambda y, t: smooth_l1(y - t, 3).sum(0, keepdims=True),
        lambda y, t: smooth_l1_grad(y - t, 3),
    ),
    "hinge": (
        SquareHingeLoss(),
        lambda y, t: (hinge(y, t, 1) ** 2).mean(0, keepdims=True),
        lambda y, t: -2 * (2 * t - 1) * hinge(y, t, 1) / y.shape[0],
    ),
    "hinge-margin": (
        SquareHingeLoss(margin=2.5),
        lambda y, t: (hinge(y, t, 2.5) ** 2).mean(0, keepdims=True),
        lambda y, t: -2 * (2 * t - 1) * hinge(y, t, 2.5) / y.shape[0],
    ),
}
TOLERANCE = {"float16": 4e-3, "float32": 1e-6, "float64": 1e-13}


def operands(shape: Any, dtype: str) -> tuple[Any, Any]:
    rng = np.random.RandomState(5)
    y = rng.uniform(0.01, 0.99, shape).astype(dtype)
    return y, rng.randint(0, 2, shape).astype(dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(7, 13), (1, 4), (3, 4, 5)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_value_and_gradient(make_backend: Any, case: str, shape: Any, dtype: str) -> None:
    be = make_backend(dtype=dtype)
    cost, value, gradient = CASES[case]
    y, t = operands(shape, dtype)
    yt, tt = be.array(y), be.array(t)
    row, deltas = be.empty((1, *shape[1:])), be.empty(shape)
    tree = cost(yt, tt)
    assert tree.shape == row.shape
    row[:], deltas[:] = tree, cost.bprop(yt, tt)
    y, t = y.astype(np.float64), t.astype(np.float64)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(row.get(), value(y, t), rtol=tolerance * 4, atol=tolerance)
    np.testing.assert_allclose(deltas.get(), gradient(y, t), rtol=tolerance * 4, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_trees_are_operands(be: Any, case: str) -> None:
    cost, value, gradient = CASES[case]
    y, t = operands((5, 6), "float32")
    mask = be.array(np.ones((5, 6)))
    row, deltas = be.empty((1, 6)), be.empty((5, 6))
    row[:] = cost(be.array(y) * mask, be.array(t) * mask)
    deltas[:] = cost.bprop(be.array(y) * mask, be.array(t) * mask)
    np.testing.assert_allclose(row.get(), value(y, t), rtol=1e-5)
    np.testing.assert_allclose(deltas.get(), gradient(y, t), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", ["binary", "multi", "multi-bits"])
def test_probabilities_of_exactly_0_and_1_cost_at_most_50_nats(be: Any, case: str) -> None:
    cost, value, _ = CASES[case]
    y = np.array([[0.0, 1.0, 0.0, 1.0]], np.float32)
    t = np.array([[0.0, 1.0, 1.0, 0.0]], np.float32)
    row = be.empty((1, 4))
    row[:] = cost(be.array(y), be.array(t))
    np.testing.assert_allclose(row.get(), value(y.astype(float), t.astype(float)), rtol=1e-6)


def test_smooth_l1_at_and_beyond_its_corner(be: Any) -> None:
    # the corner itself is on the linear side; the square of 1e30 would overflow float32
    y = be.array([[1 / 9, -1 / 9, 1e30, -1e30, 0.0]], dtype=np.float32)
    t, row, deltas = be.zeros((1, 5)), be.empty((1, 5)), be.empty((1, 5))
    row[:], deltas[:] = SmoothL1Loss(sigma=3)(y, t), SmoothL1Loss(sigma=3).bprop(y, t)
    np.testing.assert_allclose(row.get(), [[1 / 18, 1 / 18, 1e30, 1e30, 0]], rtol=1e-6)
    np.testing.assert_allclose(deltas.get(), [[1, -1, 1, -1, 0]], rtol=1e-6)


def test_nothing_divides_by_the_batch(be: Any) -> None:
    y, t = operands((3, 4), "float32")
    wide, row = be.empty((1, 8)), be.empty((1, 4))
    row[:] = SumSquared()(be.array(y), be.array(t))
    wide[:] = SumSquared()(be.array(np.hstack([y, y])), be.array(np.hstack([t, t])))
    np.testing.assert_array_equal(wide.get(), np.hstack([row.get(), row.get()]))


@pytest.mark.parametrize(
    "cost",
    [SumSquared(), MeanSquared(), SmoothL1Loss(sigma=1.3), SquareHingeLoss(margin=1.2)],
    ids=lambda c: c.classnm,
)
def test_bprop_is_the_derivative(make_backend: Any, cost: Any) -> None:
    be = make_backend(dtype=np.float64)
    rng = np.random.RandomState(8)
    y, t = rng.normal(size=(4, 5)) * 2, rng.randint(0, 2, (4, 5)).astype(float)
    weights, step = rng.normal(size=(1, 5)), 1e-6

    def value(a: Any) -> float:
        row = be.empty((1, 5))
        row[:] = cost(be.array(a), be.array(t))
        return float((row.get() * weights).sum())

    deltas, numeric = be.empty((4, 5)), np.empty((4, 5))
    deltas[:] = cost.bprop(be.array(y), be.array(t)) * be.array(weights)
    for i in np.ndindex(4, 5):
        up, down = y.copy(), y.copy()
        up[i] += step
        down[i] -= step
        numeric[i] = (value(up) - value(down)) / (2 * step)
    np.testing.assert_allclose(deltas.get(), numeric, rtol=0, atol=1e-7)
