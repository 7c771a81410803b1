"""Indexing `t[key]`: pure functions from a key to starts, steps and sizes."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neonport.dtypes import host_numbers, is_float
from neonport.errors import DtypeError, IndexRangeError, ShapeError
from neonport.ops.elementwise import MASKS
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


def _expand(key: Any, rank: int) -> list[Any]:
    """One entry an axis: Ellipsis replaced, missing entries filled with full slices."""
    items = list(key) if isinstance(key, tuple) else [key]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexRangeError("an index can hold one Ellipsis ('...') only")
    if len(items) - len(dots) > rank:
        raise IndexRangeError(f"too many indices: {len(items)} for {rank} dimensions")
    fill = [slice(None)] * (rank - len(items) + len(dots))
    if dots:
        return items[: dots[0]] + fill + items[dots[0] + 1 :]
    return items + fill


def _slice_of(item: slice, n: int) -> tuple[int, int, int]:
    """Start, step and size of a slice of an axis of size n."""
    try:
        start, stop, step = item.indices(n)
    except TypeError as error:
        raise DtypeError(f"index {item}: a slice takes integers or None") from error
    except ValueError as error:
        raise ShapeError(f"index {item}: the step of a slice must not be 0") from error
    size = len(range(start, stop, step))
    return (start if size else 0), step, size


def _is_mask(item: Any) -> bool:
    """Whether a tree says yes or no for each element, also as a product of such trees."""
    op = getattr(item, "op", None)
    return op in MASKS or (
        op in ("mul", "maximum", "minimum") and all(_is_mask(part) for part in item.args)
    )


def parse(key: Any, shape: Shape) -> Region:
    """Understand `key` for an array of `shape`.

    Raises:
        IndexRangeError: an integer out of range, too many indices, two Ellipses or index lists.
        DtypeError: an entry of another type.
        ShapeError: a slice with step 0.
    """
    starts, steps, sizes, dropped = [], [], [], []
    gather: tuple[int, Any] | None = None
    for axis, (item, n) in enumerate(zip(_expand(key, len(shape)), shape, strict=True)):
        start, step, size = 0, 1, n
        if isinstance(item, slice):
            start, step, size = _slice_of(item, n)
        elif isinstance(item, (list, np.ndarray)) or hasattr(item, "sig"):
            if gather is not None:
                raise IndexRangeError("only one axis can be indexed by a list of indices")
            if _is_mask(item):
                raise DtypeError(
                    "a comparison is no list of indices; a mask becomes indices with "
                    "np.flatnonzero(mask.get()), and be.where(mask, x, 0) keeps the others as 0"
                )
            gather = (axis, item)
        elif isinstance(item, (int, np.integer)) and not isinstance(item, (bool, np.bool_)):
            index = operator.index(item)
            if not -n <= index < n:
                raise IndexRangeError(
                    f"index {index} is out of range for axis {axis} of size {n}, shape {shape}"
                )
            start, size = index % n, 1
            dropped.append(axis)
        else:
            raise DtypeError(
                f"cannot index with {type(item).__name__}; use integers, slices, '...' or one list "
                "of integers"
            )
        starts.append(start)
        steps.append(step)
        sizes.append(size)
    return Region(tuple(starts), tuple(steps), tuple(sizes), tuple(dropped), gather)


def check_indices(indices: Any, size: int | None, axis: int, wrap: bool = True) -> np.ndarray:
    """Host index list as flat integers; negative ones count from the end if `wrap`.

    Args:
        indices: array or list; floats must be whole.
        size: of the axis; None leaves out-of-range indices alone.
        axis: for messages.
        wrap: whether negative indices are allowed.

    Raises:
        DtypeError: not integers.
        ShapeError: more than one axis longer than 1.
        IndexRangeError: out of range.
    """
    values = host_numbers(indices, "index")
    if is_float(values.dtype) and np.array_equal(values, np.rint(values)):
        values = values.astype(np.int64)
    if values.dtype.kind not in "iu":
        raise DtypeError(
            f"indices of dtype {values.dtype} are not integers; a mask becomes indices with "
            "np.flatnonzero"
        )
    if sum(n != 1 for n in values.shape) > 1:
        raise ShapeError(f"indices of shape {values.shape} must have one axis that is not 1")
    flat = values.reshape(-1)
    if size is None:
        return flat
    wrong = flat[(flat < (-size if wrap else 0)) | (flat >= size)]
    if wrong.size:
        raise IndexRangeError(f"index {wrong[0]} is out of range for axis {axis} of size {size}")
    return np.where(flat < 0, flat + size, flat).astype(np.int64)
