"""Products of matrices and vectors.

Floats go to the backend's matrix product. Integers, which that would round, are multiplied and
summed by one kernel in int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.array_api.core.array import Array, bits, padded
from neonport.array_api.core.dtypes import FLOATING, NUMERIC, check_kind, promote
from neonport.array_api.core.evaluate import (
    array_of,
    axes_of,
    broadcast,
    result,
    same_backend,
    wrapped,
)
from neonport.array_api.data_types import astype
from neonport.array_api.manipulation import broadcast_to, permute_dims, reshape
from neonport.errors import ShapeError
from neonport.optree.node import apply
from neonport.shape import Shape, integers, normalize_axis


def _pair(op: str, x1: Any, x2: Any) -> tuple[Array, Array]:
    """Both operands in their common dtype."""
    for x in (x1, x2):
        check_kind(op, array_of(op, x).dtype, NUMERIC)
    same_backend(op, [x1, x2])
    dtype = promote(x1.dtype, x2.dtype)
    return astype(x1, dtype, copy=False), astype(x2, dtype, copy=False)


def _reshaped(x: Array, shape: Shape) -> Any:
    """A tree of the elements in a shape of at least two axes."""
    return apply("reshape", bits(x.tensor), shape=padded(shape))


def matmul(x1: Array, x2: Array, /) -> Array:
    """Product of matrices over the last two axes; the axes before broadcast, a vector has one axis.

    Args:
        x1: of shape (..., m, k), or (k,).
        x2: of shape (..., k, n), or (k,).

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.asarray([[1, 2], [3, 4]]) @ xp.asarray([1, 1])
        Array([3, 7], dtype=int64, device='cpu:0')
    """
    a, b = _pair("matmul", x1, x2)
    if not a.ndim or not b.ndim:
        raise ShapeError("matmul: an array without axes cannot be multiplied as a matrix")
    left = a.shape if a.ndim > 1 else (1, *a.shape)
    right = b.shape if b.ndim > 1 else (*b.shape, 1)
    if left[-1] != right[-2]:
        raise ShapeError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
    batch = broadcast("matmul", [left[:-2], right[:-2]])
    sizes = (left[-2], left[-1], right[-1])
    shape = (*batch, *((left[-2],) if a.ndim > 1 else ()), *((right[-1],) if b.ndim > 1 else ()))
    a, b = reshape(a, left), reshape(b, right)
    backend: Any = a.tensor.backend
    if 0 in (*batch, *sizes):
        return Array(backend.zeros(padded(shape), dtype=a.dtype), shape)
    build = _float_product if a.dtype in FLOATING else _integer_product
    return result(backend, build(a, b, batch, sizes), a.dtype, shape)


def _float_product(a: Array, b: Array, batch: Shape, sizes: Shape) -> Any:
    """The op table's matrix product."""
    m, k, n = sizes
    if prod(batch) == 1:
        return apply("dot", _reshaped(a, (m, k)), _reshaped(b, (k, n)))
    parts = []
    for x, matrix in ((a, (m, k)), (b, (k, n))):
        if prod(x.shape[:-2]) == 1:  # one matrix for all
            parts.append(_reshaped(x, matrix))
            continue
        whole = x if x.shape[:-2] == batch else broadcast_to(x, (*batch, *matrix))
        parts.append(_reshaped(whole, (prod(batch), *matrix)))
    return apply("batched_dot", *parts, reduce=False)


def _integer_product(a: Array, b: Array, batch: Shape, sizes: Shape) -> Any:
    """All products of numbers, summed as they are made."""
    m, k, n = sizes
    x = _reshaped(a, (*a.shape[:-2], m, k, 1))
    y = _reshaped(b, (*b.shape[:-2], 1, k, n))
    rank = max(a.ndim, b.ndim) + 1
    tree = apply("sum", apply("mul", x, y), axes=(rank - 2,))
    return wrapped(tree, a.dtype)


def matrix_transpose(x: Array, /) -> Array:
    """A view with the last two axes swapped.

    Raises:
        ShapeError: there are fewer than two axes.
    """
    return array_of("matrix_transpose", x).mT


def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Products of numbers, summed along an axis; the other axes broadcast.

    Args:
        x1, x2: arrays of numbers.
        axis: along which, counted from the last: -1 and below.

    Raises:
        ShapeError: the sizes along the axis differ, or it is not one of both arrays.
    """
    a, b = _pair("vecdot", x1, x2)
    at = [normalize_axis(axis, x.ndim, "vecdot") - x.ndim for x in (a, b)]
    if at[0] != at[1] or a.shape[at[0]] != b.shape[at[0]]:
        raise ShapeError(
            f"vecdot: shapes {a.shape} and {b.shape} have no common axis {axis} of one size"
        )
    shape = broadcast("vecdot", [a.shape, b.shape])
    rank = max(a.tensor.ndim, b.tensor.ndim)
    product = apply("mul", bits(a.tensor), bits(b.tensor))
    tree = wrapped(apply("sum", product, axes=(rank + at[0],)), a.dtype)
    where = len(shape) + at[0]
    return result(a.tensor.backend, tree, a.dtype, (*shape[:where], *shape[where + 1 :]))


def tensordot(
    x1: Array, x2: Array, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Array:
    """Products of numbers, summed over several axes of both.

    Args:
        x1, x2: arrays of numbers.
        axes: a number of axes, the last ones of x1 and the first ones of x2; or those of each.

    Raises:
        ShapeError: the sizes of the axes differ.
    """
    a, b = _pair("tensordot", x1, x2)
    if isinstance(axes, (int, np.integer)):
        count = int(axes)
        if not 0 <= count <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: {axes} axes of shapes {a.shape} and {b.shape}")
        left: Shape = tuple(range(a.ndim - count, a.ndim))
        right: Shape = tuple(range(count))
    else:
        left = axes_of("tensordot", a, integers(axes[0], "tensordot"))
        right = axes_of("tensordot", b, integers(axes[1], "tensordot"))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(
            f"tensordot: axes {left} of shape {a.shape} and axes {right} of {b.shape} differ"
        )
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    shape = (*(a.shape[i] for i in rows), *(b.shape[i] for i in columns))
    k = prod(a.shape[i] for i in left)
    m, n = prod(a.shape[i] for i in rows), prod(b.shape[i] for i in columns)
    x = reshape(permute_dims(a, (*rows, *left)), (m, k))
    y = reshape(permute_dims(b, (*right, *columns)), (k, n))
    return reshape(matmul(x, y), shape)


__all__ = ["matmul", "matrix_transpose", "tensordot", "vecdot"]
