"""Functions that move elements, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.errors import BackendMismatchError, DtypeError, ShapeError
from tests.array_api.conftest import same

SHAPE = (2, 3, 4)


@pytest.fixture(params=["float32", "uint64"])
def pair(request, put):
    """An array here, NumPy's; of uint64 kernels have no arithmetic."""
    top = 2**63 if request.param == "uint64" else 0
    return put(np.arange(24, dtype=request.param).reshape(SHAPE) + np.asarray(top, request.param))


CALLS = {
    "broadcast_to": [((5, 2, 3, 4),), ((2, 3, 4),)],
    "expand_dims": [{"axis": 0}, {"axis": 2}, {"axis": -1}, {"axis": -2}],
    "flip": [{}, {"axis": 1}, {"axis": (0, -1)}],
    "moveaxis": [(0, 2), ((0, 1), (-1, 0)), (1, 1)],
    "permute_dims": [((2, 0, 1),), ((0, 1, 2),), ((-1, 0, 1),)],
    "repeat": [(2,), (0,)],
    "reshape": [((24,),), ((6, 4),), ((-1, 2, 3),), ((1, 24, 1),)],
    "roll": [(1,), (-30,), (0,)],
    "tile": [((2,),), ((2, 1, 3),), ((1, 2, 1, 1),), ((0, 1),), ((),)],
}
ROWS = [(name, call) for name, calls in CALLS.items() for call in calls]


@pytest.mark.parametrize(("name", "call"), ROWS, ids=str)
def test_one_array(pair, name, call):
    x, theirs = pair
    arguments, options = ((), call) if isinstance(call, dict) else (call, {})
    same(
        getattr(xp, name)(x, *arguments, **options),
        getattr(np, name)(theirs, *arguments, **options),
    )


@pytest.mark.parametrize("axis", [0, 1, (0, 2), (1, 1)])
def test_roll_along_axes(pair, axis):
    x, theirs = pair
    shift = 2 if isinstance(axis, int) else (1, -1)
    same(xp.roll(x, shift, axis=axis), np.roll(theirs, shift, axis=axis))


def test_repeat_along_an_axis(pair, put):
    x, theirs = pair
    same(xp.repeat(x, 2, axis=1), np.repeat(theirs, 2, axis=1))
    counts, numbers = put([0, 2, 1])
    same(xp.repeat(x, counts, axis=1), np.repeat(theirs, numbers, axis=1))
    with pytest.raises(ShapeError):
        xp.repeat(x, -1)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_concat(pair, axis):
    x, theirs = pair
    same(
        xp.concat([x, x[::-1, ...], x], axis=axis),
        np.concat([theirs, theirs[::-1], theirs], axis=axis),
    )
    same(xp.concat([x], axis=axis), np.concat([theirs], axis=axis))


def test_concat_of_other_sizes_and_dtypes(put):
    x, a = put(np.arange(6.0).reshape(2, 3), "float32")
    y, b = put(np.arange(12.0).reshape(4, 3), "float64")
    z, c = put(np.zeros((0, 3)), "float32")
    same(xp.concat([z, x, y]), np.concat([c, a, b]))
    for wrong in ([x, y[:, :2]], [x, x[0]], []):
        with pytest.raises(ShapeError):
            xp.concat(wrong)
    with pytest.raises(DtypeError):
        xp.concat([x, xp.astype(x, xp.int32)])
    with pytest.raises(DtypeError, match="ndarray"):
        xp.concat([x, a])


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
def test_stack_and_unstack(pair, axis):
    x, theirs = pair
    whole = xp.stack([x, x], axis=axis)
    same(whole, np.stack([theirs, theirs], axis=axis))
    for ours, other in zip(
        xp.unstack(whole, axis=axis), np.unstack(whole.host(), axis=axis), strict=True
    ):
        same(ours, other)
    with pytest.raises(ShapeError):
        xp.stack([x, x[0]])


def test_numbers_and_vectors(put):
    number, value = put(3.0)
    same(xp.expand_dims(number, axis=0), value[None])
    same(xp.stack([number, number]), np.stack([value, value]))
    same(xp.reshape(number, (1, 1)), value.reshape(1, 1))
    same(xp.broadcast_to(number, (2, 2)), np.broadcast_to(value, (2, 2)))
    same(xp.flip(number), value)
    same(xp.roll(number, 1), value)
    same(xp.tile(number, (3,)), np.tile(value, (3,)))
    same(xp.repeat(number, 3), np.repeat(value, 3))
    same(xp.permute_dims(number, ()), value)
    same(xp.concat([number, number], axis=None), np.concat([value, value], axis=None))
    with pytest.raises(ShapeError):
        xp.concat([number, number])


def test_squeeze(put):
    x, theirs = put(np.arange(6).reshape(1, 2, 1, 3))
    same(xp.squeeze(x, axis=0), theirs.squeeze(0))
    same(xp.squeeze(x, axis=(0, -2)), theirs.squeeze((0, 2)))
    with pytest.raises(ShapeError):
        xp.squeeze(x, axis=1)


def test_reshape_is_a_view_where_it_can_be(put):
    x, _theirs = put(np.arange(6))
    view = xp.reshape(x, (2, 3))
    view[0, 0] = 9
    assert int(x[0]) == 9
    copy = xp.reshape(x, (2, 3), copy=True)
    copy[0, 0] = 1
    assert int(x[0]) == 9
    turned = xp.permute_dims(view, (1, 0))
    with pytest.raises(ShapeError, match="copy=False"):
        xp.reshape(turned, (6,), copy=False)
    same(xp.reshape(turned, (6,)), view.host().T.reshape(6))
    for wrong in ((4,), (-1, -1), (-1, 4), (-2, 3)):
        with pytest.raises(ShapeError):
            xp.reshape(x, wrong)
    empty, nothing = put(np.zeros((0, 3)))
    same(xp.reshape(empty, (3, 0)), nothing.reshape(3, 0))


def test_broadcast_arrays(put):
    x, a = put(np.arange(3))
    y, b = put(np.arange(2).reshape(2, 1))
    for ours, theirs in zip(xp.broadcast_arrays(x, y), np.broadcast_arrays(a, b), strict=True):
        same(ours, theirs)
    with pytest.raises(ShapeError):
        xp.broadcast_to(x, (2,))


def test_arrays_of_two_devices_do_not_mix(put):
    from neonport.backends import gen_backend

    x, _ = put([1.0], "float32")
    other = xp.asarray([1.0], device=gen_backend("cpu"))
    with pytest.raises(BackendMismatchError, match="to_device"):
        xp.concat([x, other])
    with pytest.raises(BackendMismatchError, match="to_device"):
        x + other
