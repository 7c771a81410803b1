"""NumPy meanings of the ops that are no NumPy function of their own; the table is in `ops.py`.

They are the definition of the ops: obvious, not fast.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.shape import reduced_shape

Array = npt.NDArray[Any]
Ints = tuple[int, ...]

SAFELOG_FLOOR = exp(-50.0)  # safelog never returns less than -50
LN2 = log(2.0)


# ---- element by element --------------------------------------------------------------------------


def compare(ufunc: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    """Meaning of a comparison: 0 or 1 in the compute dtype, for bool algebra is no arithmetic."""
    return lambda a, b: ufunc(a, b).astype(a.dtype)


def finite(x: Array) -> Array:
    """1 where x is neither infinite nor nan."""
    return np.isfinite(x).astype(x.dtype)


def where(condition: Array, a: Array, b: Array) -> Array:
    """A where the condition is not 0 (nan is not), else b."""
    return np.where(condition != 0, a, b)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x); only non-positive numbers are exponentiated, so nothing overflows."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def sigmoid2(x: Array) -> Array:
    """1 / (1 + 2^-x)."""
    return sigmoid(x * x.dtype.type(LN2))


def tanh2(x: Array) -> Array:
    """(2^2x - 1) / (2^2x + 1), without its overflow."""
    return np.tanh(x * x.dtype.type(LN2))


def safelog(x: Array) -> Array:
    """log(max(x, e^-50)), at least -50; e^-50 = 1.9e-22 is a normal float32."""
    return np.maximum(np.log(np.maximum(x, x.dtype.type(SAFELOG_FLOOR))), x.dtype.type(-50))


def shift(x: Array, s: Array) -> Array:
    """X times the power of two nearest to s, in the logarithm."""
    return x * np.sign(s) * np.exp2(np.rint(np.log2(np.abs(s))))


# ---- reductions ----------------------------------------------------------------------------------


def total(x: Array, axes: Ints) -> Array:
    """Sum in float64, rounded once: adding many rows in float32 would lose digits."""
    return np.sum(x, axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype)


def mean(x: Array, axes: Ints) -> Array:
    """Sum / n; nan of nothing, and without the warning of NumPy's own."""
    count = prod(x.shape[a] for a in axes)
    return np.asarray(np.sum(x, axis=axes, keepdims=True, dtype=np.float64) / count)


def variance(x: Array, axes: Ints) -> Array:
    """Mean square distance from the mean; two passes, in float64."""
    return mean(np.square(x - mean(x, axes)), axes).astype(x.dtype)


def extreme(function: Callable[..., Array]) -> Callable[..., Array]:
    """Meaning of max and min; NumPy refuses an empty operand even if the result is empty too."""

    def meaning(x: Array, axes: Ints) -> Array:
        if x.size == 0:
            return np.empty(reduced_shape(x.shape, axes), x.dtype)
        return function(x, axis=axes, keepdims=True)

    return meaning


def position(function: Callable[..., Any]) -> Callable[..., Array]:
    """Meaning of argmax and argmin: the index along one axis, or the flat one for all axes."""

    def meaning(x: Array, axes: Ints) -> Array:
        if x.size == 0:
            return np.empty(reduced_shape(x.shape, axes), np.int32)
        if len(axes) == 1:
            return np.expand_dims(function(x, axis=axes[0]), axes[0]).astype(np.int32)
        return np.full((1,) * x.ndim, function(x), np.int32)

    return meaning


# ---- movements -----------------------------------------------------------------------------------


def region(starts: Ints, steps: Ints, shape: Ints) -> tuple[slice, ...]:
    """Slices that pick `shape` elements from `starts` on by `steps` (negative steps included)."""
    stops = [a + n * k for a, k, n in zip(starts, steps, shape, strict=True)]
    # a stop below 0 would count from the end; None is "up to the first element"
    return tuple(
        slice(a, None if stop < 0 else stop, k)
        for a, stop, k in zip(starts, stops, steps, strict=True)
    )


def cut(x: Array, starts: Ints, steps: Ints, shape: Ints) -> Array:
    """A strided region."""
    return x[region(starts, steps, shape)]


def paste(g: Array, starts: Ints, steps: Ints, shape: Ints) -> Array:
    """Zeros of `shape` with a region set to g."""
    out = np.zeros(shape, g.dtype)
    if g.size:
        out[region(starts, steps, g.shape)] = g
    return out


# ---- indices -------------------------------------------------------------------------------------


def take(x: Array, indices: Array, axis: int) -> Array:
    """Entries picked along an axis; 0 for an index out of range, negative ones included."""
    n = x.shape[axis]
    flat = indices.reshape(-1)
    inside = (flat >= 0) & (flat < n)
    if n == 0:
        return np.zeros((*x.shape[:axis], flat.size, *x.shape[axis + 1 :]), x.dtype)
    picked = np.take(x, np.where(inside, flat, 0).astype(np.int64), axis=axis)
    keep = inside.reshape((-1,) + (1,) * (x.ndim - axis - 1))
    return np.where(keep, picked, x.dtype.type(0))


def untake(g: Array, indices: Array, axis: int, size: int) -> Array:
    """Entries added up at their indices, in order; those out of range are left out."""
    flat = indices.reshape(-1)
    inside = (flat >= 0) & (flat < size)
    entries = np.moveaxis(g, axis, 0)
    out = np.zeros((size, *entries.shape[1:]), g.dtype)
    np.add.at(out, flat[inside].astype(np.int64), entries[inside])
    return np.moveaxis(out, 0, axis)


def onehot(indices: Array, axis: int, shape: Ints) -> Array:
    """1 at each index along an axis."""
    classes = np.arange(shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
    column = indices.reshape((1, -1) if axis == 0 else (-1, 1))
    return (classes == column).astype(np.float32)


# ---- products and sources ------------------------------------------------------------------------


def batched_dot(a: Array, b: Array, reduce: bool) -> Array:
    """Products over a leading axis that one of the operands may lack, or their sum."""
    product = np.matmul(a, b)
    return product.sum(axis=0) if reduce else product


def rand(uniform: Callable[[int], Array], shape: Ints) -> Array:
    """The next numbers of the source."""
    return uniform(prod(shape)).reshape(shape)
