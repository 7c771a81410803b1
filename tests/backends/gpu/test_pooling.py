"""Pooling and its adjoints as hand-written kernels against their NumPy definitions."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.ops.op import OPS

# x (C, D, H, W, N), window, padding, stride, size
GEOMETRIES = {
    "one": ((1, 1, 1, 1, 1), (1, 1, 1, 1), (0, 0, 0, 0), (1, 1, 1, 1), (1, 1, 1, 1)),
    "halves": ((3, 1, 8, 6, 16), (1, 1, 2, 2), (0, 0, 0, 0), (1, 1, 2, 2), (3, 1, 4, 3)),
    "overlap": ((2, 1, 7, 9, 5), (1, 1, 3, 3), (0, 0, 1, 1), (1, 1, 2, 1), (2, 1, 4, 9)),
    "maps": ((7, 1, 3, 2, 3), (3, 1, 1, 1), (1, 0, 0, 0), (2, 1, 1, 1), (4, 1, 3, 2)),
    "volume": ((3, 4, 9, 7, 2), (2, 3, 2, 3), (1, 1, 1, 0), (1, 2, 1, 3), (4, 2, 10, 3)),
    "gaps": ((1, 1, 9, 9, 4), (1, 1, 1, 2), (0, 0, 0, 0), (1, 1, 3, 4), (1, 1, 3, 2)),
    "empty windows": ((1, 1, 4, 4, 3), (1, 1, 2, 2), (0, 0, 3, 3), (1, 1, 2, 1), (1, 1, 5, 8)),
}
DTYPES = ["float16", "float32", "float64"]


def _values(name, dtype, whole=True):
    size, window, padding, stride, out = GEOMETRIES[name]
    x = np.random.RandomState(3).normal(size=size) * 3
    windows = {"window": window, "padding": padding, "stride": stride}
    return (np.round(x) if whole else x).astype(dtype), windows, out


@pytest.mark.parametrize("how", ["max", "avg", "sum"])
@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_pool(check, name, how, dtype):
    x, windows, out = _values(name, dtype, whole=False)
    check("pool", x, how=how, **windows, size=out, exact=how == "max")


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_maximum_and_back(check, name, dtype):
    x, windows, out = _values(name, dtype)
    index = check("pool_index", x, **windows, size=out, exact=True)
    e = np.random.RandomState(4).normal(size=index.shape).astype(dtype)
    check("max_pool_backward", e, index, **windows, size=x.shape[:4])
    check("max_pool_gather", x, index, **windows, exact=True)


@pytest.mark.parametrize("how", ["avg", "sum"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_avg_pool_backward(check, name, how):
    x, windows, out = _values(name, "float32")
    e = np.random.RandomState(5).normal(size=(*out, x.shape[4])).astype(np.float32)
    check("avg_pool_backward", e, how=how, **windows, size=x.shape[:4])


@pytest.mark.parametrize("layout", ["offset", "turned"])
def test_layouts(check, layout):
    x, windows, out = _values("volume", "float32")
    check("pool", x, how="avg", layout=layout, **windows, size=out)
    index = check("pool_index", x, layout=layout, **windows, size=out, exact=True)
    e = np.random.RandomState(4).normal(size=index.shape).astype(np.float32)
    check("max_pool_backward", e, index, layout=layout, **windows, size=x.shape[:4])
    check("max_pool_gather", x, index, layout=layout, **windows, exact=True)


def test_nan_wins(check):
    x, windows, out = _values("overlap", "float32")
    x[1, 0, 3, 4, :] = np.nan
    x[0, 0, 0, 0, :] = -np.inf
    check("pool", x, how="max", **windows, size=out, exact=True)
    check("pool_index", x, **windows, size=out, exact=True)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16"])
def test_indices_that_name_no_cell(check, dtype):
    x, windows, out = _values("overlap", "float32")
    index = np.random.RandomState(0).randint(0, 14, (*out, x.shape[4])).astype(dtype)
    index[..., 0] = -1 if dtype[0] == "i" else 60000
    check("max_pool_gather", x, index, **windows, exact=True)
    check("max_pool_backward", np.ones(index.shape, np.float32), index, **windows, size=x.shape[:4])


def test_a_pooling_layer_runs_as_one_launch(dev):
    x, windows, out = _values("halves", "float32")
    t, y = dev.array(x), dev.empty((*out, x.shape[4]))
    call = dev.device.library_call("pool", [t], y, {"how": "max", **windows, "size": out})
    t[:] = t + 1
    call()
    want = OPS["pool"].numpy(x + 1, how="max", **windows, size=out)
    np.testing.assert_array_equal(y.get(), want)
