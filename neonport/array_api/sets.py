"""Distinct values: all of it is found by NumPy on the host, for the sizes depend on the values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neonport.array_api.core.array import Array
from neonport.array_api.core.dtypes import int64
from neonport.array_api.core.evaluate import array_of, from_host


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Array
    inverse_indices: Array


def unique_all(x: Array, /) -> UniqueAll:
    """The distinct values in order, where each stands first, which one each element is, and counts.

    Found by the host; each nan is a value of its own.
    """
    array_of("unique_all", x)
    found, backend = np.unique_all(x.host()), x.tensor.backend
    values = from_host(backend, found.values, x.dtype)
    return UniqueAll(values, *(from_host(backend, part, int64) for part in found[1:]))


def unique_counts(x: Array, /) -> UniqueCounts:
    """The distinct values in order, and how often each occurs; found by the host."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Array, /) -> UniqueInverse:
    """The distinct values in order, and which one each element is; found by the host."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Array, /) -> Array:
    """The distinct values in order; found by the host."""
    return unique_all(x).values


__all__ = ["unique_all", "unique_counts", "unique_inverse", "unique_values"]
