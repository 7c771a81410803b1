"""Uniform numbers stay below their upper bound in the type that they are stored in."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.dtypes import as_dtype
from neonport.initializers import GlorotUniform, Uniform
from neonport.optree.node import apply

SHAPE = (64, 4096)  # 64 numbers would round to 1 in float16, 512 in bfloat16


@pytest.fixture(params=["kernels", "NumPy"])
def device(request, be, monkeypatch):
    """The backend, once as it is and once without kernels."""
    if request.param == "NumPy":
        if not hasattr(be.device, "_jit"):
            pytest.skip("the definitions run on the host alone; the cpu backend tests them")
        monkeypatch.setattr(be.device, "_jit", None)
    return be


def short(be, dtype):
    if dtype not in be.default_dtypes:
        pytest.skip(f"{be} does not store {dtype}")
    return be.empty(SHAPE, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["plain", "moved"])
def test_a_uniform_source(device, dtype, form):
    out = short(device, dtype)
    tree = device.rand(shape=SHAPE)
    if form == "moved":
        tree = apply("reshape", device.rand(shape=(SHAPE[0] * 2, SHAPE[1] // 2)), shape=SHAPE)
    out[:] = tree
    values = out.get().astype(np.float64)
    largest = 1 - 2.0**-11 if dtype == "float16" else 1 - 2.0**-8
    assert values.max() == largest
    assert values.min() >= 0
    assert abs(values.mean() - 0.5) < 0.01


def test_a_float32_target_beside_a_short_one_keeps_its_digits(device):
    half, single = device.empty((1, 4096), dtype=np.float16), device.empty((1, 4096))
    node = device.rand(shape=(1, 4096))
    device.assign_many([(half, node), (single, node)])
    assert len(np.unique(single.get())) > 4000


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, -0.5), (0.5, 0.50001), (-3.0, 0.0)])
def test_initializers(be, dtype, bounds):
    out = short(be, dtype)
    low, high = bounds
    for _ in range(4):
        Uniform(low, high).fill(out)
        values = out.get().astype(np.float64)
        assert values.max() < high or high == 0 == values.max()
        stored_low = float(np.array(low).astype(as_dtype(dtype)))
        assert values.min() >= min(low, stored_low)


def test_glorot_stays_within_its_bound(be):
    out = be.empty((3, 3), dtype=np.float16)
    for _ in range(300):
        GlorotUniform().fill(out)
        assert out.get().astype(np.float64).max() < 1  # sqrt(6 / 6)


def test_a_mask_that_keeps_all_keeps_all(device):
    out = device.empty(SHAPE, dtype=np.float16)
    device.make_binary_mask(out, keepthresh=1.0)
    assert out.get().min() == 1
