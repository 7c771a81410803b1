"""The NumPy definitions against loops over positions and cells."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.ops.op import OPS, Kind
from tests.ops import loops

# images, filters, padding, stride, dilation
CONVS = {
    "3-D": ((3, 4, 5, 6, 2), (3, 2, 3, 2, 4), (0, 0, 0), (1, 1, 1), (1, 1, 1)),
    "unequal": ((2, 4, 5, 6, 3), (2, 2, 3, 4, 3), (1, 0, 2), (2, 1, 3), (1, 1, 1)),
    "dilated": ((2, 5, 6, 7, 2), (2, 2, 2, 3, 3), (2, 1, 0), (1, 2, 1), (3, 2, 2)),
    "1x1x1": ((3, 1, 4, 4, 2), (3, 1, 1, 1, 5), (0, 0, 0), (1, 1, 1), (1, 1, 1)),
    "1x1x1 strided": ((3, 2, 5, 4, 2), (3, 1, 1, 1, 5), (0, 1, 0), (1, 2, 3), (1, 1, 1)),
    "more padding than image": ((1, 1, 2, 2, 1), (1, 1, 2, 2, 2), (0, 3, 4), (1, 2, 1), (1, 1, 1)),
    "one position": ((2, 2, 3, 4, 2), (2, 2, 3, 4, 2), (0, 0, 0), (1, 1, 1), (1, 1, 1)),
    "rows left over": ((2, 1, 6, 7, 2), (2, 1, 2, 3, 2), (0, 0, 0), (1, 3, 5), (1, 1, 1)),
}
# images, window, padding, stride, size of the result
POOLS = {
    "2x2": ((2, 1, 4, 6), (1, 1, 2, 2), (0, 0, 0, 0), (1, 1, 2, 2), (2, 1, 2, 3)),
    "overlapping over maps": ((5, 2, 5, 5), (2, 2, 3, 3), (0, 1, 1, 0), (2, 2, 2, 1), (2, 2, 3, 3)),
    "one after the other in maps": ((6, 1, 2, 2), (3, 1, 1, 1), (1, 0, 0, 0), (1, 1, 1, 1),
                                    (6, 1, 2, 2)),
    "rounded up": ((2, 1, 5, 6), (1, 1, 2, 3), (0, 0, 0, 1), (1, 1, 2, 2), (2, 1, 3, 4)),
    "windows outside": ((2, 2, 3, 3), (1, 1, 2, 2), (0, 2, 3, 1), (1, 1, 3, 4), (2, 6, 4, 3)),
    "apart": ((2, 1, 9, 7), (1, 1, 2, 2), (0, 0, 1, 0), (1, 1, 4, 3), (2, 1, 3, 2)),
}  # fmt: skip
ROIS = np.array(
    [[0, 0, 0, 3, 3], [1, 2, 1, 6, 4], [2, 4, 4, 1, 1], [1, 5, 6, 20, 9], [0, -4, -3, 2, 1],
     [2, 1, 3, 1, 3], [0, 30, 30, 40, 40], [3, 0, 0, 2, 2], [1, 5, 7, 9, 11]],
    np.float32,
)  # fmt: skip
ROI_FORMS = {"1x1": ((1, 1), 1.0), "2x3": ((2, 3), 0.5), "3x3": ((3, 3), 0.75), "7x7": ((7, 7), 1)}


def random(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape)


def close(got, want):
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CONVS)
def test_convolution_and_its_adjoints(name):
    x_shape, f_shape, *geometry = CONVS[name]
    params = dict(zip(("padding", "stride", "dilation"), geometry, strict=True))
    x, f = random(*x_shape), random(*f_shape, seed=1)
    want = loops.conv(x, f, **params)
    close(OPS["conv"].numpy(x, f, **params), want)
    e = random(*want.shape, seed=2)
    data = {**params, "size": x_shape[1:4]}
    close(OPS["conv_backward_data"].numpy(f, e, **data), loops.conv_backward_data(f, e, **data))
    filters = {**params, "size": f_shape[1:4]}
    close(
        OPS["conv_backward_filter"].numpy(x, e, **filters),
        loops.conv_backward_filter(x, e, **filters),
    )


def windows(name):
    cells, window, padding, stride, size = POOLS[name]
    return cells, {"window": window, "padding": padding, "stride": stride}, size


@pytest.mark.parametrize("special", ["distinct", "ties", "nan and infinities"])
@pytest.mark.parametrize("name", POOLS)
def test_pooling(name, special):
    cells, params, size = windows(name)
    x = random(*cells, 3)
    if special == "ties":
        x = np.rint(x)
    if special == "nan and infinities":
        x.flat[::7], x.flat[::5], x.flat[3::4] = np.nan, -np.inf, np.inf
    for how in ("max", "avg", "sum"):
        with np.errstate(invalid="ignore"):
            got = OPS["pool"].numpy(x, how=how, **params, size=size)
        np.testing.assert_allclose(got, loops.pool(x, how, **params, size=size), atol=1e-12)
    index = OPS["pool_index"].numpy(x, **params, size=size)
    assert index.dtype == np.int32
    np.testing.assert_array_equal(index, loops.pool_index(x, **params, size=size))


@pytest.mark.parametrize("name", POOLS)
def test_what_puts_gradients_back(name):
    cells, params, size = windows(name)
    e, x = random(*size, 2), random(*cells, 2, seed=1)
    for how in ("avg", "sum"):
        got = OPS["avg_pool_backward"].numpy(e, how=how, **params, size=cells)
        close(got, loops.avg_pool_backward(e, how, **params, size=cells))
    count = int(np.prod(params["window"]))
    index = np.random.RandomState(2).randint(-1, count + 1, e.shape)
    close(
        OPS["max_pool_backward"].numpy(e, index, **params, size=cells),
        loops.max_pool_backward(e, index, **params, size=cells),
    )
    close(
        OPS["max_pool_gather"].numpy(x, index, **params), loops.max_pool_gather(x, index, **params)
    )


@pytest.mark.parametrize("name", ROI_FORMS)
def test_regions_of_interest(name):
    size, scale = ROI_FORMS[name]
    x = random(2, 8, 7, 3)
    got = OPS["roi_index"].numpy(x, ROIS, size=size, scale=scale)
    want = loops.roi_index(x, ROIS, size, scale)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, want)
    close(
        OPS["roi_pool"].numpy(x, ROIS, size=size, scale=scale), loops.roi_pool(x, ROIS, size, scale)
    )
    e = random(*want.shape, seed=1)
    index = np.random.RandomState(2).randint(-1, 60, want.shape)
    for where in (want, index):
        close(
            OPS["roi_pool_backward"].numpy(e, ROIS, where, size=x.shape[1:]),
            loops.roi_pool_backward(e, ROIS, where, x.shape[1:]),
        )
        close(OPS["roi_pool_gather"].numpy(x, ROIS, where), loops.roi_pool_gather(x, ROIS, where))


def test_half_a_cell_is_rounded_to_even():
    x = np.arange(36.0).reshape(1, 6, 6, 1)
    corners = [[0, 1, 3, 1, 3], [0, 5, 7, 5, 7]]  # halved: 0.5, 1.5 and 2.5, 3.5
    index = OPS["roi_index"].numpy(x, np.array(corners, np.float32), size=(1, 1), scale=0.5)
    assert index.ravel().tolist() == [2 * 6 + 0, 4 * 6 + 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e7, -3e7])
def test_a_region_that_is_no_region_is_empty(bad):
    x = np.ones((1, 4, 4, 1))
    for column in range(5):
        roi = np.array([[0, 0, 0, 2, 2]], np.float32)
        roi[0, column] = bad
        assert OPS["roi_index"].numpy(x, roi, size=(2, 2), scale=1.0).ravel().tolist() == [-1] * 4
        assert not OPS["roi_pool"].numpy(x, roi, size=(2, 2), scale=1.0).any()


@pytest.mark.parametrize("width", [1, 3, 5, 9])
def test_normalisation(width):
    x, e = random(5, 1, 2, 3, 2), random(5, 1, 2, 3, 2, seed=1)
    params = {"width": width, "ascale": 0.7, "bpower": 0.6}
    close(OPS["lrn"].numpy(x, **params), loops.lrn(x, **params))
    close(OPS["lrn_backward"].numpy(x, e, **params), loops.lrn_backward(x, e, **params))
    del params["bpower"]
    close(OPS["lrn_denominator"].numpy(x, **params), loops.lrn_denominator(x, **params))


def test_every_window_op_is_compared_with_loops():
    assert {n for n, op in OPS.items() if op.kind is Kind.WINDOW} <= set(vars(loops))
