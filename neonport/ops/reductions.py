"""Reductions: rows, shape rule and NumPy definitions. A folded axis stays, with length 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.dtypes import INT32, INT64
from neonport.errors import ShapeError
from neonport.ops.op import SUMS, Array, Ints, Kind, Op, register, wide
from neonport.shape import Shape, reduced_shape


def total(x: Array, axes: Ints) -> Array:
    """Sum in float64, rounded once: adding many rows in float32 would lose digits."""
    if x.dtype.kind in "iu":
        return np.sum(x, axis=axes, keepdims=True, dtype=x.dtype)
    return np.sum(x, axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype)


def product(x: Array, axes: Ints) -> Array:
    """Product in float64, rounded once; 1 of nothing."""
    return np.prod(x, axis=axes, keepdims=True, dtype=wide(x)).astype(x.dtype)


def mean(x: Array, axes: Ints) -> Array:
    """The sum divided by n; nan of nothing, and without the warning of NumPy's own."""
    count = prod(x.shape[a] for a in axes)
    return np.sum(x, axis=axes, keepdims=True, dtype=np.float64) / count


def variance(x: Array, axes: Ints) -> Array:
    """Mean square distance from the mean; two passes, in float64."""
    return mean(np.square(x - mean(x, axes)), axes).astype(x.dtype)


def extreme(function: Callable[..., Array]) -> Callable[..., Array]:
    """Definition of max and min; NumPy refuses an empty operand even if the result is empty too."""

    def definition(x: Array, axes: Ints) -> Array:
        if x.size == 0:
            return np.empty(reduced_shape(x.shape, axes), x.dtype)
        return function(x, axis=axes, keepdims=True)

    return definition


def position_dtype(count: int) -> np.dtype:
    """Dtype of a position among so many elements: int32, and int64 where that is too short."""
    return INT32 if count <= np.iinfo(np.int32).max else INT64


def position(function: Callable[..., Any]) -> Callable[..., Array]:
    """Definition of argmax and argmin: the index along one axis, or the flat one for all axes."""

    def definition(x: Array, axes: Ints) -> Array:
        if x.size == 0:
            return np.empty(reduced_shape(x.shape, axes), np.int32)
        kind = position_dtype(prod(x.shape[a] for a in axes))
        if len(axes) == 1:
            return np.expand_dims(function(x, axis=axes[0]), axes[0]).astype(kind)
        return np.reshape(function(x), (1,) * x.ndim).astype(kind)

    return definition


def _picked(op: Op, shapes: Sequence[Shape], axes: Shape) -> Shape:
    """Shape rule of a reduction that picks an element."""
    (shape,) = shapes
    result = reduced_shape(shape, axes)
    empty = 0 in [shape[a] for a in axes]
    if empty and 0 not in result:
        raise ShapeError(f"{op.name}: axis {axes} of shape {shape} is empty, so no element exists")
    return result


def _row(name: str, numpy: Callable[..., Array], summary: str, **columns: Any) -> None:
    text = f"{name}({{0}}, axis={{axes}})"
    columns = {"infer": _picked, "work": lambda shapes, params: 1, **columns}
    columns |= {"public": (name,), "integers": name != "var"}
    register(Op(name, 1, Kind.REDUCTION, numpy, text, summary, ("axes",), **columns))


def _terms(shapes: Sequence[Shape], params: dict[str, Any]) -> int:
    return prod(shapes[0][a] for a in params["axes"])


_row("sum", total, "sum over axes", accuracy=SUMS, infer=None, terms=_terms)
_row("prod", product, "product over axes", accuracy=SUMS, infer=None, terms=_terms)
_row("max", extreme(np.max), "maximum over axes; nan wins")
_row("min", extreme(np.min), "minimum over axes; nan wins")
_row(
    "var",
    variance,
    "biased variance over axes; nan of nothing",
    accuracy=SUMS,
    infer=None,
    terms=_terms,
    work=lambda shapes, params: 4,  # the mean; then the distance from it, squared and summed
)
_row(
    "argmax",
    position(np.argmax),
    "first index of the maximum (int32, int64 past 2^31 - 1 elements); the first nan wins",
    result=INT32,
)
_row(
    "argmin",
    position(np.argmin),
    "first index of the minimum (int32, int64 past 2^31 - 1 elements); the first nan wins",
    result=INT32,
)
