"""Local response normalisation and its adjoint: rows, shape rule, NumPy definitions.

The denominators d are 1 + ascale / width * (sum of squares of the `width` maps around each one);
the result is x * d^-bpower (Krizhevsky et al., 2012). Images lie as for convolution, maps first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.errors import ShapeError
from neonport.ops.op import Accuracy, Array, Op, require_same, wide
from neonport.ops.windows.geometry import IMAGE, require_rank, window_row
from neonport.shape import Shape


def _around(x: Array, width: int) -> Array:
    """The sum of the maps around each one; those outside count as 0."""
    half, maps = width // 2, len(x)
    out = np.zeros_like(x)
    for shift in range(-half, half + 1):
        low, high = max(0, -shift), min(maps, maps - shift)
        if low < high:
            out[low:high] += x[low + shift : high + shift]
    return out


def _denominators(x: Array, width: int, ascale: float) -> Array:
    return 1 + ascale / width * _around(np.square(x), width)


def lrn_denominator(x: Array, width: int, ascale: float) -> Array:
    """1 + ascale / width * (sum of squares of the maps around each one)."""
    return _denominators(x.astype(wide(x)), width, ascale).astype(x.dtype)


def lrn(x: Array, width: int, ascale: float, bpower: float) -> Array:
    """x * denominator^-bpower."""
    values = x.astype(wide(x))
    return (values * _denominators(values, width, ascale) ** -bpower).astype(x.dtype)


def lrn_backward(x: Array, e: Array, width: int, ascale: float, bpower: float) -> Array:
    """Gradient of x, from the gradient e of lrn(x)."""
    values, errors = x.astype(wide(x)), e.astype(wide(x))
    below = _denominators(values, width, ascale)
    slope = errors * below**-bpower
    shared = _around(values * slope / below, width)
    return (slope - 2 * bpower * ascale / width * values * shared).astype(x.dtype)


def _lrn(op: Op, shapes: Sequence[Shape], width: int, **numbers: float) -> Shape:
    x = require_rank(op, shapes[0], IMAGE)
    require_same(op, "the shapes of x and e", x, shapes[-1])
    if width < 1 or width % 2 != 1:
        raise ShapeError(f"{op.name}: a window over {width} maps must be odd and positive")
    if not all(math.isfinite(number) for number in numbers.values()):
        raise ShapeError(f"{op.name}: the constants {numbers} must be finite")
    return x


def _work(shapes: Sequence[Shape], params: dict[str, Any]) -> int:
    """A square, a product with each map of the window, and a power for each element."""
    return math.prod(shapes[0]) * len(shapes) * (params["width"] + 2)


_POWER = Accuracy(16)  # that of `pow`, for numbers which are sums of squares
window_row(
    "lrn_denominator",
    1,
    "width ascale",
    lrn_denominator,
    "1 + ascale / width * (sum of squares of the maps around each one)",
    infer=_lrn,
    accuracy=_POWER,
    work=_work,
)
window_row(
    "lrn",
    1,
    "width ascale bpower",
    lrn,
    "local response normalisation over maps: x * lrn_denominator^-bpower",
    infer=_lrn,
    accuracy=_POWER,
    work=_work,
    public=("lrn",),
)
window_row(
    "lrn_backward",
    2,
    "width ascale bpower",
    lrn_backward,
    "gradient of x, from the gradient e of lrn(x)",
    infer=_lrn,
    accuracy=Accuracy(16, 64),  # a difference of terms about as large as e
    work=_work,
)
