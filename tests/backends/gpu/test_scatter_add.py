"""The gradient of a lookup on the device."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.gpu.kernels import scatter_add as lookup


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 5, 300])
@pytest.mark.parametrize("layout", ["plain", "offset", "turned"])
def test_scatter_add(check, axis, count, layout):
    rng = np.random.RandomState(count)
    shape = [3, 4, 5]
    shape[axis] = count
    g = rng.normal(size=shape).astype(np.float32)
    indices = rng.randint(-2, 12, (count, 1)).astype(np.int32)
    check("scatter_add", g, indices, axis=axis, size=10, layout=layout)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("index", ["int8", "int64", "uint8"])
def test_dtypes(check, dtype, index):
    g = np.random.RandomState(0).normal(size=(40, 6)).astype(dtype)
    indices = np.random.RandomState(1).randint(0, 12, (5, 8)).astype(index)
    check("scatter_add", g, indices, axis=0, size=10)


def test_many_positions_come_in_blocks(check, monkeypatch):
    monkeypatch.setattr(lookup, "BLOCK", 64)
    g = np.random.RandomState(0).normal(size=(2, 200)).astype(np.float32)
    indices = np.random.RandomState(1).randint(-1, 9, (200, 1)).astype(np.int32)
    check("scatter_add", g, indices, axis=1, size=7)


def test_sums_are_in_the_order_of_the_positions(dev):
    g = np.array([[1e8, 1.0, -1e8, 1.0]], np.float32)
    out = dev.empty((1, 2))
    indices = dev.array(np.zeros((4, 1)), dtype=np.int32)
    dev.device.library_call("scatter_add", [dev.array(g), indices], out, {"axis": 1, "size": 2})()
    assert out.get().tolist() == [[1.0, 0.0]]
