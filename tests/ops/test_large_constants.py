"""Equal numbers have no variance, however large, and batch norm makes nothing of them."""

from __future__ import annotations

import numpy as np
import pytest

SHAPES = [(1, 7), (3, 1000), (1000, 3), (2, 100000), (64, 64), (3, 4097), (500, 33)]


@pytest.mark.parametrize("number", [0.1, 1e10, 1e30, 3e38])
@pytest.mark.parametrize("shape", SHAPES)
def test_variance(be, number, shape):
    x = be.empty(shape)
    x[:] = number
    for axis in (None, 0, 1):
        for tree in (be.var(x, axis=axis), be.var(x + 0.0, axis=axis), be.std(x, axis=axis)):
            out = be.empty(tree.shape)
            out[:] = tree
            assert (out.get() == 0).all(), (axis, out.get())


@pytest.mark.parametrize("shape", [(3, 4000), (4000, 3)])
def test_far_apart_numbers_have_an_infinite_variance(be, shape):
    values = np.full(shape, 1e30, np.float32)
    values[1::2, ::2] = -1e30
    values[::2, 1::2] = -1e30
    x = be.array(values)
    for axis in (0, 1):
        assert np.isposinf(be.var(x, axis=axis).get()).all()


@pytest.mark.parametrize("number", [0.1, 1e10, 1e30])
@pytest.mark.parametrize("shape", [(3, 64), (16, 1000), (5, 5)])
def test_batch_norm(be, number, shape):
    x, y = be.empty(shape), be.empty(shape)
    x[:] = number
    rows = (shape[0], 1)
    sums, var, mean, spread = (be.zeros(rows) for _ in range(4))
    be.compound_fprop_bn(
        x, sums, var, mean, spread, be.ones(rows), be.zeros(rows), y, 1e-3, 0.9, True
    )
    np.testing.assert_array_equal(y.get(), 0)
    np.testing.assert_array_equal(sums.get(), np.float32(number))
    np.testing.assert_array_equal(var.get(), 0)
