"""Convolution and its adjoints as hand-written kernels against their NumPy definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neonport.dtypes import bfloat16
from neonport.ops.op import OPS
from neonport.optree.node import apply

# x (C, D, H, W, N), filters (T, R, S, K), padding, stride, dilation
GEOMETRIES = {
    "one": ((1, 1, 1, 1, 1), (1, 1, 1, 1), (0, 0, 0), (1, 1, 1), (1, 1, 1)),
    "image": ((3, 1, 9, 7, 8), (1, 3, 3, 5), (0, 1, 1), (1, 1, 1), (1, 1, 1)),
    "fours": ((8, 1, 6, 6, 16), (1, 3, 3, 64), (0, 1, 1), (1, 1, 1), (1, 1, 1)),
    "strided": ((2, 1, 11, 10, 3), (1, 4, 3, 6), (0, 2, 1), (1, 3, 2), (1, 1, 1)),
    "gaps": ((2, 1, 8, 8, 2), (1, 1, 2, 3), (0, 0, 0), (1, 3, 3), (1, 1, 1)),
    "dilated": ((4, 1, 12, 13, 5), (1, 3, 2, 7), (0, 4, 1), (1, 2, 1), (1, 2, 4)),
    "volume": ((2, 5, 6, 4, 4), (3, 2, 2, 9), (2, 0, 1), (2, 1, 3), (1, 2, 1)),
    "wide padding": ((1, 1, 3, 3, 33), (1, 2, 2, 2), (0, 3, 4), (1, 1, 2), (1, 1, 1)),
    "tiles": ((17, 1, 9, 9, 12), (1, 3, 3, 70), (0, 0, 0), (1, 1, 1), (1, 1, 1)),
    "few maps": ((70, 1, 4, 5, 40), (1, 1, 1, 33), (0, 0, 0), (1, 1, 1), (1, 1, 1)),
}
OPERATIONS = ("conv", "conv_backward_data", "conv_backward_filter")


def _run(check, op, name, dtype, layout="plain"):
    size, filters, padding, stride, dilation = GEOMETRIES[name]
    rng = np.random.RandomState(len(name))
    x = rng.normal(size=size).astype(dtype)
    f = rng.normal(size=(size[0], *filters)).astype(dtype)
    geometry = {"padding": padding, "stride": stride, "dilation": dilation}
    e = rng.normal(size=OPS["conv"].numpy(x, f, **geometry).shape).astype(dtype)
    if op == "conv":
        check(op, x, f, layout=layout, **geometry)
    elif op == "conv_backward_data":
        check(op, f, e, layout=layout, **geometry, size=size[1:4])
    else:
        check(op, x, e, layout=layout, **geometry, size=filters[:3])


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_geometry(check, op, name):
    _run(check, op, name, "float32")


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
@pytest.mark.parametrize("name", ["fours", "volume"])
def test_dtype(check, op, name, dtype):
    _run(check, op, name, bfloat16() if dtype == "bfloat16" else dtype)


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("layout", ["offset", "turned"])
def test_layout(check, op, layout):
    _run(check, op, "dilated", "float32", layout)


@pytest.mark.parametrize("op", OPERATIONS)
def test_a_device_with_many_units(check, dev, op):
    dev.device.traits = replace(dev.device.traits, units=512)
    _run(check, op, "few maps", "float32")


def test_the_same_call_gives_the_same_bits(dev):
    rng = np.random.RandomState(0)
    x, e = (dev.array(rng.normal(size=(4, 1, 16, 16, 32)).astype(np.float32)) for _ in range(2))
    out = dev.empty((4, 1, 1, 1, 4))
    params = {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1), "size": (1, 1, 1)}
    found = set()
    for _ in range(3):
        dev.device.library_call("conv_backward_filter", [x, e], out, params)()
        found.add(out.get().tobytes())
    assert len(found) == 1


def test_more_terms_than_the_loops_of_a_device_may_turn_are_left_to_numpy(dev, monkeypatch):
    monkeypatch.setattr(dev.device, "traits", replace(dev.device.traits, rounds=1))
    x, f, y = dev.ones((2, 1, 5, 5, 4)), dev.ones((2, 1, 3, 3, 2)), dev.empty((2, 1, 3, 3, 4))
    geometry = {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    assert dev.device.library_call("conv", [x, f], y, geometry) is None
    back = {**geometry, "size": x.shape[1:4]}
    assert dev.device.library_call("conv_backward_data", [f, y], x, back) is None
    y[:] = apply("conv", x, f, **geometry)
    np.testing.assert_array_equal(y.get(), 18)
