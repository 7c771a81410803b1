"""Ops that work out each line along an axis as a whole: rows, shape rules, NumPy definitions.

Running sums and products, orders, and entries picked line by line. Running values are made in
float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neonport.dtypes import INT32
from neonport.errors import ShapeError
from neonport.ops.op import SUMS, Array, Kind, Op, count_result, register, require_same, wide
from neonport.shape import Shape


def _turned(x: Array, axis: int, reverse: bool) -> Array:
    return np.flip(x, axis) if reverse else x


def cumsum(x: Array, axis: int, reverse: bool) -> Array:
    """Sum of the entries up to each one along an axis; from each one on if `reverse`."""
    entries = _turned(x, axis, reverse)
    return _turned(np.cumsum(entries, axis, dtype=wide(x)), axis, reverse).astype(x.dtype)


def cumprod(x: Array, axis: int, reverse: bool, exclusive: bool) -> Array:
    """Product of the entries up to each one along an axis.

    Args:
        x: the entries.
        axis: of x.
        reverse: from each one on in place of up to it.
        exclusive: without the entry itself; 1 where there is no other.
    """
    entries = np.moveaxis(_turned(x, axis, reverse), axis, 0)
    found = np.cumprod(entries, 0, dtype=wide(x))
    if exclusive:
        found = np.concatenate([np.ones_like(found[:1]), found[:-1]])
    return _turned(np.moveaxis(found, 0, axis), axis, reverse).astype(x.dtype)


def linear_recurrence(a: Array, b: Array, axis: int, reverse: bool) -> Array:
    """h[t] = a[t] * h[t - 1] + b[t] along an axis, the first h being b; from the end if `reverse`.

    It is what gradients of running products are made of, and its own gradient is one again.
    """
    lines = (np.moveaxis(_turned(x, axis, reverse), axis, 0) for x in (a, b))
    factors, terms = (x.astype(wide(x)) for x in lines)
    found = terms.copy()
    for t in range(1, len(found)):
        found[t] += factors[t] * found[t - 1]
    return _turned(np.moveaxis(found, 0, axis), axis, reverse).astype(b.dtype)


def sort(x: Array, axis: int, descending: bool) -> Array:
    """Entries in order along an axis; nan counts as the largest."""
    return _turned(np.sort(x, axis, kind="stable"), axis, descending)


def argsort(x: Array, axis: int, descending: bool, size: int) -> Array:
    """Where the first `size` entries in order are; equal ones in the order in which they stand."""
    if not descending:
        order = np.argsort(x, axis, kind="stable")
    else:  # equal ones backwards, and all of it backwards again
        order = x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis, kind="stable")
        order = np.flip(order, axis)
    return np.take(order, np.arange(size), axis).astype(np.int32)


def take_along_axis(x: Array, indices: Array, axis: int) -> Array:
    """The entry that each index names along an axis; 0 for an index out of range."""
    n = x.shape[axis]
    if n == 0:
        return np.zeros(indices.shape, x.dtype)
    inside = (indices >= 0) & (indices < n)
    picked = np.take_along_axis(x, np.where(inside, indices, 0).astype(np.int64), axis)
    return np.where(inside, picked, x.dtype.type(0))


def scatter_add_along_axis(g: Array, indices: Array, axis: int, size: int) -> Array:
    """Entries added up at their indices along an axis; those out of range are left out."""
    out = np.zeros((*g.shape[:axis], size, *g.shape[axis + 1 :]), wide(g))
    inside = np.nonzero((indices >= 0) & (indices < size))
    places = list(inside)
    places[axis] = indices[inside].astype(np.int64)
    np.add.at(out, tuple(places), g[inside])
    return out.astype(g.dtype)


def _resized(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _same(op: Op, shapes: Sequence[Shape], **params: Any) -> Shape:
    require_same(op, "the shapes of the factors and terms", shapes[0], shapes[-1])
    return shapes[0]


def _argsort(op: Op, shapes: Sequence[Shape], axis: int, descending: bool, size: int) -> Shape:
    n = shapes[0][axis]
    if not 0 <= size <= n:
        raise ShapeError(
            f"{op.name}: {size} entries of the {n} along axis {axis} of shape {shapes[0]}; give a "
            f"number from 0 to {n}"
        )
    return _resized(shapes[0], axis, size)


def _indices(op: Op, x: Shape, indices: Shape, axis: int) -> Shape:
    """The shape of the indices, which must be that of x in all but one axis."""
    if len(x) != len(indices) or _resized(x, axis, 0) != _resized(indices, axis, 0):
        raise ShapeError(
            f"{op.name}: indices of shape {indices} must have the sizes of shape {x}, except along "
            f"axis {axis}; be.take picks the same entries of every line"
        )
    return indices


def _take_along_axis(op: Op, shapes: Sequence[Shape], axis: int) -> Shape:
    return _indices(op, shapes[0], shapes[1], axis)


def _scatter_add_along_axis(op: Op, shapes: Sequence[Shape], axis: int, size: int) -> Shape:
    require_same(op, "the shapes of entries and indices", shapes[0], shapes[1])
    return _resized(shapes[0], axis, size)


def _row(
    name: str,
    params: str,
    numpy: Callable[..., Array],
    summary: str,
    arity: int = 1,
    **columns: Any,
) -> None:
    names = tuple(params.split())
    operands = ", ".join(f"{{{i}}}" for i in range(arity))
    text = f"{name}({operands}, axis={{axis}})"
    columns = {"infer": _same, "integers": True, **columns}
    register(Op(name, arity, Kind.AXIS, numpy, text, summary, names, **columns))


def _terms(shapes: Sequence[Shape], params: dict[str, Any]) -> int:
    return shapes[0][params["axis"]]


_row(
    "cumsum",
    "axis reverse",
    cumsum,
    "sums of the entries up to each one along an axis",
    accuracy=SUMS,
    terms=_terms,
    public=("cumsum",),
)
_row(
    "cumprod",
    "axis reverse exclusive",
    cumprod,
    "products of the entries up to each one along an axis",
    accuracy=SUMS,
    terms=_terms,
    public=("cumprod",),
)
_row(
    "linear_recurrence",
    "axis reverse",
    linear_recurrence,
    "h[t] = a[t] * h[t - 1] + b[t] along an axis",
    2,
    accuracy=SUMS,
    terms=_terms,
    work=lambda shapes, params: 2 * count_result(shapes, params),
)
_row(
    "sort",
    "axis descending",
    sort,
    "entries in order along an axis; nan counts as the largest",
    public=("sort",),
)
_row(
    "argsort",
    "axis descending size",
    argsort,
    "indices of the entries in order along an axis (int32); equal ones as they stand",
    infer=_argsort,
    result=INT32,
    public=("argsort",),
)
_row(
    "take_along_axis",
    "axis",
    take_along_axis,
    "the entry that each index names along an axis; 0 for an index out of range",
    2,
    reads="vi",
    infer=_take_along_axis,
    public=("take_along_axis", "gather"),
)
_row(
    "scatter_add_along_axis",
    "axis size",
    scatter_add_along_axis,
    "entries added up at their indices along an axis, zeros elsewhere",
    2,
    reads="vi",
    infer=_scatter_add_along_axis,
    accuracy=SUMS,
    terms=_terms,
)
