"""Derivatives against central differences in float64, with random cotangents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.transforms import (
    CrossEntropyBinary,
    CrossEntropyMulti,
    Explin,
    Identity,
    Logistic,
    Normalizer,
    Rectlin,
    Rectlinclip,
    Softmax,
    Tanh,
)

STEP = 1e-5


@pytest.mark.parametrize(
    "transform",
    [
        Identity(),
        Explin(alpha=1.0),  # below 0 the output is above -alpha only for its own alpha
        Explin(alpha=0.3),
        Rectlin(),
        Rectlin(slope=0.2),
        Rectlinclip(xcut=0.9),
        Rectlinclip(slope=0.3, xcut=0.9),
        Normalizer(divisor=3.0),
        Tanh(),
        Logistic(),
    ],
    ids=lambda t: t.classnm,
)
def test_bprop_is_the_derivative(make_backend: Any, transform: Any) -> None:
    be = make_backend(dtype=np.float64)
    rng = np.random.RandomState(2)
    x = rng.uniform(0.05, 1.5, (5, 8)) * rng.choice([-1, 1], (5, 8))
    x[np.abs(x - 0.9) < 0.01] = 0.5  # away from the cut
    error = rng.normal(size=x.shape)

    def value(a: Any) -> Any:
        out = be.empty(a.shape)
        out[:] = transform(be.array(a))
        return out.get()

    y, deltas = be.array(value(x)), be.array(error)
    deltas[:] = transform.bprop(y) * deltas
    numeric = error * (value(x + STEP) - value(x - STEP)) / (2 * STEP)
    np.testing.assert_allclose(deltas.get(), numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("transform", "cost", "one_hot"),
    [
        (Logistic(shortcut=True), CrossEntropyBinary(), False),
        (Softmax(), CrossEntropyMulti(), True),
        (Softmax(), CrossEntropyMulti(usebits=True), True),
    ],
)
def test_a_shortcut_with_its_cost_is_the_derivative(
    make_backend: Any, transform: Any, cost: Any, one_hot: bool
) -> None:
    be = make_backend(dtype=np.float64)
    rng = np.random.RandomState(3)
    x = rng.normal(size=(4, 6))
    t = np.eye(4)[:, rng.randint(0, 4, 6)] if one_hot else rng.uniform(size=(4, 6))
    weights = rng.normal(size=(1, 6))
    targets = be.array(t)

    def value(a: Any) -> float:
        out = be.empty((1, 6))
        out[:] = cost(transform(be.array(a)), targets)
        return float((out.get() * weights).sum())

    y = be.empty(x.shape)
    y[:] = transform(be.array(x))
    deltas = be.empty(x.shape)
    deltas[:] = transform.bprop(y) * cost.bprop(y, targets)
    numeric = np.empty_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += STEP
        down[i] -= STEP
        numeric[i] = (value(up) - value(down)) / (2 * STEP)
    np.testing.assert_allclose(deltas.get() * weights, numeric, rtol=0, atol=1e-8)
