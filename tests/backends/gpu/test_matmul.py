"""Matrix products by hand-written kernels: every tile, layouts, batches, long depths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neonport.backends.gpu import matmul as tiles
from neonport.backends.gpu.matmul import bind_product
from neonport.dtypes import bfloat16
from tests.backends.gpu.conftest import TOLERANCE, laid

SIZES = [(1, 1, 1), (3, 5, 2), (64, 16, 64), (65, 17, 130), (132, 40, 36), (5, 300, 7), (33, 0, 4)]


def _close(got, want, depth):
    tolerance = TOLERANCE[got.dtype.name] * max(1, depth) ** 0.5
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("tile", tiles.TILES, ids=lambda t: f"{t.m}x{t.n}")
@pytest.mark.parametrize(
    ("layout", "dtype"),
    [
        ("plain", "float32"), ("offset", "float32"), ("turned", "float32"), ("plain", "float16"),
        ("plain", "float64"), ("plain", "bfloat16"),
    ],
)  # fmt: skip
def test_every_tile(dev, tile, layout, dtype):
    if dtype == "float64" and not dev.device.traits.float64:
        pytest.skip("the device has no float64")
    dtype = bfloat16() if dtype == "bfloat16" else dtype
    for m, k, n in SIZES if tile == tiles.SQUARE else SIZES[3:5]:
        rng = np.random.RandomState(m + n)
        x, y, z = (rng.normal(size=s).astype(dtype) for s in ((m, k), (k, n), (m, n)))
        a, b, c = (laid(dev, v, layout) for v in (x, y, z))
        bind_product(dev.device, a, b, c, 0.5, 2.0, tile)()
        wide = 0.5 * x.astype(np.float64) @ y.astype(np.float64) + 2 * z.astype(np.float64)
        _close(c.get(), wide, k)


@pytest.mark.parametrize("mixed", ["left", "right"])
def test_operands_that_lie_differently(dev, mixed):
    rng = np.random.RandomState(0)
    x, y = (rng.normal(size=s).astype(np.float32) for s in ((68, 36), (36, 72)))
    a = laid(dev, x, "turned" if mixed == "left" else "plain")
    b = laid(dev, y, "turned" if mixed == "right" else "plain")
    c = dev.empty((68, 72))
    dev.device.matmul(a, b, c, 1.0, 0.0)()
    _close(c.get(), x @ y, 36)


@pytest.mark.parametrize("depth", [4000, 4096, 5001])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_long_depth_is_cut_into_chunks(dev, depth, dtype):
    dev.device.traits = replace(dev.device.traits, units=64)
    rng = np.random.RandomState(0)
    x, y, z = (
        rng.normal(size=s).astype(dtype) for s in ((20, depth), (depth, 30), (20, 30))
    )  # fmt: skip
    c = dev.array(z, dtype=z.dtype)
    dev.device.matmul(dev.array(x, dtype=z.dtype), dev.array(y, dtype=z.dtype), c, 2.0, 0.5)()
    want = 2 * x.astype(np.float64) @ y.astype(np.float64) + 0.5 * z
    _close(c.get(), want, depth)
    assert tiles.pieces(20, 30, depth, 1, 64, 512)[0] > 1


@pytest.mark.parametrize("shared", ["none", "left", "right"])
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("layout", ["plain", "offset"])
def test_a_batch_is_one_launch(dev, shared, folded, layout):
    rng = np.random.RandomState(1)
    x = rng.normal(size=(20, 33) if shared == "left" else (3, 20, 33)).astype(np.float32)
    y = rng.normal(size=(33, 9) if shared == "right" else (3, 33, 9)).astype(np.float32)
    want = x @ y
    c = laid(dev, np.full((20, 9) if folded else (3, 20, 9), np.nan, np.float32), layout)
    launches = []
    bind_launch = dev.device.bind_launch
    dev.device.bind_launch = lambda *args: launches.append(args) or bind_launch(*args)
    dev.device.batched_matmul(laid(dev, x, layout), laid(dev, y, layout), c)()
    count = len(launches)  # reading the result may launch a copy
    _close(c.get(), want.sum(0) if folded else want, 33)
    assert count == 1


def test_the_tile_does_not_change_the_result(dev):
    rng = np.random.RandomState(0)
    a, b = (dev.array(rng.normal(size=s).astype(np.float32)) for s in ((70, 90), (90, 65)))
    found = set()
    for tile in tiles.TILES:
        c = dev.empty((70, 65))
        bind_product(dev.device, a, b, c, 1.0, 0.0, tile)()
        found.add(c.get().tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("depth", [1, 100, 4096, 1_000_000])
def test_a_chunk_is_no_deeper_than_the_loops_of_a_device_may_turn(depth):
    for rounds in (1, 50, 30_000):
        chunks, chunk = tiles.pieces(500, 500, depth, 1, 16, 512, rounds)
        assert chunk <= tiles.deepest(rounds)
        assert (chunks - 1) * chunk < depth <= chunks * chunk
