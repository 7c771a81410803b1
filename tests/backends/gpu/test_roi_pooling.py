"""Pooling over regions of interest as hand-written kernels against its NumPy definition."""

from __future__ import annotations

import numpy as np
import pytest

ROIS = np.array(
    [
        [0, 2, 2, 8, 6], [1, 0, 0, 13, 17], [1, 5, 5, 5, 5], [2, 1, 1, 2, 2], [-1, 0, 0, 4, 4],
        [0, -5, -5, 40, 40], [0, 1, 1, np.nan, 3], [1, 1e9, 0, 2e9, 3], [0, 9, 9, 1, 1],
        [np.nan, 1, 1, 2, 2], [0, 1, 3, 5, 7], [0, 100, 100, 120, 120],
    ],
    np.float32,
)  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [(2, 3), (1, 1), (7, 7)])
@pytest.mark.parametrize("layout", ["plain", "offset", "turned"])
def test_regions(check, dtype, size, layout):
    rng = np.random.RandomState(1)
    x = np.round(rng.normal(size=(3, 9, 7, 2)) * 3).astype(dtype)
    bins = {"size": size, "scale": 0.5, "layout": layout}
    check("roi_pool", x, ROIS, exact=True, **bins)
    index = check("roi_index", x, ROIS, exact=True, **bins)
    e = rng.normal(size=index.shape).astype(dtype)
    check("roi_pool_backward", e, ROIS, index, size=x.shape[1:], layout=layout)
    check("roi_pool_gather", x, ROIS, index, exact=True, layout=layout)


def test_nan_wins(check):
    x = np.zeros((2, 6, 6, 1), np.float32)
    x[0, 3, 4, 0], x[1, 1, 1, 0] = np.nan, 5
    rois = np.array([[0, 0, 0, 5, 5], [0, 4, 3, 4, 3]], np.float32)
    check("roi_pool", x, rois, size=(2, 2), scale=1.0, exact=True)
    check("roi_index", x, rois, size=(2, 2), scale=1.0, exact=True)


def test_entries_may_name_any_cell(check):
    rng = np.random.RandomState(2)
    rois = np.zeros((40, 5), np.float32)
    rois[:, 0] = rng.randint(-1, 4, 40)
    index = rng.randint(-3, 30 * 20 + 5, (2, 3, 3, 40)).astype(np.int32)
    e = rng.normal(size=index.shape).astype(np.float32)
    check("roi_pool_backward", e, rois, index, size=(30, 20, 3))
    x = rng.normal(size=(2, 30, 20, 3)).astype(np.float32)
    check("roi_pool_gather", x, rois, index, exact=True)
