"""Searching, sorting and sets, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from tests.array_api.conftest import same

FLOATS = np.array([[3.0, np.nan, -1.0, 3.0], [0.0, -0.0, np.inf, -np.inf]], np.float32)
WORDS = np.array([[2**63 + 1, 0, 2**63, 2**64 - 1], [5, 5, 4, 2**63]], np.uint64)
WHOLE = np.array([[2**53 + 1, 2**53, -5, 7], [7, 7, -(2**62), 0]], np.int64)
SHORT = np.array([[-128, 127, 0, 3], [3, 3, -1, 100]], np.int8)
ARRAYS = {"float32": FLOATS, "uint64": WORDS, "int64": WHOLE, "int8": SHORT}


@pytest.fixture(params=ARRAYS)
def pair(request, put):
    return put(ARRAYS[request.param])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions(pair, name, axis, keepdims):
    x, theirs = pair
    same(
        getattr(xp, name)(x, axis=axis, keepdims=keepdims),
        getattr(np, name)(theirs, axis=axis, keepdims=keepdims),
    )


def test_positions_of_nothing_are_refused(put):
    x, _ = put(np.zeros((0, 2)))
    with pytest.raises(ShapeError, match="argmax"):
        xp.argmax(x, axis=0)
    vector, values = put([3, 9, 1])
    same(xp.argmax(vector), np.argmax(values))
    number, _ = put(4.0)
    same(xp.argmin(number), np.int64(0))


@pytest.mark.parametrize("axis", [(0, 1), (0,), ()])
def test_positions_are_along_one_axis(put, axis):
    x, _ = put(FLOATS)
    with pytest.raises(TypeError, match=r"argmin: .* must be one axis, or None"):
        xp.argmin(x, axis=axis)


@pytest.mark.parametrize("axis", [None, 0, (0, 1), ()])
def test_count_nonzero(pair, axis):
    x, theirs = pair
    same(xp.count_nonzero(x, axis=axis), np.asarray(np.count_nonzero(theirs, axis=axis), np.int64))
    same(
        xp.count_nonzero(x != 0, axis=0, keepdims=True),
        np.count_nonzero(theirs != 0, axis=0, keepdims=True),
    )


def test_more_than_float32_can_count(device):
    x = xp.ones(2**24 + 1, device=device)
    assert int(xp.count_nonzero(x)) == 2**24 + 1


def test_nonzero(pair):
    x, theirs = pair
    for ours, expected in zip(xp.nonzero(x), np.nonzero(theirs), strict=True):
        same(ours, expected)
    with pytest.raises(ShapeError):
        xp.nonzero(x[0, 0])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
def test_order(pair, axis, descending):
    x, theirs = pair
    order = xp.argsort(x, axis=axis, descending=descending)
    keys = -theirs.astype(object) if descending and theirs.dtype.kind != "f" else theirs
    if theirs.dtype.kind == "f" and descending:
        # nan first, then the largest; equal ones as they stand
        keys = -np.where(np.isnan(theirs), np.finfo(np.float64).max, theirs.astype(np.float64))
        keys = np.where(np.isneginf(keys), -np.finfo(np.float64).max / 2, keys)
    expected = np.argsort(keys, axis=axis, kind="stable")
    same(order, expected)
    same(xp.sort(x, axis=axis, descending=descending), np.take_along_axis(theirs, expected, axis))


def test_order_of_bools_is_refused(put):
    x, _ = put([True, False])
    for function in (xp.sort, xp.argsort):
        with pytest.raises(DtypeError):
            function(x)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint64"])
def test_searchsorted(put, side, dtype):
    x, a = put([7, 1, 3, 3], dtype)
    y, b = put([[0, 1, 3], [4, 7, 9]], dtype)
    order, sorter = put(np.argsort(a))
    same(xp.searchsorted(x, y, side=side, sorter=order), np.searchsorted(a, b, side, sorter))
    same(xp.searchsorted(xp.sort(x), y, side=side), np.searchsorted(np.sort(a), b, side))
    with pytest.raises(ConfigurationError):
        xp.searchsorted(x, y, side="middle")
    with pytest.raises(ShapeError):
        xp.searchsorted(y, x)


@pytest.mark.parametrize("dtype", ["bool", "uint64", "float64"])
def test_where(put, dtype):
    mask, condition = put([[True], [False]])
    x, a = put([1, 0, 1], dtype)
    y, b = put([[0, 1, 1]], dtype)
    same(xp.where(mask, x, y), np.where(condition, a, b))
    same(xp.where(x == y, x, y), np.where(a == b, a, b))
    number = True if dtype == "bool" else 1
    same(xp.where(mask, x, number), np.where(condition, a, np.asarray(1, dtype)))
    with pytest.raises(DtypeError):
        xp.where(xp.astype(mask, xp.int8), x, y)
    with pytest.raises(ShapeError):
        xp.where(mask, x, y[:, :2])


def test_where_keeps_large_integers(put):
    mask, condition = put([True, False])
    x, a = put([2**64 - 1, 3], "uint64")
    same(xp.where(mask, x, 2**64 - 2), np.where(condition, a, np.uint64(2**64 - 2)))
    y, b = put([2**63 - 1, 3], "int64")
    same(xp.where(mask, y, -(2**63)), np.where(condition, b, -(2**63)))


def test_where_does_not_compute_with_the_other_value(put):
    mask, condition = put([True, False, True])
    x, a = put([1.0, np.nan, np.inf], "float32")
    same(xp.where(mask, x, 0.0), np.where(condition, a, np.float32(0)))


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse"])
def test_distinct_values(pair, name):
    x, theirs = pair
    ours, expected = getattr(xp, name)(x), getattr(np, name)(theirs)
    assert ours._fields == expected._fields
    for one, other in zip(ours, expected, strict=True):
        same(one, other)


def test_unique_values(pair, put):
    x, theirs = pair
    same(xp.unique_values(x), np.sort(np.unique_values(theirs)))
    same(xp.unique_values(put([True, False, True])[0]), np.array([False, True]))
    same(
        xp.unique_inverse(put(3)[0]).inverse_indices,
        np.unique_inverse(np.asarray(3)).inverse_indices,
    )
