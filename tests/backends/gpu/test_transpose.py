"""Copies that swap which axis is the innermost, by tiles, against NumPy."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from neonport.backends.gpu import transpose
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.dtypes import bfloat16
from tests.backends.gpu.conftest import laid


@pytest.fixture(params=["transpose.h", "transpose_blocks.h"])
def tiles(dev, monkeypatch, request):
    """The device with tiles of either form for copies of any size; counts them."""
    made = []
    traits = replace(dev.device.traits, group=1 if "blocks" in request.param else 256)
    form = transpose.form(traits)
    assert form[0][-1] == request.param
    monkeypatch.setattr(transpose, "form", lambda traits: form)
    bound = transpose.bind_turned
    monkeypatch.setattr(transpose, "EDGE", 2)
    monkeypatch.setattr(transpose, "WORTH", 1)
    monkeypatch.setattr(
        type(dev.device), "tiled", lambda be, s: transpose.turned_axes(s) is not None
    )
    monkeypatch.setattr(transpose, "bind_turned", lambda *a: made.append(a) or bound(*a))
    dev.made = made
    return dev


def numbers(shape, dtype):
    words = np.random.RandomState(0).randint(-90, 90, shape)
    return (words > 0) if np.dtype(dtype) == bool else words.astype(dtype)


@pytest.mark.parametrize("layout", ["plain", "offset"])
@pytest.mark.parametrize("shape", [(2, 3), (31, 33), (32, 64), (65, 2), (70, 97), (136, 72)])
def test_a_transposed_matrix(tiles, shape, layout):
    values = numbers(shape, np.float32)
    x, y = laid(tiles, values, layout), laid(tiles, np.zeros_like(values.T), layout)
    y[:] = x.T
    np.testing.assert_array_equal(y.get(), values.T)
    assert len(tiles.made) == 1


@pytest.mark.parametrize("layout", ["plain", "offset"])
def test_what_lies_around_the_target_stays(tiles, layout):
    room = tiles.array(np.full((40, 50), 9, np.float32))
    x = tiles.array(numbers((45, 37), np.float32))
    room[2:39, 3:48] = x.T
    want = np.full((40, 50), 9, np.float32)
    want[2:39, 3:48] = x.get().T
    np.testing.assert_array_equal(room.get(), want)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "float16", "bfloat16", "float32", "int64", "float64"]
)
def test_every_item_size(tiles, dtype):
    if dtype == "float64" and not tiles.device.traits.float64:
        pytest.skip("the device has no float64")
    values = numbers((35, 41), bfloat16() if dtype == "bfloat16" else dtype)
    x = tiles.array(values, dtype=values.dtype)
    y = tiles.zeros((41, 35), dtype=values.dtype)
    tiles.copy_transpose(x, y)
    np.testing.assert_array_equal(y.get(), values.T)
    assert len(tiles.made) == 1


def test_bits_stay_as_they_are(tiles):
    values = np.full((33, 35), 0x7FA12345, np.uint32).view(np.float32)  # a signalling nan
    x, y = tiles.array(values), tiles.zeros((35, 33))
    y[:] = x.T
    np.testing.assert_array_equal(y.get().view(np.uint32), values.view(np.uint32).T)


@pytest.mark.parametrize("shape", [(3, 34, 5), (4, 2, 3, 33), (2, 3, 4, 3, 5)])
def test_permutations(tiles, shape):
    values = numbers(shape, np.float32)
    x = tiles.array(values)
    for axes in permutations(range(len(shape))):
        y = tiles.zeros(tuple(shape[a] for a in axes))
        tiles.copy_transpose(x, y, axes)
        np.testing.assert_array_equal(y.get(), values.transpose(axes), err_msg=str(axes))
    assert len(tiles.made) > 3


def test_what_is_no_plain_copy_is_fused(tiles):
    values = numbers((33, 40), np.float32)
    x, y = tiles.array(values), tiles.zeros((40, 33))
    y[:] = x.T + 1
    np.testing.assert_array_equal(y.get(), values.T + 1)
    y[:] = x[::-1, ::-1].T
    np.testing.assert_array_equal(y.get(), values[::-1, ::-1].T)
    whole = tiles.zeros((40, 33), dtype=np.int32)
    whole[:] = x.T
    np.testing.assert_array_equal(whole.get(), values.T)
    assert not tiles.made


def test_small_and_narrow_copies_are_fused(dev, monkeypatch):
    monkeypatch.setattr(transpose, "bind_turned", None)
    for shape in ((20, 20), (5000, 4)):
        x, y = dev.array(numbers(shape, np.float32)), dev.zeros(shape[::-1])
        y[:] = x.T
        np.testing.assert_array_equal(y.get(), x.get().T)


def test_tiles_are_used_where_they_gain(dev, monkeypatch):
    made = []
    bound = transpose.bind_turned
    monkeypatch.setattr(transpose, "bind_turned", lambda *a: made.append(a) or bound(*a))
    x, y = dev.array(numbers((150, 200), np.float32)), dev.zeros((200, 150))
    y[:] = x.T
    np.testing.assert_array_equal(y.get(), x.get().T)
    assert len(made) == transpose.gains(dev.device.traits)


@pytest.mark.parametrize(
    ("group", "vector_bytes", "gain"), [(256, 16, True), (1, 64, True), (1, 4, False)]
)
def test_a_driver_that_fills_lanes_with_items_has_no_use_for_one(group, vector_bytes, gain):
    assert transpose.gains(DeviceTraits(group=group, vector_bytes=vector_bytes)) == gain
