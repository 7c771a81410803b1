"""Pooling over regions of interest and its adjoints: rows, shape rules, NumPy definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np

from neonport.dtypes import INT32
from neonport.errors import ShapeError
from neonport.ops.op import SUMS, Array, Ints, Op, require_same, wide
from neonport.ops.windows.geometry import LEAST, require_ints, require_rank, window_row
from neonport.shape import Shape

ROI_LIMIT = 2.0**24  # corners beyond are no exact float32 integers


def roiimages(rois: Array, n: int) -> Array:
    """The image of each region, -1 if there is none of that number among n."""
    image = np.rint(rois[:, 0])
    return np.where((image >= 0) & (image < n), image, -1).astype(np.int64)


def roi_bounds(rois: Array, extents: Ints, size: Ints, scale: float) -> tuple[Array, Array]:
    """First and last rows and columns of the bins of each region.

    Args:
        rois: (R, 5) float32 rows image, xmin, ymin, xmax, ymax.
        extents: H, W of the image.
        size: bins along both.
        scale: factor of the corners, which are then rounded, half to even, in float32.

    Returns:
        (R, ph, 2) and (R, pw, 2) integers: first row (column) of a bin and the one after its last.
        A region with a corner that is nan or beyond 2^24 has empty bins.
    """
    corners = np.rint(rois[:, 1:].astype(np.float32) * np.float32(scale))
    valid = np.all(np.abs(corners) <= ROI_LIMIT, axis=1)
    xmin, ymin, xmax, ymax = np.where(valid[:, None], corners, 0).astype(np.int64).T
    found = []
    for low, high, n, bins in (
        (ymin, ymax, extents[0], size[0]),
        (xmin, xmax, extents[1], size[1]),
    ):
        length = np.maximum(high - low + 1, 1)[:, None]
        i = np.arange(bins)
        first = i * length // bins + low[:, None]
        last = -(-(i + 1) * length // bins) + low[:, None]
        bounds = np.clip(np.stack([first, last], axis=2), 0, n)
        found.append(np.where(valid[:, None, None], bounds, 0))
    return found[0], found[1]


def _roi_maximum(x: Array, rois: Array, size: Ints, scale: float) -> tuple[Array, Array]:
    channels, height, width, n = x.shape
    best = np.zeros((channels, *size, len(rois)), x.dtype)
    index = np.full(best.shape, -1, np.int32)
    rows, columns = roi_bounds(rois, (height, width), size, scale)
    image = roiimages(rois, n)
    for r, i, j in product(range(len(rois)), range(size[0]), range(size[1])):
        (top, bottom), (left, right) = rows[r, i], columns[r, j]
        if image[r] < 0 or bottom <= top or right <= left:
            continue
        cut = x[:, top:bottom, left:right, image[r]].reshape(channels, -1)
        at = np.argmax(cut, axis=1)  # the first nan, if there is one
        best[:, i, j, r] = cut[np.arange(channels), at]
        index[:, i, j, r] = (top + at // (right - left)) * width + left + at % (right - left)
    return best, index


def roi_pool(x: Array, rois: Array, size: Ints, scale: float) -> Array:
    """Maximum of each bin of each region of interest; 0 of an empty bin; nan wins."""
    return _roi_maximum(x, rois, size, scale)[0]


def roi_index(x: Array, rois: Array, size: Ints, scale: float) -> Array:
    """Where the first maximum (the first nan) of each bin is, h * W + w; -1 of an empty bin."""
    return _roi_maximum(x, rois, size, scale)[1]


def _roi_places(rois: Array, index: Array, extents: Ints) -> tuple[Array, tuple[Array, ...]]:
    """Which entries of index are inside, and where those are: maps, h, w and image."""
    height, width, n = extents
    image = np.broadcast_to(roiimages(rois, n), index.shape)
    inside = (index >= 0) & (index < height * width) & (image >= 0)
    flat = index[inside].astype(np.int64)
    width = max(width, 1)
    return inside, (np.nonzero(inside)[0], flat // width, flat % width, image[inside])


def roi_pool_backward(e: Array, rois: Array, index: Array, size: Ints) -> Array:
    """Each e added at h * W + w = index of its region's image; left out if that is outside."""
    out = np.zeros((e.shape[0], *size), wide(e))
    inside, places = _roi_places(rois, index, size)
    np.add.at(out, places, e[inside])
    return out.astype(e.dtype)


def roi_pool_gather(x: Array, rois: Array, index: Array) -> Array:
    """The x at h * W + w = index of each region's image; 0 if that is outside."""
    out = np.zeros(index.shape, x.dtype)
    inside, places = _roi_places(rois, index, x.shape[1:])
    out[inside] = x[places]
    return out


def _rois(op: Op, shape: Shape) -> int:
    if len(shape) != 2 or shape[1] != 5:
        raise ShapeError(
            f"{op.name}: regions of shape {shape} must be (R, 5), rows of image, xmin, ymin, xmax, "
            "ymax"
        )
    return shape[0]


def _roi_pool(op: Op, shapes: Sequence[Shape], size: Shape, scale: float) -> Shape:
    x, count = require_rank(op, shapes[0], "(C, H, W, N)"), _rois(op, shapes[1])
    require_ints(op, 2, {"size": 1}, size=size)
    if not (math.isfinite(scale) and scale > 0):
        raise ShapeError(f"{op.name}: scale {scale} must be a positive number")
    return (x[0], *size, count)


def _roi_entries(op: Op, rois: Shape, index: Shape) -> Shape:
    require_rank(op, index, "(C, ph, pw, R)")
    require_same(op, f"the regions {rois} and those of index {index}", _rois(op, rois), index[3])
    return index


def _roi_pool_backward(op: Op, shapes: Sequence[Shape], size: Shape) -> Shape:
    e, rois, index = shapes
    _roi_entries(op, rois, index)
    require_same(op, "the shapes of e and index", e, index)
    require_ints(op, 3, LEAST, size=size)
    return (e[0], *size)


def _roi_pool_gather(op: Op, shapes: Sequence[Shape]) -> Shape:
    x, rois, index = shapes
    require_rank(op, x, "(C, H, W, N)")
    _roi_entries(op, rois, index)
    require_same(op, f"the maps of x {x} and index {index}", x[0], index[0])
    return index


window_row(
    "roi_pool",
    2,
    "size scale",
    roi_pool,
    "max of each bin of each region of x (C, H, W, N); 0 of an empty bin; nan wins",
    infer=_roi_pool,
    reads="vf",
)
window_row(
    "roi_index",
    2,
    "size scale",
    roi_index,
    "h * W + w of the first maximum of each bin (int32); -1 of an empty bin",
    infer=_roi_pool,
    reads="vf",
    result=INT32,
)
window_row(
    "roi_pool_backward",
    3,
    "size",
    roi_pool_backward,
    "adjoint of roi_pool: e added where an index says in its region's image",
    infer=_roi_pool_backward,
    reads="vfi",
    accuracy=SUMS,
    terms=lambda shapes, params: prod(shapes[2][1:]),
)
window_row(
    "roi_pool_gather",
    3,
    "",
    roi_pool_gather,
    "the cell of its region's image that an index names; 0 if it is outside",
    infer=_roi_pool_gather,
    reads="vfi",
)
