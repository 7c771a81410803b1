"""Sums, means and the like over axes."""

from __future__ import annotations

from math import inf
from math import prod as product
from typing import Any

import numpy as np

from neonport.array_api.core.array import Array, bits
from neonport.array_api.core.dtypes import (
    FLOATING,
    NUMERIC,
    SIGNED,
    UNSIGNED,
    check_kind,
    checked,
    int64,
    uint64,
)
from neonport.array_api.core.evaluate import (
    array_of,
    axes_of,
    from_host,
    lead,
    left,
    on_host,
    result,
)
from neonport.array_api.data_types import astype
from neonport.array_api.manipulation import concat
from neonport.errors import ShapeError
from neonport.optree.node import apply
from neonport.shape import normalize_axis

Axis = int | tuple[int, ...] | None


class _Fold:
    """A reduction that is to be built: the checked array, its axes, the shape that is left."""

    def __init__(self, op: str, x: Any, axis: Axis, keepdims: bool, kinds: Any) -> None:
        self.x = array_of(op, x)
        check_kind(op, self.x.dtype, kinds)
        self.axes = axes_of(op, self.x, axis)
        self.count = product(self.x.shape[a] for a in self.axes)
        self.shape = left(self.x, self.axes, keepdims)

    def tree(self, op: str) -> Any:
        """The node of an op of the table."""
        first = lead(self.x)
        return apply(op, bits(self.x.tensor), axes=tuple(a + first for a in self.axes))

    def result(self, tree: Any) -> Array:
        """The array."""
        return result(self.x.tensor.backend, tree, self.x.dtype, self.shape)


def _wide(x: Array, dtype: Any) -> Array:
    """The array in the dtype in which it is added up: integers in 64 bits, which wrap around."""
    if dtype is not None:
        x = astype(x, checked(dtype), copy=False)
    if x.dtype in SIGNED:
        return astype(x, int64, copy=False)
    return astype(x, uint64, copy=False) if x.dtype in UNSIGNED else x


def _narrow(x: Array, dtype: Any) -> Array:
    """A sum in the dtype that was asked for; a store of the 64 bits would saturate."""
    return x if dtype is None else astype(x, checked(dtype), copy=False)


def _total(op: str, x: Array, axis: Axis, dtype: Any, keepdims: bool) -> Array:
    check_kind(op, array_of(op, x).dtype, NUMERIC)
    fold = _Fold(op, _wide(x, dtype), axis, keepdims, NUMERIC)
    return _narrow(fold.result(fold.tree(op)), dtype)


def sum(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Sum over axes.

    Args:
        x: an array of numbers.
        axis: one or several; None is all.
        dtype: of the sum; None: int64 or uint64 of integers, of floats their own. Sums of
            integers wrap around in it.
        keepdims: whether folded axes stay, with size 1.

    Raises:
        DtypeError: of bools; count_nonzero counts them.
        ShapeError: an axis is out of range.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.sum(xp.asarray([[1, 2], [3, 4]]), axis=0)
        Array([4, 6], dtype=int64, device='cpu:0')
    """
    return _total("sum", x, axis, dtype, keepdims)


def prod(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Product over axes; arguments as `sum`."""
    return _total("prod", x, axis, dtype, keepdims)


def _extreme(op: str, x: Array, axis: Axis, keepdims: bool) -> Array:
    fold = _Fold(op, x, axis, keepdims, NUMERIC)
    if fold.count == 0:
        raise ShapeError(f"{op}: of shape {x.shape} nothing can be picked along axis {axis}")
    if x.dtype == uint64:
        pick = getattr(np, op)
        return on_host(lambda v: pick(v, axis=fold.axes, keepdims=keepdims), [x], uint64)
    return fold.result(fold.tree(op))


def max(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element over axes; nan wins. Arguments as `sum`.

    Raises:
        ShapeError: there is none, or an axis is out of range.
    """
    return _extreme("max", x, axis, keepdims)


def min(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element over axes; see `max`."""
    return _extreme("min", x, axis, keepdims)


def mean(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean of floats over axes; nan of nothing. Arguments as `sum`."""
    fold = _Fold("mean", x, axis, keepdims, FLOATING)
    return fold.result(apply("div", fold.tree("sum"), float(fold.count)))


def _spread(op: str, x: Array, axis: Axis, correction: float, keepdims: bool) -> tuple[_Fold, Any]:
    """Mean square distance from the mean, with n - correction for n."""
    fold = _Fold(op, x, axis, keepdims, FLOATING)
    tree = fold.tree("var")
    if correction:
        rest = fold.count - correction
        tree = apply("mul", tree, fold.count / rest if rest > 0 else inf)
    return fold, tree


def var(
    x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Array:
    """Variance of floats over axes: mean square distance from the mean.

    Args:
        x: an array of floats.
        axis, keepdims: as of `sum`.
        correction: the sum is divided by n - correction.
    """
    fold, tree = _spread("var", x, axis, correction, keepdims)
    return fold.result(tree)


def std(
    x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Array:
    """Root of the variance; arguments as `var`."""
    fold, tree = _spread("std", x, axis, correction, keepdims)
    return fold.result(apply("sqrt", tree))


def _running(
    op: str, name: str, x: Array, axis: int | None, dtype: Any, include_initial: bool, params: Any
) -> Array:
    check_kind(name, array_of(name, x).dtype, NUMERIC)
    if axis is None and x.ndim != 1:
        raise ShapeError(f"{name}: say which axis of shape {x.shape}: axis=")
    at = normalize_axis(0 if axis is None else axis, x.ndim, name)
    x = _wide(x, dtype)
    tree = apply(op, bits(x.tensor), axis=at + lead(x), reverse=False, **params)
    found = result(x.tensor.backend, tree, x.dtype, x.shape)
    if not include_initial:
        return _narrow(found, dtype)
    shape = (*x.shape[:at], 1, *x.shape[at + 1 :])
    start = np.full(shape, 1 if op == "cumprod" else 0, x.dtype)
    return _narrow(concat([from_host(x.tensor.backend, start), found], axis=at), dtype)


def cumulative_sum(
    x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Sums of the elements up to each one along an axis.

    Args:
        x: an array of numbers.
        axis: along which; may be left out where there is one axis.
        dtype: as of `sum`.
        include_initial: whether a 0 stands in front.

    Raises:
        ShapeError: the axis is missing or out of range.
    """
    return _running("cumsum", "cumulative_sum", x, axis, dtype, include_initial, {})


def cumulative_prod(
    x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Products of the elements up to each one along an axis; see `cumulative_sum`."""
    params = {"exclusive": False}
    return _running("cumprod", "cumulative_prod", x, axis, dtype, include_initial, params)


__all__ = [
    "cumulative_prod",
    "cumulative_sum",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]
