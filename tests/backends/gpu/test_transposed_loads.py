"""Operands whose neighbours lie along another axis than the target's, by tiles, against NumPy."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from neonport.backends.gpu import device as backend
from neonport.compiler.codegen.gpu.transposed_loads import GROUPS
from neonport.dtypes import bfloat16
from neonport.ops.philox import uniform
from neonport.optree.node import transpose
from neonport.tensor.tensor import Tensor
from tests.backends.gpu.conftest import laid

FORMS = {
    "loops": {"group": 1, "vector_bytes": 64, "map_group": 16},
    "loops of narrow vectors": {"group": 1, "vector_bytes": 16, "cache": 1},
    "groups": {"group": 256, "vector_bytes": 16, "map_group": 256},
    "small groups": {"group": 8, "vector_bytes": 16, "map_group": 24},
}
SHAPES = [(64, 64), (75, 141), (141, 75), (16, 1030), (1030, 16), (33, 500), (128, 192)]


@pytest.fixture(params=FORMS)
def device(dev, monkeypatch, request):
    """A device with tiles of each form."""
    dev.device.traits = replace(dev.device.traits, **FORMS[request.param])
    # the sizes here are small
    monkeypatch.setattr(
        "neonport.compiler.codegen.gpu.launch_shape.GROUPS", replace(GROUPS, work=1)
    )
    return dev


def sides(be):
    """Sides of the tiles of all kernels so far."""
    return {variant.tile_side for _, variant in be.device._writers}


def assert_turned(be):
    """All kernels had tiles, unless their rows have no vectors on a device that aligns these."""
    assert 0 not in sides(be) or (be.device.traits.aligned and be.device.traits.group == 1)


def numbers(shape, dtype=np.float32, seed=0):
    values = np.random.RandomState(seed).randint(-60, 60, shape)
    return (values > 0) if np.dtype(dtype) == bool else values.astype(dtype)


@pytest.mark.parametrize("layout", ["plain", "offset"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_straight_and_two_transposed_operands(device, shape, layout):
    X, Z, W = (numbers(s, seed=i) for i, s in enumerate((shape, shape[::-1], shape[::-1])))
    x, z, w = (laid(device, v, layout) for v in (X, Z, W))
    y = laid(device, np.zeros(shape, np.float32), layout)
    y[:] = x * z.T + w.T * 2
    assert_turned(device)
    np.testing.assert_array_equal(y.get(), X * Z.T + W.T * 2)


@pytest.mark.parametrize("stored", [
    "bool", "int8", "uint8", "int16", "float16", "bfloat16", "int32", "float32", "int64", "float64"
])  # fmt: skip
def test_stored_types(device, stored):
    if stored == "float64" and not device.device.traits.float64:
        pytest.skip("the device has no float64")
    dtype = bfloat16() if stored == "bfloat16" else np.dtype(stored)
    values = numbers((75, 141), dtype)
    x, y = device.array(values, dtype=dtype), device.zeros((141, 75), dtype=dtype)
    z = device.zeros((141, 75))
    device.assign_many([(y, x.T * 1), (z, x.T * 2.0 + 1)])
    np.testing.assert_array_equal(y.get(), values.T)
    np.testing.assert_array_equal(z.get(), values.T.astype(np.float32) * 2 + 1)
    assert_turned(device)


def test_rows_columns_and_several_results(device):
    A, B, Z = (numbers(s, seed=i) for i, s in enumerate(((75, 141), (75, 141), (141, 75))))
    ROW, COLUMN = numbers((1, 75)), numbers((141, 1))
    a, b, z, row, column = (device.array(v) for v in (A, B, Z, ROW, COLUMN))
    y, w = device.zeros(Z.shape), device.zeros(Z.shape, dtype=np.int16)
    device.assign_many([(y, a.T * z + row), (w, device.maximum(b.T, column) - a.T)])
    np.testing.assert_array_equal(y.get(), A.T * Z + ROW)
    np.testing.assert_array_equal(w.get(), np.maximum(B.T, COLUMN) - A.T)
    assert_turned(device)


def test_a_transposed_target(device):
    X, Z = numbers((75, 141)), numbers((75, 141), seed=1)
    x, z, y = device.array(X), device.array(Z), device.zeros((141, 75))
    y.T[:] = x * z + 1
    assert_turned(device)
    np.testing.assert_array_equal(y.get(), (X * Z + 1).T)


def test_nothing_beside_the_target_is_written(device):
    room = device.array(np.full((85, 150), 9, np.float32))
    X = numbers((141, 75))
    room[2:77, 3:144] = device.array(X).T + 1
    want = np.full((85, 150), 9, np.float32)
    want[2:77, 3:144] = X.T + 1
    np.testing.assert_array_equal(room.get(), want)


@pytest.mark.parametrize("shape", [(3, 34, 50), (18, 2, 3, 33), (17, 20, 5, 19)])
def test_permutations(device, shape):
    values = numbers(shape)
    x = device.array(values)
    for axes in permutations(range(len(shape))):
        y = device.zeros(tuple(shape[a] for a in axes))
        y[:] = transpose(x, axes) * 2 + 1
        np.testing.assert_array_equal(y.get(), values.transpose(axes) * 2 + 1, err_msg=str(axes))
    assert sides(device) - {0}


def test_operands_across_different_axes(device):
    A, B = numbers((20, 40, 30)), numbers((40, 20, 30), seed=1)
    a, b, y = device.array(A), device.array(B), device.zeros((30, 20, 40))
    y[:] = transpose(a, (2, 0, 1)) + transpose(b, (2, 1, 0)) * 3
    np.testing.assert_array_equal(y.get(), A.transpose(2, 0, 1) + B.transpose(2, 1, 0) * 3)
    c, C = device.array(numbers((30, 40, 20))), numbers((30, 40, 20))
    y[:] = transpose(a, (2, 0, 1)) + transpose(c, (0, 2, 1))
    np.testing.assert_array_equal(y.get(), A.transpose(2, 0, 1) + C.transpose(0, 2, 1))


def test_a_matrix_and_its_own_transpose(device):
    X = numbers((150, 150))
    x = device.array(X)
    x[:] = x.T - x * 2
    np.testing.assert_array_equal(x.get(), X.T - X * 2)


def test_positions_of_64_bits(device, monkeypatch):
    narrow = backend.launch_shape

    def wide(*args):
        shape = narrow(*args)
        return replace(shape, variant=replace(shape.variant, wide=True))

    monkeypatch.setattr(backend, "launch_shape", wide)
    X, Z = numbers((75, 141)), numbers((141, 75))
    x, z, y = device.array(X), device.array(Z), device.zeros(X.shape)
    y[:] = x + z.T * 2
    np.testing.assert_array_equal(y.get(), X + Z.T * 2)
    assert_turned(device)
    assert all(v.wide for _, v in device.device._writers)


def test_random_numbers_and_coordinates(device):
    X = numbers((75, 141))
    x, y = device.array(X), device.zeros((141, 75))
    index = device.array(numbers((1, 75)) + 60, dtype=np.int32)
    key, offset = device.philox.reserve_with_key(0)
    y[:] = (x.T + device.onehot(index, axis=0, classes=141)) * 0 + device.rand()
    assert np.array_equal(y.get().ravel(), uniform(key, offset, y.size))
    y[:] = x.T + device.onehot(index, axis=0, classes=141)
    np.testing.assert_array_equal(y.get(), X.T + (np.arange(141)[:, None] == index.get()))
    assert_turned(device)


@pytest.mark.parametrize(("operands", "smaller"), [(7, False), (10, True)])
def test_many_operands_share_the_room(device, operands, smaller):
    """Seven fill it nearly, and have the largest tiles."""
    shape = (75, 141)
    values = [numbers(shape, seed=i) for i in range(operands)]
    tree, want = 0, 0
    for v in values:
        tree, want = tree + device.array(v).T, want + v.T
    y = device.zeros(shape[::-1])
    y[:] = tree
    np.testing.assert_array_equal(y.get(), want)
    assert_turned(device)
    assert (max(sides(device)) < device.device.traits.tiles.side) == smaller


def test_same_bits_as_without_tiles(device, monkeypatch):
    X, Z = numbers((75, 141)) / 7, numbers((141, 75)) / 9
    x, z, y = device.array(X), device.array(Z), device.zeros(X.shape)
    y[:] = device.tanh(z.T) * x + device.exp(z.T * 0.1)
    turned = y.get()
    assert_turned(device)
    for name in ("GROUPS", "LOOPS"):
        monkeypatch.setattr(
            f"neonport.compiler.codegen.gpu.launch_shape.{name}", replace(GROUPS, work=1 << 40)
        )
    w = device.zeros(X.shape)
    w[:] = device.tanh(z.T) * x + device.exp(z.T * 0.1)
    assert 0 in sides(device)
    np.testing.assert_array_equal(turned, w.get())


def test_statements_without_elements(device):
    y = device.zeros((0, 300))
    y[:] = device.zeros((300, 0)).T + 1
    assert y.get().shape == (0, 300)
    one = device.zeros((1, 1))
    one[:] = device.ones((1, 1)).T * 3
    assert one.get().tolist() == [[3]]


def test_what_is_read_backwards(device):
    X = numbers((75, 141))
    x, y = device.array(X), device.zeros((141, 75))
    y[:] = x[::-1].T * 2
    np.testing.assert_array_equal(y.get(), X[::-1].T * 2)
    assert_turned(device)
    y[:] = x[:, ::-1].T * 2
    np.testing.assert_array_equal(y.get(), X[:, ::-1].T * 2)
    assert 0 in sides(device)


@pytest.mark.parametrize("form", ["loops", "groups"])
def test_what_is_not_turned(dev, form):
    dev.device.traits = replace(dev.device.traits, **FORMS[form])
    x, y = dev.array(numbers((200, 200))), dev.zeros((200, 200))
    thin, flat = dev.zeros((5000, 4)), dev.zeros((4, 5000))
    small, other = dev.zeros((20, 20)), dev.zeros((20, 20))
    for target, tree in ((y, x * 2), (flat, thin.T + 1), (other, small.T + 1)):
        target[:] = tree
    assert sides(dev) == {0}
    y[:] = x.T + 1
    assert sides(dev) == {0, dev.device.traits.tiles.side}


def test_a_driver_that_fills_lanes_with_items_has_no_use_for_single_ones(dev):
    dev.device.traits = replace(dev.device.traits, group=1, vector_bytes=4)
    y = dev.zeros((200, 200))
    y[:] = dev.ones((200, 200)).T + 1
    assert sides(dev) == {0}


def test_what_is_read_across_the_loops_and_written_there(device):
    X, W, Z = (numbers((141, 75), seed=i) for i in range(3))
    x, w, z, y = device.array(X), device.array(W.T), device.array(Z.T), device.zeros(X.shape)
    device.assign_many([(y, x * 2), (w.T, w.T + z.T * 3)])
    np.testing.assert_array_equal(y.get(), X * 2)
    np.testing.assert_array_equal(w.get(), (W + Z * 3).T)


def test_what_is_read_across_the_loops_and_looked_up_there(device):
    X = numbers((75, 5, 141))
    x, y = device.array(X), device.zeros((5, 141, 75))
    view = Tensor(device, x.storage, x.dtype, ((1, 141, 75), (141, 1, 705), x.offset))
    first = device.array(np.zeros((5, 1)), dtype=np.int32)
    y[:] = view * 2 + device.take(view, first, axis=0)
    want = X.transpose(1, 2, 0)[:1] * 3
    np.testing.assert_array_equal(y.get(), np.broadcast_to(want, y.shape))


def test_a_strided_operand_beside_a_transposed_one(device):
    X, Z, W = numbers((75, 282)), numbers((141, 75), seed=1), numbers((3, 75, 141), seed=2)
    x, z, y = device.array(X), device.array(Z), device.zeros((75, 141))
    y[:] = x[:, ::2] * z.T + x[:, ::-2]
    assert_turned(device)
    np.testing.assert_array_equal(y.get(), X[:, ::2] * Z.T + X[:, ::-2])
    w, u = device.array(W), device.zeros((75, 3, 141))
    back = device.array(W.transpose(2, 0, 1))
    u[:] = transpose(w, (1, 0, 2)) - transpose(back, (2, 1, 0)) * 2
    np.testing.assert_array_equal(u.get(), -W.transpose(1, 0, 2))
