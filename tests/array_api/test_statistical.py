"""Folds over axes, running sums, `all`, `any`, `diff`, against NumPy's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.errors import DtypeError, ShapeError
from tests.array_api.conftest import same

AXES = [None, 0, -1, (2, 0), ()]


def numbers(dtype):
    rng = np.random.default_rng(0)
    if dtype.startswith("f"):
        return rng.standard_normal((2, 3, 4)).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, (2, 3, 4), dtype)


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint64"])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_folds(put, name, dtype, axis):
    x, theirs = put(numbers(dtype))
    for keepdims in (False, True):
        # NumPy folds float32 in float32
        wide = theirs.astype(np.float64) if dtype == "float32" else theirs
        expected = getattr(np, name)(wide, axis=axis, keepdims=keepdims)
        expected = np.asarray(expected, dtype if dtype == "float32" else None)
        same(getattr(xp, name)(x, axis=axis, keepdims=keepdims), expected, 4, 4)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float64"])
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_sums_of_dtypes(put, name, dtype):
    x, theirs = put(numbers(dtype)[0])
    same(getattr(xp, name)(x), getattr(np, name)(theirs), 4, 4)
    same(getattr(xp, name)(x, dtype=xp.float64), getattr(np, name)(theirs, dtype=np.float64), 8, 4)


@pytest.mark.parametrize("source", ["int64", "same"])
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_integer_totals_wrap_around_in_their_dtype(put, name, dtype, source):
    info = np.iinfo(dtype)
    values = {"int64": [300, -5, 70_000, 7], "same": [info.max, info.max, 3, info.min, 7]}[source]
    x, theirs = put(np.array(values, dtype if source == "same" else source))
    found = getattr(xp, name)(x, dtype=getattr(xp, dtype))
    same(found, getattr(np, name)(theirs, dtype=dtype))
    if name.startswith("cumulative"):
        found = getattr(xp, name)(x, dtype=getattr(xp, dtype), include_initial=True)
        same(found, getattr(np, name)(theirs, dtype=dtype, include_initial=True))


@pytest.mark.parametrize("axis", [None, 1, ()], ids=str)
@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_moments(put, name, axis):
    x, theirs = put(numbers("float64"))
    same(getattr(xp, name)(x, axis=axis), getattr(np, name)(theirs, axis=axis), 8, 2)
    for correction in (1, 0.5, 2, 5) if name != "mean" else ():
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer numbers than the correction
            expected = getattr(np, name)(theirs, axis=axis, correction=correction)
        same(getattr(xp, name)(x, axis=axis, correction=correction), expected, 8, 2)


def test_moments_of_float32(put):
    x, theirs = put(numbers("float32"))
    for name in ("mean", "var", "std"):
        expected = getattr(np, name)(theirs.astype(np.float64), axis=1, keepdims=True)
        same(getattr(xp, name)(x, axis=1, keepdims=True), expected.astype(np.float32), 4)


def test_nan_and_infinities(put):
    x, theirs = put([[1.0, np.nan], [np.inf, 2.0], [np.inf, -np.inf]], "float32")
    with np.errstate(all="ignore"):
        for name in ("sum", "prod", "max", "min", "mean"):
            same(getattr(xp, name)(x, axis=1), getattr(np, name)(theirs, axis=1))


def test_folds_of_nothing(put):
    x, theirs = put(np.zeros((0, 3)), "float64")
    same(xp.sum(x, axis=0), theirs.sum(0))
    same(xp.prod(x), np.prod(theirs))
    same(xp.sum(x, axis=1), theirs.sum(1))
    same(xp.max(x, axis=1), theirs.max(1))
    assert np.isnan(float(xp.mean(x)))
    assert bool(xp.all(x))
    assert not bool(xp.any(x))
    for name in ("max", "min"):
        with pytest.raises(ShapeError, match=name):
            getattr(xp, name)(x)


def test_numbers(put):
    x, theirs = put(2.5)
    for name in ("sum", "max", "std", "any"):
        same(getattr(xp, name)(x), getattr(np, name)(theirs))
        with pytest.raises(ShapeError):
            getattr(xp, name)(x, axis=0)


def test_axes_and_kinds_are_checked(put):
    x, _ = put(numbers("int8"))
    with pytest.raises(ShapeError):
        xp.sum(x, axis=3)
    with pytest.raises(ShapeError, match="twice"):
        xp.sum(x, axis=(0, -3))
    for name in ("mean", "var", "std"):
        with pytest.raises(DtypeError, match=name):
            getattr(xp, name)(x)
    with pytest.raises(DtypeError, match="sum"):
        xp.sum(x > 0)


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "uint64"])
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running(put, name, dtype, initial):
    x, theirs = put(numbers(dtype))
    for axis in (0, 1, -1):
        wide = theirs.astype(np.float64) if dtype == "float32" else theirs
        expected = getattr(np, name)(wide, axis=axis, include_initial=initial)
        expected = expected.astype(np.float32) if dtype == "float32" else expected
        same(getattr(xp, name)(x, axis=axis, include_initial=initial), expected, 4, 4)
    with pytest.raises(ShapeError, match="axis="):
        getattr(xp, name)(x)


def test_running_sums_of_a_vector(put):
    x, theirs = put([2**53 + 1, 1, -3], "int64")
    same(xp.cumulative_sum(x), np.cumulative_sum(theirs))
    same(xp.cumulative_sum(x, dtype=xp.float64), np.cumulative_sum(theirs, dtype=np.float64), 4)


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ["all", "any"])
def test_all_and_any(put, name, axis):
    x, theirs = put(np.random.default_rng(1).random((2, 3, 4)) < 0.5)
    for keepdims in (False, True):
        options = {"axis": axis, "keepdims": keepdims}
        same(getattr(xp, name)(x, **options), getattr(np, name)(theirs, **options))


@pytest.mark.parametrize("values", [[np.nan, 0.0], [0.0, -0.0]], ids=str)
@pytest.mark.parametrize("name", ["all", "any"])
def test_what_is_not_0_is_true(put, name, values):
    for theirs in (np.float32(values), np.uint64(np.isnan(values)) << np.uint64(63)):
        same(getattr(xp, name)(put(theirs)[0]), getattr(np, name)(theirs))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint64"])
@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_diff(put, dtype, n):
    x, theirs = put(numbers(dtype))
    for axis in (0, -1):
        same(xp.diff(x, axis=axis, n=n), np.diff(theirs, axis=axis, n=n), 1)
    front, first = put(numbers(dtype)[..., :1])
    back, last = put(numbers(dtype)[..., :2])
    same(
        xp.diff(x, n=n, prepend=front, append=back),
        np.diff(theirs, n=n, prepend=first, append=last),
        1,
    )
    with pytest.raises(ShapeError):
        xp.diff(x, n=-1)
