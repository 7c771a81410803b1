"""Window ops among kernels: what runs, what it costs, which types the operands have."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from neonport.optree.node import apply
from tests.ops import loops

STEPS = {"padding": (0, 1, 1), "stride": (1, 2, 1), "dilation": (1, 1, 1)}
X, F = (3, 1, 6, 5, 4), (3, 1, 3, 2, 7)


def random(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape)


def operations(tree):
    (step,) = tree.schedule().calls
    return step.operations


def test_operations_of_convolutions(be):
    x, f = be.ones(X), be.ones(F)
    tree = apply("conv", x, f, **STEPS)
    k, m, p, q, n = tree.shape
    work = 2 * 3 * 1 * 3 * 2 * k * m * p * q * n
    e = be.ones(tree.shape)
    assert operations(tree) == work
    assert operations(apply("conv_backward_data", f, e, **STEPS, size=X[1:4])) == work
    assert operations(apply("conv_backward_filter", x, e, **STEPS, size=F[1:4])) == work


def test_operations_of_pooling(be):
    x = be.ones((2, 1, 4, 6, 3))
    windows = {"window": (1, 1, 2, 2), "padding": (0, 0, 0, 0), "stride": (1, 1, 2, 2)}
    size, count = (2, 1, 2, 3), 2 * 2 * 3 * 3 * 4
    e = be.ones((*size, 3))
    assert operations(apply("pool", x, how="max", **windows, size=size)) == count
    assert (
        operations(apply("avg_pool_backward", e, how="sum", **windows, size=x.shape[:4])) == count
    )


def test_a_result_goes_straight_to_its_target(be):
    x, f = be.ones(X), be.ones(F)
    tree = apply("conv", x, f, **STEPS)
    out = be.empty(tree.shape)
    steps = be.explain([(out, tree)])
    assert (len(steps.kernels), len(steps.calls), steps.temporaries) == (0, 1, {})


def test_a_target_that_is_also_read_is_written_last(be):
    values = random(2, 1, 4, 4, 3).astype("f")
    x, f = be.array(values), random(2, 1, 3, 3, 2, seed=1).astype("f")
    steps = {"padding": (0, 1, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    x[:] = apply("conv", x, be.array(f), **steps)
    np.testing.assert_allclose(x.get(), loops.conv(values, f, **steps), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("computed", [False, True])
def test_operands_of_other_types_are_converted_before_the_call(be, computed):
    x, f = random(*X), random(*F, seed=1).astype("f")
    images, filters = be.array(x, dtype=np.float64), be.array(f)
    factor = 2.0 if computed else 1.0
    tree = apply("conv", images, filters * factor if computed else filters, **STEPS)
    out = be.empty(tree.shape, dtype=np.float64)
    out[:] = tree
    want = loops.conv(x, f.astype("d") * factor, **STEPS)
    np.testing.assert_allclose(out.get(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "int32"])
def test_regions_are_read_as_float32(be, dtype):
    x, rois = random(2, 5, 5, 2).astype("f"), np.array([[1, 0, 1, 3, 3], [0, 2, 2, 4, 4]])
    regions = be.array(rois, dtype=dtype)
    for given in (regions, regions * 1.0):
        tree = apply("roi_pool", be.array(x), given, size=(2, 2), scale=1.0)
        np.testing.assert_array_equal(tree.get(), loops.roi_pool(x, rois, (2, 2), 1.0).astype("f"))


def test_an_outgrown_workspace_is_let_go(be):
    if not hasattr(be.device, "workspace"):
        pytest.skip(f"{be} has no workspace")
    steps = {"padding": (0, 1, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    tree = apply("conv", be.ones((2, 1, 4, 4, 2)), be.ones((2, 1, 3, 3, 3)), **steps)
    out = be.empty(tree.shape)
    out[:] = tree
    old = weakref.ref(be.device.workspace._block)
    large = be.ones((64, 3, 20, 20, 8)), be.ones((64, 1, 3, 3, 32))
    apply("conv", *large, **steps).get()
    out[:] = tree
    gc.collect()
    assert old() is None
