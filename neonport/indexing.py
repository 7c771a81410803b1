"""What `t[key]` means: pure functions from a key to starts, steps and sizes."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neonport.errors import DtypeError, ShapeError
from neonport.shape import Shape, at_least_2d


@dataclass(frozen=True)
class Region:
    """A strided region and, where an axis is gathered, which.

    Attributes:
        starts, steps, sizes: per axis of the source; a gathered axis is taken whole.
        dropped: integer-indexed axes.
        gather: axis and index list, or None.
    """

    starts: Shape
    steps: Shape
    sizes: Shape
    dropped: tuple[int, ...]
    gather: tuple[int, Any] | None

    def view_shape(self, sizes: Shape) -> Shape:
        """`sizes` without the dropped axes; rank 2 keeps them and no result has a lower rank."""
        if len(sizes) == 2:
            return sizes
        return at_least_2d(tuple(n for i, n in enumerate(sizes) if i not in self.dropped))


def _is_index_list(item: Any) -> bool:
    if isinstance(item, (list, np.ndarray)):
        return True
    return hasattr(item, "sig") and hasattr(item, "storage")


def _expand(key: Any, rank: int) -> list[Any]:
    """One entry an axis: Ellipsis replaced, missing entries filled with full slices."""
    items = list(key) if isinstance(key, tuple) else [key]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can hold one Ellipsis ('...') only")
    if len(items) - len(dots) > rank:
        raise IndexError(f"too many indices: {len(items)} for {rank} dimensions")
    fill = [slice(None)] * (rank - len(items) + len(dots))
    if dots:
        return items[: dots[0]] + fill + items[dots[0] + 1 :]
    return items + fill


def parse(key: Any, shape: Shape) -> Region:
    """Understand `key` for an array of `shape`.

    Raises:
        IndexError: an integer out of range, too many indices, two Ellipses or two index lists.
        TypeError: an entry of another type.
    """
    starts, steps, sizes, dropped = [], [], [], []
    gather: tuple[int, Any] | None = None
    for axis, (item, n) in enumerate(zip(_expand(key, len(shape)), shape, strict=True)):
        start, step, size = 0, 1, n
        if isinstance(item, slice):
            start, stop, step = item.indices(n)
            size = len(range(start, stop, step))
            if size == 0:
                start = 0
        elif _is_index_list(item):
            if gather is not None:
                raise IndexError("only one axis can be indexed by a list of indices")
            gather = (axis, item)
        elif isinstance(item, (int, np.integer)) and not isinstance(item, (bool, np.bool_)):
            index = operator.index(item)
            if not -n <= index < n:
                raise IndexError(f"index {index} is out of range for axis {axis} of size {n}")
            start, size = index % n, 1
            dropped.append(axis)
        else:
            raise TypeError(
                f"cannot index with {type(item).__name__}; use integers, slices, '...' or one list "
                "of integers"
            )
        starts.append(start)
        steps.append(step)
        sizes.append(size)
    return Region(tuple(starts), tuple(steps), tuple(sizes), tuple(dropped), gather)


def check_indices(indices: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Host index list as int32; negative ones count from the end.

    Raises:
        DtypeError: not integers.
        ShapeError: more than one axis longer than 1.
        IndexError: out of range.
    """
    if indices.size == 0:
        return indices.astype(np.int32).reshape(-1)
    if indices.dtype.kind not in "iu":
        if indices.dtype.kind != "f" or not np.array_equal(indices, np.rint(indices)):
            raise DtypeError(f"indices of dtype {indices.dtype} are not integers")
        indices = indices.astype(np.int64)
    if indices.size not in indices.shape and indices.size != 1:
        raise ShapeError(f"indices of shape {indices.shape} must have one axis that is not 1")
    flat = indices.reshape(-1).astype(np.int64)
    wrong = flat[(flat < -size) | (flat >= size)]
    if wrong.size:
        raise IndexError(f"index {wrong[0]} is out of range for axis {axis} of size {size}")
    return np.where(flat < 0, flat + size, flat).astype(np.int32)
