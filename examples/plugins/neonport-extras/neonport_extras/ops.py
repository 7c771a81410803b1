"""Two activation functions: rows of the op table, and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.ops.op import Accuracy, Cost, Kind, Op
from neonport.optree.node import apply


def mish(x: np.ndarray) -> np.ndarray:
    """x * tanh(log(1 + e^x)) (Misra, 2019)."""
    return x * np.tanh(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def mish_derivative(ans: Any, g: Any, x: Any) -> tuple[Any]:
    """t + x * (1 - t^2) * sigmoid(x), with t = tanh(log(1 + e^x))."""
    t = apply("tanh", apply("softplus", x))
    return (g * (t + x * (1 - t * t) * apply("sig", x)),)


def hardsig(x: np.ndarray) -> np.ndarray:
    """x / 5 + 1/2, held between 0 and 1 (Courbariaux et al., 2015, with another slope)."""
    return np.maximum(0, np.minimum(1, x * x.dtype.type(0.2) + x.dtype.type(0.5)))


def hardsig_derivative(ans: Any, g: Any, x: Any) -> tuple[Any]:
    """1/5 where the line rises, 0 elsewhere."""
    return (g * 0.2 * apply("mul", apply("gt", ans, 0), apply("lt", ans, 1)),)


MISH = Op(
    "mish",
    1,
    Kind.ELEMENTWISE,
    mish,
    "mish({0})",
    "x * tanh(log(1 + e^x))",
    public=("mish",),
    cost=Cost.COSTLY,
    accuracy=Accuracy(12),  # tanh and log1p, each a few units
)
HARDSIG = Op(
    "hardsig",
    1,
    Kind.ELEMENTWISE,
    hardsig,
    "hardsig({0})",
    "x / 5 + 1/2, held between 0 and 1",
    public=("hardsig",),
    accuracy=Accuracy(2, 1),  # near 0 the terms cancel
)
