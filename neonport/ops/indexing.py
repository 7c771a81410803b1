"""Ops with an integer operand that says which elements: rows, shape rules, NumPy definitions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from neonport.errors import ShapeError
from neonport.ops.op import SUMS, Array, Ints, Kind, Op, register
from neonport.shape import Shape


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


def scatter_add(g: Array, indices: Array, axis: int, size: int) -> Array:
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


def _index_count(op: Op, indices: Shape) -> int:
    """Number of indices in a tensor of shape `indices`, which is a list: one axis is not 1."""
    if sum(n != 1 for n in indices) > 1:
        raise ShapeError(
            f"{op.name}: indices of shape {indices} must have one axis that is not 1; reshape them "
            "to (n, 1)"
        )
    return prod(indices)


def _take(op: Op, shapes: Sequence[Shape], axis: int) -> Shape:
    source, indices = shapes
    return (*source[:axis], _index_count(op, indices), *source[axis + 1 :])


def _scatter_add(op: Op, shapes: Sequence[Shape], axis: int, size: int) -> Shape:
    source, indices = shapes
    count = _index_count(op, indices)
    if count != source[axis]:
        raise ShapeError(f"scatter_add: {count} indices for axis {axis} of shape {source}")
    return (*source[:axis], size, *source[axis + 1 :])


def _onehot(op: Op, shapes: Sequence[Shape], axis: int, classes: int | None) -> Shape:
    n = _index_count(op, shapes[0])
    size = 1 if classes is None else classes
    return (size, n) if axis == 0 else (n, size)


register(
    Op(
        "take",
        2,
        Kind.INDEXING,
        take,
        "take({0}, {1}, axis={axis})",
        "entries picked along an axis; 0 for an index out of range",
        ("axis",),
        "vi",
        ("take",),
        infer=_take,
        integers=True,
    )
)
register(
    Op(
        "scatter_add",
        2,
        Kind.INDEXING,
        scatter_add,
        "scatter_add({0}, {1}, axis={axis})",
        "entries added up at their indices, zeros elsewhere",
        ("axis", "size"),
        "vi",
        accuracy=SUMS,
        infer=_scatter_add,
        terms=lambda shapes, params: shapes[0][params["axis"]],
    )
)
register(
    Op(
        "onehot",
        1,
        Kind.INDEXING,
        onehot,
        "onehot({0}, axis={axis})",
        "1 at each index along an axis; nothing for one out of range",
        ("axis", "classes"),
        "i",
        ("onehot",),
        infer=_onehot,
    )
)
