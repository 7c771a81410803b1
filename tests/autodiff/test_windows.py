"""Convolution, pooling and regions of interest, against finite differences, twice."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.optree.node import apply
from neonport.testing import check_grads

GEOMETRIES = [
    {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1)},
    {"padding": (1, 0, 2), "stride": (1, 2, 3), "dilation": (2, 1, 1)},
]
POOLS = [
    {"window": (1, 1, 2, 2), "padding": (0, 0, 0, 0), "stride": (1, 1, 2, 2)},
    {"window": (2, 1, 3, 2), "padding": (1, 0, 2, 0), "stride": (2, 1, 2, 1)},
]
CELLS, SIZES = (2, 1, 4, 5), [(2, 1, 2, 2), (2, 1, 4, 4)]
WINDOWS = list(zip(POOLS, SIZES, strict=True))
ROIS = [[0, 0, 0, 5, 5], [1, 2, 1, 6, 4], [1, -3, 4, 1, 1], [7, 0, 0, 2, 2]]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["plain", "unequal"])
def test_convolution(be64, values, geometry):
    x, f = values(2, 3, 4, 5, 2), values(2, 2, 2, 3, 2, low=0.23)
    check_grads(apply("conv", x, f, **geometry), [x, f], be64)
    check_grads(be64.sqrt(apply("conv", x * x, f, **geometry)), [x, f], be64)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["plain", "unequal"])
def test_adjoints_of_convolution(be64, values, geometry):
    x, f = values(2, 3, 4, 5, 2), values(2, 2, 2, 3, 2, low=0.23)
    e = values(*apply("conv", x, f, **geometry).shape, low=0.26)
    data = apply("conv_backward_data", f, e, **geometry, size=x.shape[1:4])
    check_grads(data * data, [f, e], be64)
    filters = apply("conv_backward_filter", x, e, **geometry, size=f.shape[1:4])
    check_grads(filters * filters, [x, e], be64)


@pytest.mark.parametrize("how", ["max", "avg", "sum"])
@pytest.mark.parametrize(("params", "size"), WINDOWS, ids=["2x2", "maps"])
def test_pooling(be64, values, how, params, size):
    x = values(*CELLS, 2)
    check_grads(apply("pool", x, how=how, **params, size=size), [x], be64)
    check_grads(be64.exp(apply("pool", x * x, how=how, **params, size=size)), [x], be64)


@pytest.mark.parametrize(("params", "size"), WINDOWS, ids=["2x2", "maps"])
def test_what_puts_gradients_back(be64, values, params, size):
    e, x = values(*size, 2), values(*CELLS, 2, low=0.23)
    for how in ("avg", "sum"):
        back = apply("avg_pool_backward", e, how=how, **params, size=CELLS)
        check_grads(back * back, [e], be64)
    index = apply("pool_index", x, **params, size=size)
    back = apply("max_pool_backward", e, index, **params, size=CELLS)
    check_grads(back * back, [e], be64)
    picked = apply("max_pool_gather", x, index, **params)
    check_grads(picked * picked, [x], be64)


def test_regions_of_interest(be64, values):
    x, rois = values(2, 5, 4, 2), be64.array(np.array(ROIS), dtype=np.float32)
    pooled = apply("roi_pool", x, rois, size=(2, 3), scale=0.5)
    check_grads(pooled * pooled, [x], be64)
    index = apply("roi_index", x, rois, size=(2, 3), scale=0.5)
    e = values(*pooled.shape, low=0.23)
    back = apply("roi_pool_backward", e, rois, index, size=x.shape[1:])
    check_grads(back * back, [e], be64)
    picked = apply("roi_pool_gather", x, rois, index)
    check_grads(picked * picked, [x], be64)


@pytest.mark.parametrize("width", [1, 3, 7])
def test_local_response_normalisation(be64, values, width):
    x, e = values(4, 1, 2, 1, 2), values(4, 1, 2, 1, 2)
    check_grads(be64.lrn(x * x, width, ascale=0.6, bpower=0.75) * e, [x, e], be64)
    params = {"width": width, "ascale": 0.6, "bpower": 0.75}
    check_grads(apply("lrn_backward", x, e, **params), [x, e], be64)
    check_grads(apply("lrn_denominator", x, width=width, ascale=0.6), [x], be64)
