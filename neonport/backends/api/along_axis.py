"""What works along an axis: running sums and products, orders, picking, putting together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.dtypes import FLOAT64
from neonport.errors import DtypeError, ShapeError
from neonport.optree.functions import emit, expression
from neonport.optree.node import Expression, apply
from neonport.shape import normalize_axis
from neonport.tensor.indexing import check_indices
from neonport.tensor.tensor import Tensor


def _axis(what: str, a: Any, axis: Any) -> int:
    """An axis of an expression, counted from the first."""
    return normalize_axis(axis, len(expression(a, what).sig.shape), what)


class AlongAxis:
    """Ops along an axis, each an op-tree, or `out` after it was assigned there."""

    # what the other parts of a backend give
    array: Any

    def cumsum(self, a: Any, axis: int, reverse: bool = False, out: Tensor | None = None) -> Any:
        """Sum of the entries up to each one along an axis, itself included.

        Args:
            a: tensor or op-tree.
            axis: along which the sums run.
            reverse: from each one to the end.
            out: assign there and return it.

        Raises:
            ShapeError: the axis is out of range.

        Example:
            share = be.cumsum(p, axis=0) / be.sum(p, axis=0)
        """
        where = _axis("cumsum", a, axis)
        return emit(apply("cumsum", a, axis=where, reverse=bool(reverse)), out)

    def cumprod(
        self,
        a: Any,
        axis: int,
        reverse: bool = False,
        exclusive: bool = False,
        out: Tensor | None = None,
    ) -> Any:
        """Product of the entries up to each one along an axis.

        Args:
            a: tensor or op-tree.
            axis: along which the products run.
            reverse: from each one to the end.
            exclusive: without the entry itself; 1 where there is no other.
            out: assign there and return it.

        Raises:
            ShapeError: the axis is out of range.

        Example:
            survival = be.cumprod(1 - p, axis=0, exclusive=True)
        """
        where = _axis("cumprod", a, axis)
        params = {"axis": where, "reverse": bool(reverse), "exclusive": bool(exclusive)}
        return emit(apply("cumprod", a, **params), out)

    def sort(
        self, a: Any, axis: int = -1, descending: bool = False, out: Tensor | None = None
    ) -> Any:
        """Entries in order along an axis; NaN counts as the largest.

        Args:
            a: tensor or op-tree.
            axis: along which to sort.
            descending: the largest first.
            out: assign there and return it.

        Raises:
            ShapeError: the axis is out of range.

        Example:
            y[:] = be.sort(x, axis=1, descending=True)
        """
        where = _axis("sort", a, axis)
        return emit(apply("sort", a, axis=where, descending=bool(descending)), out)

    def argsort(
        self, a: Any, axis: int = -1, descending: bool = False, out: Tensor | None = None
    ) -> Any:
        """Indices (int32) of the entries in order along an axis; NaN counts as the largest.

        Equal entries keep their order, also if `descending`. Integers are compared exactly.

        Args:
            a: tensor or op-tree.
            axis: along which to sort.
            descending: the largest first.
            out: assign there and return it.

        Raises:
            ShapeError: the axis is out of range.

        Example:
            ranked = be.take_along_axis(x, be.argsort(x, axis=1), axis=1)
        """
        where = _axis("argsort", a, axis)
        return emit(self._order(a, where, descending, a.sig.shape[where]), out)

    @staticmethod
    def _order(a: Any, axis: int, descending: bool, size: int) -> Any:
        """The first `size` indices in order."""
        return apply("argsort", a, axis=axis, descending=bool(descending), size=size)

    def topk(self, a: Any, k: int, axis: int = -1, largest: bool = True) -> tuple[Any, Any]:
        """The k largest (or smallest) entries along an axis in order, and their indices.

        Args:
            a: tensor or op-tree.
            k: how many, from 0 to the size of the axis.
            axis: along which they are looked for; its size becomes k.
            largest: the largest first; else the smallest. NaN counts as the largest, and of equal
                entries the one with the lowest index comes first.

        Returns:
            Two op-trees, values and indices (int32).

        Raises:
            ShapeError: the axis is out of range, or it has fewer than k entries.
            DtypeError: k is no integer.

        Example:
            values, classes = be.topk(p, 2, axis=0)
        """
        where = _axis("topk", a, axis)
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise DtypeError(f"topk: k {k!r} must be an integer")
        indices = self._order(a, where, largest, int(k))
        return apply("take_along_axis", a, indices, axis=where), indices

    def take_along_axis(self, a: Any, indices: Any, axis: int, out: Tensor | None = None) -> Any:
        """The entry that each index names along an axis: `a[indices[i, j], j]` for axis 0.

        Args:
            a: tensor or op-tree.
            indices: integers (array, list, integer tensor or tree) with the shape of `a`, except
                for any size along the axis.
            axis: of `a`.
            out: assign there and return it.

        Raises:
            IndexRangeError: a host index is out of range; negative ones count from the end. Indices
                held by a tensor are not read back: one out of range, or negative, picks 0.
            ShapeError: shapes do not match, or the axis is out of range.
            DtypeError: the indices are no integers.

        Example:
            labels = be.array([[0, 2, 1, 1]], dtype=np.int32)
            loss = -be.safelog(be.take_along_axis(p, labels, axis=0))
        """
        where = _axis("take_along_axis", a, axis)
        if not isinstance(indices, Expression):
            values = np.asarray(indices)
            size = a.sig.shape[where]
            flat = check_indices(values.reshape(-1), size, where)
            indices = self.array(flat.reshape(values.shape), dtype=np.int32)
        return emit(apply("take_along_axis", a, indices, axis=where), out)

    gather = take_along_axis

    def concatenate(self, tensors: Sequence[Any], axis: int = 0, out: Tensor | None = None) -> Any:
        """Tensors and trees one after the other along an axis.

        An assignment computes each part right in its region of the target.

        Args:
            tensors: any number of tensors and op-trees, equal in all sizes but that of the axis.
            axis: along which they are put together.
            out: assign there and return it.

        Raises:
            ShapeError: nothing is given, sizes differ, or the axis is out of range.
            DtypeError: something else than tensors and op-trees.

        Example:
            both = be.concatenate([x, 2 * x], axis=0)  # (6, 4)
        """
        return emit(_joined("concatenate", _listed("concatenate", tensors), axis), out)

    concat = concatenate

    def stack(self, tensors: Sequence[Any], axis: int = 0, out: Tensor | None = None) -> Any:
        """Tensors and trees of one shape side by side along a new axis.

        Args:
            tensors: any number of tensors and op-trees of one shape.
            axis: where the new axis stands in the result; its size is their number.
            out: assign there and return it.

        Raises:
            ShapeError: nothing is given, shapes differ, or the axis is out of range.
            DtypeError: something else than tensors and op-trees.

        Example:
            pair = be.stack([x, 2 * x])  # (2, 3, 4)
        """
        parts = _listed("stack", tensors)
        shapes = {part.sig.shape for part in parts}
        if len(shapes) > 1:
            raise ShapeError(f"stack: shapes {', '.join(map(str, sorted(shapes)))} must be equal")
        (shape,) = shapes
        where = normalize_axis(axis, len(shape) + 1, "stack")
        raised = (*shape[:where], 1, *shape[where:])
        parts = [apply("reshape", part, shape=raised) for part in parts]
        return emit(_joined("stack", parts, where), out)


def _listed(what: str, tensors: Any) -> list[Any]:
    """The operands, each a tensor or an op-tree."""
    if not isinstance(tensors, (list, tuple)):
        raise DtypeError(f"{what}: give a list of tensors, not a {type(tensors).__name__}")
    parts = [expression(t, what) for t in tensors]
    if not parts:
        raise ShapeError(f"{what}: nothing to put together; give at least one tensor")
    return parts


def _joined(what: str, parts: list[Any], axis: int) -> Any:
    """Trees put together pair by pair.

    It begins at the first of float64, so that no pair computes in less: integers keep their digits.
    """
    where = normalize_axis(axis, len(parts[0].sig.shape), what)
    first = next((i for i, part in enumerate(parts) if part.sig.dtype == FLOAT64), 0)
    tree = parts[first]
    for part in parts[first + 1 :]:
        tree = apply("concat", tree, part, axis=where)
    for part in reversed(parts[:first]):
        tree = apply("concat", part, tree, axis=where)
    return tree
