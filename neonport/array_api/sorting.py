"""Orders along an axis; nan counts as the largest."""

from __future__ import annotations

import numpy as np

from neonport.array_api.core.array import Array
from neonport.array_api.core.dtypes import NUMERIC, check_kind, int64, uint64
from neonport.array_api.core.evaluate import array_of, lead, on_host, result
from neonport.optree.node import apply
from neonport.shape import normalize_axis


def _order(values: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """Stable order of unsigned integers, of which the complement turns the order round."""
    return np.argsort(~values if descending else values, axis, kind="stable")


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Elements in order along an axis.

    Args:
        x: an array of numbers.
        axis: along which.
        descending: the largest first.
        stable: equal elements keep their order in any case.

    Raises:
        ShapeError: the axis is out of range.
    """
    array_of("sort", x)
    check_kind("sort", x.dtype, NUMERIC)
    at = normalize_axis(axis, x.ndim, "sort")
    if x.dtype == uint64:
        return on_host(lambda v: np.take_along_axis(v, _order(v, at, descending), at), [x], uint64)
    tree = apply("sort", x.tensor, axis=at + lead(x), descending=bool(descending))
    return result(x.tensor.backend, tree, x.dtype, x.shape)


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Indices (int64) of the elements in order along an axis; see `sort`."""
    array_of("argsort", x)
    check_kind("argsort", x.dtype, NUMERIC)
    at = normalize_axis(axis, x.ndim, "argsort")
    if x.dtype == uint64:
        return on_host(lambda v: _order(v, at, descending), [x], int64)
    params = {"axis": at + lead(x), "descending": bool(descending), "size": x.shape[at]}
    return result(x.tensor.backend, apply("argsort", x.tensor, **params), int64, x.shape)


__all__ = ["argsort", "sort"]
