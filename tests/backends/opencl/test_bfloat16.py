"""bfloat16 on a device: integer rounding in vectors, lane by lane and in groups, as ml_dtypes."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
BITS = np.arange(65536, dtype=np.uint16).reshape(256, 256)
NUMBER = (BITS & 0x7FFF) <= 0x7F80  # the others are nan
SHAPES = {
    "vectors": DeviceTraits(
        vector_bytes=64, group=1, map_group=16, column_group=1, units=8, chunk=512
    ),
    "scalars": DeviceTraits(
        vector_bytes=4, group=1, map_group=32, column_group=8, units=4, chunk=1024
    ),
    "groups": DeviceTraits(
        vector_bytes=16, group=64, map_group=64, column_group=16, units=16, chunk=512
    ),
}


@pytest.fixture(params=SHAPES)
def device(request, ocl):
    ocl.device.traits = replace(SHAPES[request.param], float64=ocl.device.info.float64)
    return ocl


@pytest.mark.parametrize("step", [1, -1, 2])
def test_every_pattern_is_read_and_written(device, step):
    keep = np.s_[:, ::step]
    h = device.array(BITS.view(BFLOAT16), dtype=BFLOAT16)[keep]
    wide, back = device.empty(h.shape), device.zeros((256, 256), dtype=BFLOAT16)[keep]
    wide[:] = h
    back[:] = wide
    number, bits = NUMBER[keep], BITS[keep]
    truth = bits.astype(np.uint32) << 16
    assert np.array_equal(wide.get().view(np.uint32)[number], truth[number])
    assert np.array_equal(back.get().view(np.uint16)[number], bits[number])
    assert set((back.get().view(np.uint16)[~number] & 0x7FC0).tolist()) == {0x7FC0}


def test_ties_go_to_even(device):
    middle = (BITS[NUMBER].astype(np.uint32) << 16) | 0x8000
    x = np.concatenate([middle - 1, middle, middle + 1]).view(np.float32)
    x = x[~np.isnan(x)].reshape(1, -1)
    out = device.empty(x.shape, dtype=BFLOAT16)
    out[:] = device.array(x)
    with np.errstate(over="ignore"):
        assert np.array_equal(out.get().view(np.uint16), x.astype(BFLOAT16).view(np.uint16))


def test_products_are_computed_in_float32_and_rounded_once(ocl):
    ocl.device.shared = ocl.device.blocks.shared = False  # the device's own kernel
    x, y = (np.random.RandomState(s).normal(size=(33, 33)).astype(BFLOAT16) for s in (0, 1))
    out = ocl.empty((33, 33), dtype=BFLOAT16)
    out[:] = ocl.dot(ocl.array(x, dtype=BFLOAT16), ocl.array(y, dtype=BFLOAT16).T)
    truth = x.astype(np.float64) @ y.astype(np.float64).T
    error = np.abs(out.get().astype(np.float64) - truth)
    assert (error <= 2.0**-8 * np.abs(truth) + 1e-5).all()
