"""Pooling and its adjoints: rows, shape rules and NumPy definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.dtypes import INT32
from neonport.errors import ShapeError
from neonport.ops.op import SUMS, Array, Ints, Op, require_same, wide
from neonport.ops.windows.geometry import (
    IMAGE,
    LEAST,
    RESULT,
    cells,
    require_ints,
    require_rank,
    window_row,
)
from neonport.shape import Shape


def pool_cells(
    sizes: Ints, counts: Ints, window: Ints, padding: Ints, stride: Ints
) -> Iterator[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
    """Each cell of a pooling window that is inside somewhere.

    Yields:
        Its number in the full window, ((j * T + t) * R + r) * S + s, the positions where it is
        inside, the cells it is at there.
    """
    found = cells(sizes, counts, window, padding, stride, (1,) * len(window))
    for number, (_, positions, places) in enumerate(found):
        if all(p.stop > p.start for p in positions):
            yield number, positions, places


def inside_count(sizes: Ints, counts: Ints, window: Ints, padding: Ints, stride: Ints) -> Array:
    """Cells inside of each window, shape (K, M, P, Q, 1)."""
    axes = [
        [min(n, m * step - pad + w) - max(0, m * step - pad) for m in range(count)]
        for n, count, w, pad, step in zip(sizes, counts, window, padding, stride, strict=True)
    ]
    total = np.ones((1,) * len(axes), np.int64)
    for axis, inside in enumerate(axes):
        shape = [1] * len(axes)
        shape[axis] = -1
        total = total * np.maximum(inside, 0).reshape(shape)
    return total[..., None]


def _first_maximum(
    x: Array, window: Ints, padding: Ints, stride: Ints, size: Ints
) -> tuple[Array, Array]:
    """The maximum of each window and the number of the first cell that has it; nan wins."""
    best = np.zeros_like(x, shape=(*size, x.shape[-1]))
    index = np.full_like(best, -1, np.int32)
    for number, positions, places in pool_cells(x.shape[:4], size, window, padding, stride):
        value, old = x[places], best[positions]
        better = (index[positions] < 0) | (value > old) | (np.isnan(value) & ~np.isnan(old))
        best[positions] = np.where(better, value, old)
        index[positions] = np.where(better, number, index[positions])
    return best, index


def pool(x: Array, how: str, window: Ints, padding: Ints, stride: Ints, size: Ints) -> Array:
    """Maximum, mean or sum of the cells of each window that are inside; 0 where there are none."""
    if how == "max":
        return _first_maximum(x, window, padding, stride, size)[0]
    out = np.zeros_like(x, wide(x), shape=(*size, x.shape[-1]))
    for _, positions, places in pool_cells(x.shape[:4], size, window, padding, stride):
        out[positions] += x[places]
    if how == "avg":
        out /= np.maximum(inside_count(x.shape[:4], size, window, padding, stride), 1)
    return out.astype(x.dtype)


def pool_index(x: Array, window: Ints, padding: Ints, stride: Ints, size: Ints) -> Array:
    """Number in the full window of the first maximum (of the first nan); -1 of an empty window."""
    return _first_maximum(x, window, padding, stride, size)[1]


def max_pool_backward(
    e: Array, index: Array, window: Ints, padding: Ints, stride: Ints, size: Ints
) -> Array:
    """Each e added at the cell of its window that index numbers; left out if that is outside."""
    out = np.zeros_like(e, wide(e), shape=(*size, e.shape[-1]))
    for number, positions, places in pool_cells(size, e.shape[:4], window, padding, stride):
        out[places] += np.where(index[positions] == number, e[positions], 0)
    return out.astype(e.dtype)


def max_pool_gather(x: Array, index: Array, window: Ints, padding: Ints, stride: Ints) -> Array:
    """The x at the cell of each window that index numbers; 0 if that is outside."""
    out = np.zeros_like(x, shape=index.shape)
    for number, positions, places in pool_cells(
        x.shape[:4], index.shape[:4], window, padding, stride
    ):
        out[positions] = np.where(index[positions] == number, x[places], out[positions])
    return out


def avg_pool_backward(
    e: Array, how: str, window: Ints, padding: Ints, stride: Ints, size: Ints
) -> Array:
    """Each e (for avg: divided by the cells inside) added to every cell of its window."""
    out = np.zeros_like(e, wide(e), shape=(*size, e.shape[-1]))
    share: Array = e.astype(out.dtype)
    if how == "avg":
        share = share / np.maximum(inside_count(size, e.shape[:4], window, padding, stride), 1)
    for _, positions, places in pool_cells(size, e.shape[:4], window, padding, stride):
        out[places] += share[positions]
    return out.astype(e.dtype)


def _window(op: Op, how: str | None, **params: Shape) -> None:
    require_ints(op, 4, LEAST, **params)
    allowed = ("avg", "sum") if op.name == "avg_pool_backward" else ("max", "avg", "sum")
    if how is not None and how not in allowed:
        raise ShapeError(f"{op.name}: how {how!r} must be one of {', '.join(allowed)}")


def _pool(
    op: Op, shapes: Sequence[Shape], size: Shape, how: str | None = None, **params: Shape
) -> Shape:
    """Pool and pool_index of x, avg_pool_backward of e: the size is given."""
    (x,) = shapes
    require_rank(op, x, RESULT if op.name == "avg_pool_backward" else IMAGE)
    _window(op, how, size=size, **params)
    return (*size, x[4])


def _max_pool_backward(op: Op, shapes: Sequence[Shape], size: Shape, **params: Shape) -> Shape:
    e, index = shapes
    require_rank(op, e, RESULT)
    require_same(op, "the shapes of e and index", e, index)
    _window(op, None, size=size, **params)
    return (*size, e[4])


def _max_pool_gather(op: Op, shapes: Sequence[Shape], **params: Shape) -> Shape:
    x, index = require_rank(op, shapes[0], IMAGE), require_rank(op, shapes[1], RESULT)
    require_same(op, f"the samples of x {x} and index {index}", x[4], index[4])
    _window(op, None, **params)
    return index


def _cells_of_window(shapes: Sequence[Shape], params: dict[str, Any]) -> int:
    return prod(params["window"])


def _work(pooled: int) -> Callable[[Sequence[Shape], dict[str, Any]], int]:
    """One operation for each window cell; the windows of the pooled side are counted in full."""
    return lambda shapes, params: prod(shapes[pooled]) * prod(params["window"])


window_row(
    "pool",
    1,
    "how window padding stride size",
    pool,
    "max, avg or sum of the cells of each window that are inside; 0 of none; nan wins",
    infer=_pool,
    accuracy=SUMS,
    terms=_cells_of_window,
    work=_work(-1),
)
window_row(
    "avg_pool_backward",
    1,
    "how window padding stride size",
    avg_pool_backward,
    "adjoint of pool avg and sum: e added to all cells of its window",
    infer=_pool,
    accuracy=SUMS,
    terms=_cells_of_window,
    work=_work(0),
)
window_row(
    "pool_index",
    1,
    "window padding stride size",
    pool_index,
    "number in its window of the first maximum (int32); -1 of none; the first nan wins",
    infer=_pool,
    work=_work(-1),
    result=INT32,
)
window_row(
    "max_pool_backward",
    2,
    "window padding stride size",
    max_pool_backward,
    "adjoint of pool max: e added at the cell that an index names; nothing if it is outside",
    infer=_max_pool_backward,
    reads="vi",
    accuracy=SUMS,
    terms=_cells_of_window,
    work=_work(0),
)
window_row(
    "max_pool_gather",
    2,
    "window padding stride",
    max_pool_gather,
    "the cell of each window that an index names; 0 if it is outside",
    infer=_max_pool_gather,
    reads="vi",
    work=_work(-1),
)
