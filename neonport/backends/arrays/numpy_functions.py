"""NumPy's functions on duck arrays, by what the array-API standard has.

These are functions of NumPy, not ops: what an op means stands in the op table alone. A function
that is missing here sends the definition that calls it to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neonport.backends.arrays.duck_array import DuckArray, HostNeeded

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""Translations, by NumPy's function; the first argument is the `ArrayNamespace`."""


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a translation in the table."""

    def enter(translation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            FUNCTIONS[function] = translation
        return translation

    return enter


@implements(np.where)
def where(arrays: Any, condition: Any, a: Any, b: Any) -> DuckArray:
    """Elements of one of two arrays."""
    chosen = arrays.lift(condition, np.dtype(bool)).astype(np.dtype(bool), copy=False)
    x, y = arrays.common((a, b))
    shape = arrays.common_shape((chosen, x, y))
    parts = [arrays.broadcast(value, shape) for value in (chosen, x, y)]
    return DuckArray(arrays.xp.where(*parts), arrays, x.dtype)


def _folded(name: str) -> Callable[..., DuckArray]:
    """A sum or a product, in the dtype that is asked for."""

    def fold(
        arrays: Any, x: DuckArray, axis: Any = None, dtype: Any = None, keepdims: bool = False
    ) -> DuckArray:
        whole = np.dtype(np.uint64 if x.dtype.kind == "u" else np.int64)
        wanted = arrays.held(np.dtype(dtype or (whole if x.dtype.kind in "biu" else x.dtype)))
        values = x.astype(wanted, copy=False).array
        found = getattr(arrays.xp, name)(
            values, axis=axis, keepdims=keepdims, dtype=arrays.dtype(wanted)
        )
        return DuckArray(found, arrays, wanted)

    return fold


FUNCTIONS[np.sum] = _folded("sum")
FUNCTIONS[np.prod] = _folded("prod")


def _picked(name: str) -> Callable[..., DuckArray]:
    """A reduction that gives one of the elements."""

    def pick(arrays: Any, x: DuckArray, axis: Any = None, keepdims: bool = False) -> DuckArray:
        found = getattr(arrays.xp, name)(x.array, axis=axis, keepdims=keepdims)
        return DuckArray(found, arrays, x.dtype)

    return pick


FUNCTIONS[np.max] = _picked("max")
FUNCTIONS[np.min] = _picked("min")


def _position(name: str) -> Callable[..., DuckArray]:
    def position(arrays: Any, x: DuckArray, axis: int | None = None) -> DuckArray:
        return DuckArray(getattr(arrays.xp, name)(x.array, axis=axis), arrays)

    return position


FUNCTIONS[np.argmax] = _position("argmax")
FUNCTIONS[np.argmin] = _position("argmin")


@implements(np.expand_dims)
def expand_dims(arrays: Any, x: DuckArray, axis: int) -> DuckArray:
    """One more axis of length 1."""
    return x._part(arrays.xp.expand_dims(x.array, axis=axis))


@implements(np.flip)
def flip(arrays: Any, x: DuckArray, axis: Any = None) -> DuckArray:
    """The elements backward along axes."""
    return x._part(arrays.xp.flip(x.array, axis=axis))


@implements(np.cumsum)
def cumsum(arrays: Any, x: DuckArray, axis: int, dtype: Any = None) -> DuckArray:
    """Sums up to each element."""
    wanted = arrays.held(np.dtype(dtype or x.dtype))
    found = arrays.function("cumulative_sum")(x.astype(wanted, copy=False).array, axis=axis)
    return DuckArray(found, arrays).astype(wanted, copy=False)


@implements(np.cumprod)
def cumprod(arrays: Any, x: DuckArray, axis: int, dtype: Any = None) -> DuckArray:
    """Products up to each element."""
    wanted = arrays.held(np.dtype(dtype or x.dtype))
    found = arrays.function("cumulative_prod")(x.astype(wanted, copy=False).array, axis=axis)
    return DuckArray(found, arrays).astype(wanted, copy=False)


@implements(np.moveaxis)
def moveaxis(arrays: Any, x: DuckArray, source: int, destination: int) -> DuckArray:
    """One axis elsewhere."""
    order = [a for a in range(x.ndim) if a != source % x.ndim]
    order.insert(destination % x.ndim, source % x.ndim)
    return x._part(arrays.transpose(x.array, tuple(order)))


@implements(np.transpose)
def transpose(arrays: Any, x: DuckArray, axes: Any = None) -> DuckArray:
    """The axes in another order."""
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(axes)
    return x._part(arrays.transpose(x.array, order))


@implements(np.reshape)
def reshape(arrays: Any, x: DuckArray, shape: Any) -> DuckArray:
    """The same elements in another shape."""
    return x.reshape(shape)


@implements(np.broadcast_to)
def broadcast_to(arrays: Any, x: DuckArray, shape: Any) -> DuckArray:
    """Unit axes repeated."""
    return x._part(arrays.broadcast(x, tuple(shape)))


@implements(np.concatenate)
def concatenate(arrays: Any, parts: Sequence[Any], axis: int = 0) -> DuckArray:
    """One after the other along an axis."""
    values = arrays.common(parts)
    found = arrays.xp.concat([value.array for value in values], axis=axis)
    return DuckArray(found, arrays, values[0].dtype)


@implements(np.stack)
def stack(arrays: Any, parts: Sequence[Any], axis: int = 0) -> DuckArray:
    """One beside the other along a new axis."""
    values = arrays.common(parts)
    found = arrays.xp.stack([value.array for value in values], axis=axis)
    return DuckArray(found, arrays, values[0].dtype)


@implements(np.full_like)
def full_like(
    arrays: Any, x: DuckArray, value: Any, dtype: Any = None, shape: Any = None
) -> DuckArray:
    """One number everywhere."""
    wanted = arrays.held(np.dtype(dtype or x.dtype))
    if isinstance(value, DuckArray):
        raise HostNeeded("np.full_like of an array")
    one = arrays.lift(np.full((), value, wanted), wanted)
    sizes = x.shape if shape is None else tuple(shape)
    return DuckArray(arrays.copy(arrays.broadcast(one, sizes)), arrays, wanted)


@implements(np.zeros_like, np.empty_like)
def zeros_like(arrays: Any, x: DuckArray, dtype: Any = None, shape: Any = None) -> DuckArray:
    """Zeros of a shape and dtype."""
    return full_like(arrays, x, 0, dtype, shape)


@implements(np.ones_like)
def ones_like(arrays: Any, x: DuckArray, dtype: Any = None, shape: Any = None) -> DuckArray:
    """Ones of a shape and dtype."""
    return full_like(arrays, x, 1, dtype, shape)


@implements(np.sort)
def sort(arrays: Any, x: DuckArray, axis: int = -1, kind: Any = None) -> DuckArray:
    """Entries in order along an axis."""
    return DuckArray(arrays.xp.sort(x.array, axis=axis, stable=True), arrays, x.dtype)


@implements(np.argsort)
def argsort(arrays: Any, x: DuckArray, axis: int = -1, kind: Any = None) -> DuckArray:
    """Where the entries in order are along an axis, equal ones as they stand."""
    return DuckArray(arrays.xp.argsort(x.array, axis=axis, stable=True), arrays)


@implements(np.take)
def take(arrays: Any, x: DuckArray, indices: Any, axis: int) -> DuckArray:
    """Entries along an axis."""
    chosen = arrays.lift(indices, np.dtype(np.int64)).astype(np.int64, copy=False)
    found = arrays.xp.take(x.array, chosen.array, axis=axis)
    return DuckArray(found, arrays, x.dtype)


@implements(np.take_along_axis)
def take_along_axis(arrays: Any, x: DuckArray, indices: DuckArray, axis: int) -> DuckArray:
    """The entry of each line that an index names."""
    run = arrays.function("take_along_axis")
    return DuckArray(run(x.array, indices.array, axis=axis), arrays, x.dtype)


@implements(np.tensordot)
def tensordot(arrays: Any, a: Any, b: Any, axes: Any) -> DuckArray:
    """Products summed over some axes of each operand."""
    x, y = arrays.common((a, b))
    left, right = ((n,) if isinstance(n, int) else tuple(n) for n in axes)
    found = arrays.xp.tensordot(x.array, y.array, axes=(left, right))
    return DuckArray(found, arrays, x.dtype)


@implements(np.clip)
def clip(arrays: Any, x: DuckArray, low: Any, high: Any) -> DuckArray:
    """Values held between two bounds."""
    return np.minimum(np.maximum(x, low), high)
