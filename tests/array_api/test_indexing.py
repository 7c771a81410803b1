"""`x[...]`, `x[...] = v`, `take` and `take_along_axis` against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neonport.array_api as xp
from neonport.errors import DtypeError, IndexRangeError, ShapeError
from tests.array_api.conftest import same

BASIC = [
    *(0, -1, slice(1, None), slice(None, None, -1), slice(5, 1), slice(None), Ellipsis, None, ()),
    *((1, 2), (0, slice(None), 3), (Ellipsis, 1), (slice(None), slice(3, 0, -2)), (None, 1, None)),
    *((1, 2, 3), (Ellipsis, 0, 0, 0), (1, Ellipsis, -1, None), (slice(0, 0), 1)),
]


def values_of(shape, dtype="int64"):
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("key", BASIC, ids=str)
def test_basic_keys(put, key):
    for dtype in ("int64", "uint64"):
        x, theirs = put(values_of((2, 3, 4), dtype))
        same(x[key], theirs[key])
        x[key], theirs[key] = 7, 7
        same(x, theirs)


@st.composite
def keys(draw):
    """A shape and a key of integers, slices, None and perhaps `...`."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4).map(tuple))
    items = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        bounds = st.none() | st.integers(-6, 6)
        steps = st.none() | st.integers(-3, 3).filter(bool)
        entry = st.builds(slice, bounds, bounds, steps)
        items.append(draw(entry | st.integers(-n, n - 1) if n else entry))
    if draw(st.booleans()):
        items.append(Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    return shape, tuple(items)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=keys())
def test_any_basic_key(device, case):
    shape, key = case
    theirs = values_of(shape)
    x = xp.asarray(theirs, device=device, copy=True)
    same(x[key], theirs[key])
    x[key], theirs[key] = -1, -1
    same(x, theirs)


WRONG = {
    "out of range": (2, IndexRangeError),
    "too many": ((0, 0, 0, 0), IndexRangeError),
    "two Ellipses": ((Ellipsis, Ellipsis), IndexRangeError),
    "a float": (1.0, DtypeError),
    "a word": ("a", DtypeError),
    "a list": ([0, 1], DtypeError),
    "step 0": (slice(None, None, 0), ShapeError),
    "bounds of floats": (slice(0.5, 2), DtypeError),
}


@pytest.mark.parametrize("case", WRONG)
def test_keys_that_make_no_sense(put, case):
    key, error = WRONG[case]
    x, theirs = put(values_of((2, 3, 4)))
    with pytest.raises(error):
        x[key]
    with pytest.raises(error):
        x[key] = 0
    same(x, theirs)


ARRAYS = [
    ([1, 0, -1],),
    ([[0, 1], [1, 0]],),
    (slice(None), [2, 0]),
    (slice(None), [2, 0], slice(1, None)),
    (slice(None), slice(None), [0, 3, -4]),
    ([0, 1], [2, 0]),
    ([[0], [1]], [2, 0]),
    ([0, 1], slice(None), [2, 0]),
    (0, [2, 0]),
    (None, [1]),
    ([],),
    (Ellipsis, [0, 1]),
]


def both(device, key):
    """A key with arrays here and with NumPy's."""
    theirs = tuple(np.asarray(k, np.int64) if isinstance(k, list) else k for k in key)
    ours = tuple(xp.asarray(k, device=device) if isinstance(k, np.ndarray) else k for k in theirs)
    return ours, theirs


@pytest.mark.parametrize("key", ARRAYS, ids=str)
def test_arrays_of_integers(put, device, key):
    for dtype in ("float32", "uint64"):
        x, theirs = put(values_of((2, 3, 4), dtype))
        ours, key_there = both(device, key)
        same(x[ours], theirs[key_there])
        x[ours], theirs[key_there] = 9, 9
        same(x, theirs)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3), (2,), ()], ids=str)
def test_masks(put, device, shape):
    x, theirs = put(values_of((2, 3, 4), "float32"))
    mask = values_of(shape) % 2 == 0
    ours = xp.asarray(mask, device=device)
    same(x[ours], theirs[mask])
    x[ours], theirs[mask] = -1, -1
    same(x, theirs)
    number, value = put(7.0, "float32")
    x[ours], theirs[mask] = number, value
    same(x, theirs)
    row, values = put(values_of(theirs[mask].shape[1:], "float32"))
    x[ours], theirs[mask] = row, values
    same(x, theirs)
    nothing = xp.zeros(shape, dtype=xp.bool, device=device)
    assert x[nothing].shape == (0, *theirs[mask].shape[1:])


def test_a_mask_over_large_integers(put, device):
    x, theirs = put([2**63 + 1, 5, 2**64 - 1], "uint64")
    x[x == 5], theirs[theirs == 5] = 2**64 - 2, 2**64 - 2
    same(x, theirs)
    y, flags = put([True, False, True])
    y[y], flags[flags] = False, False
    same(y, flags)


def test_arrays_that_do_not_fit_are_refused_before_anything_is_written(put, device):
    x, theirs = put(values_of((2, 3)))
    for key, error in [
        (xp.asarray([0, 2], device=device), IndexRangeError),
        (xp.asarray([0, -3], device=device), IndexRangeError),
        (xp.asarray([True, False, True], device=device), IndexRangeError),
        (xp.asarray([0.0], device=device), DtypeError),
    ]:
        with pytest.raises(error):
            x[key]
        with pytest.raises(error):
            x[key] = 0
    with pytest.raises(ShapeError):
        x[xp.asarray([0, 1], device=device)] = xp.zeros((3, 3), dtype=xp.int64, device=device)
    same(x, theirs)


def test_an_assigned_array_broadcasts_and_keeps_the_dtype(put):
    x, theirs = put(values_of((2, 3), "float32"))
    row, values = put([7, 8, 9], "float32")
    x[...], theirs[...] = row, values
    same(x, theirs)
    x[:, 1:], theirs[:, 1:] = x[:, :-1], theirs[:, :-1].copy()  # shared memory
    same(x, theirs)
    with pytest.raises(ShapeError):
        x[0] = xp.zeros((2,), device=x.device)
    with pytest.raises(DtypeError):
        x[0] = 1j
    whole, integers = put([1, 2, 3], "int8")
    with pytest.raises(DtypeError):
        whole[0] = 1.5
    with pytest.raises(DtypeError, match="float32"):
        whole[...] = row
    with pytest.raises(DtypeError, match="300"):
        whole[0] = 300
    same(whole, integers)
    x[0], theirs[0] = whole, integers
    same(x, theirs)


def test_assigned_integers_of_another_dtype_wrap(put):
    for source, target in [
        ("int64", "int8"),
        ("uint8", "uint64"),
        ("uint64", "int64"),
        ("uint64", "uint64"),
    ]:
        values = [1, 200] if source == "uint8" else [300, np.iinfo(source).max]
        (x, theirs), (y, given) = put([[0, 0, 0]] * 2, target), put(values, source)
        x[0, 1:], theirs[0, 1:] = y, given.astype(target)
        same(x, theirs)


def test_views_see_what_is_written(put):
    x, _ = put(values_of((2, 3)))
    row = x[1]
    row[0] = -1
    assert int(x[1, 0]) == -1
    x[1, 1] = -2
    assert int(row[1]) == -2


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_take(put, device, axis):
    for dtype in ("float64", "uint64"):
        x, theirs = put(values_of((2, 3, 4), dtype))
        indices, where = put([1, 0, 1, -1], "int32")
        same(xp.take(x, indices, axis=axis), np.take(theirs, where, axis=axis))
        nothing = xp.asarray([], dtype=xp.int64, device=device)
        same(xp.take(x, nothing, axis=axis), np.take(theirs, np.array([], int), axis=axis))


def test_take_says_what_is_wrong(put):
    x, _ = put(values_of((2, 3)))
    index, _ = put([2])
    with pytest.raises(ShapeError, match="axis="):
        xp.take(x, index)
    with pytest.raises(IndexRangeError, match="index 2"):
        xp.take(x, index, axis=0)
    with pytest.raises(ShapeError, match="one axis"):
        xp.take(x, x, axis=0)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_take_along_axis(put, axis):
    for dtype in ("float32", "int64", "uint64"):
        x, theirs = put(
            2**40 + values_of((3, 2, 3), dtype)
            if dtype != "float32"
            else values_of((3, 2, 3), dtype)
        )
        indices, where = put(np.argsort(-theirs.astype(float), axis=axis))
        same(xp.take_along_axis(x, indices, axis=axis), np.take_along_axis(theirs, where, axis))
    one, first = put([[[-1, 0, 1]]])
    same(xp.take_along_axis(x, one, axis=2), np.take_along_axis(theirs, first, 2))
    with pytest.raises(IndexRangeError):
        xp.take_along_axis(x, one + 5, axis=2)
