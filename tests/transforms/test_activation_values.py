"""Activations against NumPy, in every float dtype, on tensors, trees and more than two axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.transforms import (
    Explin,
    Identity,
    Logistic,
    Normalizer,
    PixelwiseSoftmax,
    Rectlin,
    Rectlinclip,
    Softmax,
    Tanh,
)

TOLERANCE = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-12}


def softmax(x: Any, axis: int = 0) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# transform, value at x, derivative given the output y
CASES: dict[str, tuple[Any, Any, Any]] = {
    "identity": (Identity(), lambda x: x, lambda y: np.ones_like(y)),
    "rectlin": (Rectlin(), lambda x: np.where(x > 0, x, 0), lambda y: np.where(y > 0, 1.0, 0.0)),
    "leaky": (
        Rectlin(slope=0.1),
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda y: np.select([y > 0, y < 0], [1.0, 0.1], 0.0),
    ),
    "rectlinclip": (
        Rectlinclip(xcut=0.75),
        lambda x: np.clip(x, 0, 0.75),
        lambda y: np.where((y > 0) & (y < 0.75), 1.0, 0.0),
    ),
    "leaky-clip": (
        Rectlinclip(slope=0.25, xcut=1.0),
        lambda x: np.minimum(np.where(x > 0, x, 0.25 * x), 1.0),
        lambda y: np.select([y >= 1, y > 0, y < 0], [0.0, 1.0, 0.25], 0.0),
    ),
    "explin": (
        Explin(alpha=0.7),
        lambda x: np.where(x > 0, x, 0.7 * (np.exp(np.minimum(x, 0)) - 1)),
        lambda y: np.select([y > 0, y < 0], [1.0, y + 0.7], 0.0),
    ),
    "normalizer": (Normalizer(divisor=50.0), lambda x: x / 50, lambda y: np.full_like(y, 0.02)),
    "tanh": (Tanh(), np.tanh, lambda y: 1 - y**2),
    "logistic": (Logistic(), lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "logistic-shortcut": (
        Logistic(shortcut=True),
        lambda x: 1 / (1 + np.exp(-x)),
        lambda y: np.ones_like(y),
    ),
    "softmax": (Softmax(), softmax, lambda y: np.ones_like(y)),
    "softmax-axis-1": (Softmax(axis=1), lambda x: softmax(x, 1), lambda y: np.ones_like(y)),
    "softmax-last": (Softmax(axis=-1), lambda x: softmax(x, -1), lambda y: np.ones_like(y)),
}


def inputs(shape: Any, dtype: Any) -> Any:
    x = np.random.RandomState(0).uniform(-3, 3, shape).astype(dtype)
    x.flat[0] = 0  # the kink
    x.flat[-1] = 0.75
    return x


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(7, 13), (1, 5), (3, 4, 5)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_value(make_backend: Any, case: str, shape: Any, dtype: str) -> None:
    be = make_backend(dtype=dtype)
    transform, reference, _ = CASES[case]
    x = inputs(shape, dtype)
    out = be.empty(shape)
    out[:] = transform(be.array(x))
    np.testing.assert_allclose(
        out.get(), reference(x.astype(np.float64)), rtol=0, atol=TOLERANCE[dtype] * 3
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_derivative_given_the_output(make_backend: Any, case: str, dtype: str) -> None:
    be = make_backend(dtype=dtype)
    transform, _, derivative = CASES[case]
    y = inputs((6, 9), dtype)
    out = be.empty((6, 9))
    out[:] = transform.bprop(be.array(y))
    np.testing.assert_allclose(
        out.get(), derivative(y.astype(np.float64)), rtol=0, atol=TOLERANCE[dtype] * 10
    )


@pytest.mark.parametrize("case", CASES)
def test_works_on_a_tree_and_in_place(be: Any, case: str) -> None:
    transform, reference, _ = CASES[case]
    x = inputs((4, 6), np.float32)
    t, out = be.array(x), be.empty((4, 6))
    out[:] = transform(0.5 * t)
    np.testing.assert_allclose(out.get(), reference(0.5 * x.astype(np.float64)), atol=1e-6)
    t[:] = transform(t)
    np.testing.assert_allclose(t.get(), reference(x.astype(np.float64)), atol=1e-6)


def test_identity_returns_its_argument(be: Any) -> None:
    x = be.ones((2, 2))
    assert Identity()(x) is x
    assert Identity().bprop(x) == 1


@pytest.mark.parametrize("transform", [Logistic(), Tanh(), Softmax(), Explin()])
def test_large_inputs_saturate_without_nan(be: Any, transform: Any) -> None:
    x = be.array([[-1e4, 1e4], [0.0, -200.0]])
    out = be.empty((2, 2))
    out[:] = transform(x)
    assert np.isfinite(out.get()).all()


@pytest.mark.parametrize("shape", [(12, 5), (4, 1)])
def test_pixelwise_softmax_is_in_place(be: Any, shape: Any) -> None:
    x = np.random.RandomState(1).normal(size=shape).astype(np.float32)
    t = be.array(x)
    assert PixelwiseSoftmax(c=4)(t) is t
    np.testing.assert_allclose(t.get(), softmax(x.reshape(4, -1)).reshape(shape), atol=1e-6)
    assert PixelwiseSoftmax(c=4).bprop(t) == 1


def test_pixelwise_softmax_of_a_tree(be: Any) -> None:
    x = np.random.RandomState(1).normal(size=(6, 5)).astype(np.float32)
    t, out = be.array(x), be.empty((6, 5))
    out[:] = PixelwiseSoftmax(c=3)(t * 2.0)
    np.testing.assert_allclose(out.get(), softmax(2 * x.reshape(3, -1)).reshape(6, 5), atol=1e-6)
    np.testing.assert_array_equal(t.get(), x)
