"""Local response normalisation in one pass each way, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.gpu.conftest import TOLERANCE


def _window(x, width):
    out = np.zeros_like(x)
    for c in range(len(x)):
        out[c] = x[max(0, c - width // 2) : c + width // 2 + 1].sum(0)
    return out


def _counted(be):
    launches = []
    bind_launch = be.device.bind_launch
    be.device.bind_launch = lambda program, name, *rest: (
        launches.append(name) or bind_launch(program, name, *rest)
    )
    return launches


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("maps", "width"), [(1, 1), (4, 3), (6, 5), (3, 9)])
@pytest.mark.parametrize("factors", [(None, None), (0.5, 2.0)])
def test_both_ways(dev, dtype, maps, width, factors):
    if dtype == "float64" and not dev.device.traits.float64:
        pytest.skip("the device has no float64")
    rng, launches = np.random.RandomState(maps), _counted(dev)
    layer = dev.lrn_layer(np.dtype(dtype), 5, maps, 1, 3, 2, width)
    shape = (maps * 6, 5)
    x, e, old = (rng.normal(size=shape).astype(dtype) for _ in range(3))
    i, errors, out, delta = (dev.array(v, dtype=v.dtype) for v in (x, e, old, old))
    denom = dev.empty(shape, dtype=np.dtype(dtype))
    dev.fprop_lrn(layer, i, out, denom, *factors, ascale=0.3, bpower=0.75)
    wide = x.astype(np.float64).reshape(maps, -1)
    below = 1 + 0.3 / width * _window(wide**2, width)
    y = wide * below**-0.75
    alpha, beta = (1 if factors[0] is None else factors[0], factors[1] or 0)
    tolerance = {"rtol": 5 * TOLERANCE[dtype], "atol": 5 * TOLERANCE[dtype]}
    flat = old.astype(np.float64).reshape(maps, -1)
    np.testing.assert_allclose(denom.get().reshape(maps, -1), below, **tolerance)
    np.testing.assert_allclose(out.get().reshape(maps, -1), alpha * y + beta * flat, **tolerance)

    o = dev.array(y.reshape(shape), dtype=np.dtype(dtype))
    dev.bprop_lrn(layer, i, o, errors, delta, denom, *factors, ascale=0.3, bpower=0.75)
    g = e.astype(np.float64).reshape(maps, -1)
    want = g * below**-0.75 - 2 * 0.75 * 0.3 / width * wide * _window(y * g / below, width)
    np.testing.assert_allclose(
        delta.get().reshape(maps, -1), alpha * want + beta * flat, **tolerance
    )
    own = [name for name in launches if name.startswith("neo_lrn")]
    assert own == ["neo_lrn_denominator", "neo_lrn", "neo_lrn_shares", "neo_lrn_backward"]


def test_the_launch_is_bound_once_and_reads_new_values(dev):
    launches = _counted(dev)
    layer = dev.lrn_layer(np.dtype(np.float32), 4, 3, 1, 1, 1, 3)
    x, y, denom = dev.ones((3, 4)), dev.empty((3, 4)), dev.empty((3, 4))
    for value in (1.0, 2.0):
        x[:] = value
        launches.clear()
        dev.fprop_lrn(layer, x, y, denom, ascale=3, bpower=1)
    assert np.allclose(denom.get()[:, 0], [9, 13, 9])
    assert "neo_lrn" not in launches


def test_a_target_may_be_read(dev):
    layer = dev.lrn_layer(np.dtype(np.float32), 4, 3, 1, 1, 1, 3)
    x, denom = dev.ones((3, 4)), dev.empty((3, 4))
    dev.fprop_lrn(layer, x, x, denom, ascale=3, bpower=1)
    assert np.allclose(x.get()[:, 0], [1 / 3, 1 / 4, 1 / 3])


def test_a_recorded_step_replays_it(dev):
    layer, shape = dev.lrn_layer(np.float32, 4, 8, H=3, W=3, J=5), (8 * 9, 4)
    x = np.random.RandomState(0).normal(size=shape).astype("f")
    i, out, denom, error, delta = (dev.array(x) for _ in range(5))

    def step():
        dev.fprop_lrn(layer, i, out, denom, ascale=0.3, bpower=0.75)
        dev.bprop_lrn(layer, i, out, error, delta, denom, ascale=0.3, bpower=0.75)

    replay = dev.record(step)
    replay()
    i[:] = 2 * x
    step()
    want = out.get(), delta.get()
    out.fill(0)
    delta.fill(0)
    replay()
    assert replay.replays == 1
    np.testing.assert_array_equal(out.get(), want[0])
    np.testing.assert_array_equal(delta.get(), want[1])


def test_it_is_counted(dev):
    layer, shape = dev.lrn_layer(np.float32, 4, 8, H=3, W=3, J=5), (8 * 9, 4)
    i, out, denom = (dev.ones(shape) for _ in range(3))
    dev.tracer.on, dev.tracer.count = True, 0
    for _ in range(3):
        dev.fprop_lrn(layer, i, out, denom, ascale=0.3, bpower=0.75)
    assert dev.tracer.count == 6  # denominators and results
