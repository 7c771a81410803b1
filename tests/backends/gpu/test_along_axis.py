"""Running sums and products, and picking line by line, on the device."""

from __future__ import annotations

import numpy as np
import pytest


def random(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1.5, 1.5, shape).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("layout", ["plain", "offset", "turned"])
def test_running_values(check, axis, reverse, layout):
    x, a = random(3, 70, 5), random(3, 70, 5, seed=1)
    check("cumsum", x, axis=axis, reverse=reverse, layout=layout)
    for exclusive in (False, True):
        check("cumprod", x, axis=axis, reverse=reverse, exclusive=exclusive, layout=layout)
    check("linear_recurrence", a * 0.5, x, axis=axis, reverse=reverse, layout=layout)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("index", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("layout", ["plain", "turned"])
def test_picking_line_by_line(check, axis, index, layout):
    shape = [3, 4, 5]
    shape[axis] = 40
    low = 0 if index == "uint8" else -2
    indices = np.random.RandomState(2).randint(low, 7, shape).astype(index)
    check("take_along_axis", random(3, 4, 5), indices, axis=axis, layout=layout)
    g = random(*shape, seed=3)
    check("scatter_add_along_axis", g, indices, axis=axis, size=6, layout=layout)


def test_a_long_sum_keeps_its_digits(dev):
    x = dev.array(np.full((1, 100_000), 0.1, np.float32))
    total = dev.cumsum(x, axis=1).get()[0, -1]
    assert abs(total - 10_000) < 0.002


def test_infinities_stay(dev):
    inf, nan = np.inf, np.nan
    x = dev.array([[1.0, inf, 2.0, -inf, 1.0]])
    np.testing.assert_array_equal(dev.cumsum(x, axis=1).get(), [[1, inf, inf, nan, nan]])


def test_a_recorded_gradient_of_a_product(dev):
    from neonport import Autodiff

    x, slope = dev.array(random(4, 6)), dev.empty((4, 6))
    tree = Autodiff(dev.prod(x, axis=1), dev).get_grad_op_tree([x])[0]

    def step():
        slope[:] = tree

    replay = dev.record(step)
    replay()
    x[:] = 2.0
    replay()
    assert replay.replays == 1
    np.testing.assert_array_equal(slope.get(), np.full((4, 6), 32.0))
