"""Functions that look for elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.array_api.core.array import Array, bits
from neonport.array_api.core.dtypes import (
    ALL,
    FLOATING,
    INTEGRAL,
    NUMERIC,
    bool_,
    check_kind,
    int64,
    promote,
    uint64,
)
from neonport.array_api.core.evaluate import (
    Operands,
    array_of,
    axes_of,
    broadcast,
    from_host,
    kept,
    lead,
    left,
    on_host,
    result,
    same_backend,
)
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.optree.node import apply


def _position(op: str, x: Array, axis: int | None, keepdims: bool) -> Array:
    array_of(op, x)
    check_kind(op, x.dtype, NUMERIC)
    if isinstance(axis, tuple):
        raise DtypeError(f"{op}: axis={axis} must be one axis, or None for all")
    axes = axes_of(op, x, axis)
    if 0 in [x.shape[a] for a in axes]:
        raise ShapeError(f"{op}: of shape {x.shape} nothing can be picked along axis {axis}")
    shape = left(x, axes, keepdims)
    if x.dtype == uint64:
        find = getattr(np, op)
        return on_host(lambda v: find(v, axis=axis, keepdims=keepdims), [x], int64)
    first = lead(x)
    folded = range(x.tensor.ndim) if axis is None else [a + first for a in axes]
    return result(x.tensor.backend, apply(op, x.tensor, axes=tuple(folded)), int64, shape)


def argmax(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index (int64) of the first largest element; nan counts as that.

    Args:
        x: an array of numbers.
        axis: along which; None counts all elements in one row.
        keepdims: whether folded axes stay, with size 1.

    Raises:
        ShapeError: the axis is out of range or empty.
        DtypeError: (a TypeError) a tuple of axes.
    """
    return _position("argmax", x, axis, keepdims)


def argmin(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index (int64) of the first smallest element; see `argmax`."""
    return _position("argmin", x, axis, keepdims)


def count_nonzero(
    x: Array, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Array:
    """How many elements (int64) are not 0; nan is not 0.

    Raises:
        ShapeError: an axis is out of range.
    """
    array_of("count_nonzero", x)
    axes = axes_of("count_nonzero", x, axis)
    there: Any = apply("ne", bits(x.tensor), 0)
    if x.dtype in FLOATING:  # as bools, which are counted in int64
        there = result(x.tensor.backend, there, bool_, x.shape).tensor
    tree = apply("sum", there, axes=tuple(a + lead(x) for a in axes))
    return result(x.tensor.backend, tree, int64, left(x, axes, keepdims))


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """Indices (int64) of the elements that are not 0, an array for each axis; found by the host.

    Raises:
        ShapeError: the array has no axis.
    """
    array_of("nonzero", x)
    if not x.ndim:
        raise ShapeError("nonzero: an array without axes has no indices; reshape it to (1,)")
    return tuple(from_host(x.tensor.backend, found, int64) for found in np.nonzero(x.host()))


def searchsorted(
    x1: Array, x2: Array, /, *, side: str = "left", sorter: Array | None = None
) -> Array:
    """Where values would go into a sorted array (int64); found by the host.

    Args:
        x1: one axis of numbers in order.
        x2: the values.
        side: "left" before equal ones, "right" behind them.
        sorter: indices that put x1 in order.

    Raises:
        ShapeError: x1 or the sorter has not one axis.
        ConfigurationError: another side.
    """
    arrays = [array_of("searchsorted", x) for x in (x1, x2)]
    if side not in ("left", "right"):
        raise ConfigurationError(f"searchsorted: side {side!r} must be 'left' or 'right'")
    order = None
    if sorter is not None:
        check_kind("searchsorted", array_of("searchsorted", sorter).dtype, INTEGRAL)
        arrays.append(sorter)
        order = sorter.host().astype(np.int64)
    same_backend("searchsorted", arrays)
    for x in (x1, x2):
        check_kind("searchsorted", x.dtype, NUMERIC)
    promote(x1.dtype, x2.dtype)
    if x1.ndim != 1 or (order is not None and order.shape != x1.shape):
        raise ShapeError(f"searchsorted: x1 of shape {x1.shape} and its sorter must have one axis")
    return on_host(
        lambda a, b: np.searchsorted(a, b, side=side, sorter=order),  # type: ignore[call-overload]
        [x1, x2],
        int64,
    )


def where(condition: Array, x1: Any, x2: Any, /) -> Array:
    """x1 where the condition holds, else x2.

    Args:
        condition: an array of bools.
        x1, x2: arrays and Python scalars, at least one array; all three broadcast.

    Raises:
        DtypeError: the condition holds no bools, or x1 and x2 do not combine.
        ShapeError: the shapes do not broadcast.
    """
    check_kind("where", array_of("where", condition).dtype, (bool_,))
    given = Operands("where", [x1, x2], ALL)
    backend = same_backend("where", [condition, *(x for x in (x1, x2) if isinstance(x, Array))])
    shape = broadcast("where", [condition.shape, given.shape])
    terms = [kept(x, given.dtype) for x in given.values]
    return result(backend, apply("where", condition.tensor, *terms), given.dtype, shape)


__all__ = ["argmax", "argmin", "count_nonzero", "nonzero", "searchsorted", "where"]
