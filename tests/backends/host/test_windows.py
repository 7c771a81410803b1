"""The cpu backend's own convolutions and poolings against loops, on bound memory of any layout."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from neonport.backends.host.kernels import convolution as conv
from neonport.optree.node import apply
from neonport.testing.layouts import Target, place
from tests.ops import loops
from tests.ops.test_windows import CONVS, POOLS, ROI_FORMS, ROIS, windows

LAYOUTS = ("plain", "transposed", "offset", "permuted", "reversed", "strided")


def random(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape)


def check(be, op, operands, layout, want, **params):
    """Run an op on tensors of a layout, twice with other contents, and compare."""
    tensors = [place(be, v, v.dtype, layout) for v in operands]
    tree = apply(op, *tensors, **params)
    out = Target(be, tree.shape, want.dtype, layout)
    out.tensor[:] = tree
    np.testing.assert_allclose(out.tensor.get(), want, rtol=1e-5, atol=1e-5)
    assert not out.spoiled()
    if want.dtype.kind == "f":
        tensors[0].set(operands[0] * 2)
        out.tensor[:] = tree  # bound by now
        np.testing.assert_allclose(out.tensor.get(), want * 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CONVS)
def test_convolution(be, name, layout, dtype):
    x_shape, f_shape, *geometry = CONVS[name]
    params = dict(zip(("padding", "stride", "dilation"), geometry, strict=True))
    x, f = random(*x_shape).astype(dtype), random(*f_shape, seed=1).astype(dtype)
    want = loops.conv(x, f, **params).astype(dtype)
    check(be, "conv", [x, f], layout, want, **params)
    e = random(*want.shape, seed=2).astype(dtype)
    data = {**params, "size": x_shape[1:4]}
    check(
        be,
        "conv_backward_data",
        [f, e],
        layout,
        loops.conv_backward_data(f, e, **data).astype(dtype),
        **data,
    )
    filters = {**params, "size": f_shape[1:4]}
    want = loops.conv_backward_filter(x, e, **filters).astype(dtype)
    check(be, "conv_backward_filter", [x, e], layout, want, **filters)


@pytest.mark.parametrize("columns", [1, 5, 40])
def test_convolution_in_many_blocks(be, monkeypatch, columns):
    monkeypatch.setattr(conv, "BLOCK_BYTES", 0)
    monkeypatch.setattr(conv, "MIN_COLUMNS", columns)
    for name in CONVS:
        test_convolution(be, name, "plain", "float64")


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7, 12, 15, 24, 60, 100])
def test_boxes_cover_all_positions_in_order(most):
    grid = np.arange(60).reshape(3, 4, 5)
    seen = []
    for m, p, q in conv.boxes((3, 4, 5), most):
        part = grid[slice(*m), slice(*p), slice(*q)].ravel().tolist()
        assert 1 <= len(part) <= most
        assert part == list(range(part[0], part[0] + len(part)))
        seen += part
    assert seen == list(range(60))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", POOLS)
def test_pooling(be, name, layout):
    cells, params, size = windows(name)
    x, e = random(*cells, 3).astype("f"), random(*size, 3, seed=1).astype("f")
    for how in ("max", "avg", "sum"):
        want = loops.pool(x, how, **params, size=size).astype("f")
        check(be, "pool", [x], layout, want, how=how, **params, size=size)
    index = loops.pool_index(x, **params, size=size).astype(np.int32)
    check(be, "pool_index", [x], layout, index, **params, size=size)
    for how in ("avg", "sum"):
        want = loops.avg_pool_backward(e, how, **params, size=cells).astype("f")
        check(be, "avg_pool_backward", [e], layout, want, how=how, **params, size=cells)
    want = loops.max_pool_backward(e, index, **params, size=cells).astype("f")
    check(be, "max_pool_backward", [e, index], layout, want, **params, size=cells)
    want = loops.max_pool_gather(x, index, **params).astype("f")
    check(be, "max_pool_gather", [x, index], layout, want, **params)


def test_pooling_of_nan_and_infinities(be):
    cells, params, size = windows("overlapping over maps")
    x = random(*cells, 3).astype("f")
    x.flat[::7], x.flat[::5], x.flat[3::4] = np.nan, -np.inf, np.inf
    t = be.array(x)
    index = be.empty((*size, 3), dtype=np.int32)
    index[:] = apply("pool_index", t, **params, size=size)
    np.testing.assert_array_equal(index.get(), loops.pool_index(x, **params, size=size))
    e = np.resize(x, (*size, 3))
    got = apply("max_pool_backward", be.array(e), index, **params, size=cells).get()
    with np.errstate(invalid="ignore"):
        want = loops.max_pool_backward(e, index.get(), **params, size=cells)
    np.testing.assert_allclose(got, want, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("name", ROI_FORMS)
def test_regions_of_interest(be, name):
    size, scale = ROI_FORMS[name]
    x = random(2, 8, 7, 3).astype("f")
    want = loops.roi_pool(x, ROIS, size, scale).astype("f")
    t, rois = be.array(x), be.array(ROIS)
    tree = apply("roi_pool", t, rois, size=size, scale=scale)
    np.testing.assert_array_equal(tree.get(), want)


def test_a_bound_convolution_lets_its_memory_go(be):
    x, f = be.array(random(2, 1, 4, 4, 2)), be.array(random(2, 1, 3, 3, 3))
    out = be.empty((3, 1, 2, 2, 2))
    plain = {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    out[:] = apply("conv", x, f, **plain)
    kept = len(be.bound)
    gone = weakref.ref(x.storage)
    del x
    gc.collect()
    assert gone() is None
    assert len(be.bound) == kept - 1


def test_the_workspace_grows_under_what_is_bound(be):
    plain = {"padding": (1, 1, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    small = be.array(random(2, 1, 4, 4, 2)), be.array(random(2, 3, 3, 3, 3, seed=1))
    out = be.empty((3, 1, 4, 4, 2))
    tree = apply("conv", *small, **plain)
    out[:] = tree
    first = out.get()
    large = be.array(random(8, 3, 20, 20, 8)), be.array(random(8, 3, 3, 3, 3, seed=1))
    apply("conv", *large, **plain).get()
    out.fill(0)
    out[:] = tree
    np.testing.assert_array_equal(out.get(), first)
