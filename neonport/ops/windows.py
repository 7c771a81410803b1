"""NumPy meanings of the ops whose results are made from windows of cells; the table is in `ops.py`.

Images lie as in neon, the batch last: x (C, D, H, W, N), filters (C, T, R, S, K), results
(K, M, P, Q, N). The meanings loop over the cells of a window and treat all positions at once; sums
are made in float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Ints = tuple[int, ...]
Cell = tuple[Ints, tuple[slice, ...], tuple[slice, ...]]

ROI_LIMIT = 2.0**24  # corners beyond are no exact float32 integers


# ---- where windows lie ---------------------------------------------------------------------------


def window_count(n: int, window: int, padding: int, stride: int, dilation: int = 1) -> int:
    """Positions of a window that lies in n cells and their padding; below 1 it does not fit."""
    return (n + 2 * padding - dilation * (window - 1) - 1) // stride + 1


def span_of_cell(n: int, count: int, start: int, stride: int) -> tuple[slice, slice]:
    """The positions at which one cell of a window is inside, and where it is then.

    Args:
        n: cells along the axis.
        count: positions of the window.
        start: where the cell is at position 0, negative in the padding.
        stride: cells from one position to the next.

    Returns:
        A slice of the positions and one of the cells, of equal length.
    """
    first = max(0, -(start // stride))  # ceil(-start / stride)
    last = min(count, -((start - n) // stride))
    if last <= first:
        return slice(0, 0), slice(0, 0)
    begin = start + first * stride
    return slice(first, last), slice(begin, begin + (last - first - 1) * stride + 1, stride)


def cells(
    sizes: Ints, counts: Ints, window: Ints, padding: Ints, stride: Ints, dilation: Ints
) -> Iterator[Cell]:
    """Each cell of a window in row-major order.

    Yields:
        Its indices in the window, the positions where it is inside, the cells it is at there.
    """
    axes = [
        [
            (t, *span_of_cell(n, m, t * dil - pad, step))
            for t in range(w)
        ]
        for n, m, w, pad, step, dil in zip(
            sizes, counts, window, padding, stride, dilation, strict=True
        )
    ]  # fmt: skip
    for choice in product(*axes):
        index, positions, places = zip(*choice, strict=True)
        yield index, positions, places


def _wide(x: Array) -> np.dtype:
    return np.promote_types(x.dtype, np.float64)


def _images(x: Array) -> Ints:
    return x.shape[1:4]


def of_maps(at: tuple[Any, ...]) -> Any:
    """An index of all maps at a place."""
    return (slice(None), *at)


# ---- convolution ---------------------------------------------------------------------------------


def conv(x: Array, f: Array, padding: Ints, stride: Ints, dilation: Ints) -> Array:
    """Cross-correlation: y[k, m.., n] = sum of f[c, t.., k] * x[c, m * stride - padding + t.., n].

    Cells outside of x are zero. The filters are not flipped.
    """
    geometry = zip(_images(x), _images(f), padding, stride, dilation, strict=True)
    counts = tuple(window_count(*axis) for axis in geometry)
    out = np.zeros((f.shape[-1], *counts, x.shape[-1]), _wide(x))
    for t, positions, places in cells(_images(x), counts, _images(f), padding, stride, dilation):
        weights = f[of_maps(t)].astype(out.dtype)
        region = x[of_maps(places)].astype(out.dtype)
        out[of_maps(positions)] += np.tensordot(weights, region, (0, 0))
    return out.astype(x.dtype)


def conv_data(f: Array, e: Array, padding: Ints, stride: Ints, dilation: Ints, size: Ints) -> Array:
    """The adjoint of `conv` for x: what of e each cell of x took part in, times the filters."""
    out = np.zeros((f.shape[0], *size, e.shape[-1]), _wide(e))
    for t, positions, places in cells(size, _images(e), _images(f), padding, stride, dilation):
        weights = f[of_maps(t)].astype(out.dtype)
        region = e[of_maps(positions)].astype(out.dtype)
        out[of_maps(places)] += np.tensordot(weights, region, (1, 0))
    return out.astype(e.dtype)


def conv_filter(
    x: Array, e: Array, padding: Ints, stride: Ints, dilation: Ints, size: Ints
) -> Array:
    """The adjoint of `conv` for f: the sum over positions and samples of x times e."""
    out = np.zeros((x.shape[0], *size, e.shape[0]), _wide(x))
    for t, positions, places in cells(_images(x), _images(e), size, padding, stride, dilation):
        region = x[of_maps(places)].astype(out.dtype)
        errors = e[of_maps(positions)].astype(out.dtype)
        axes = (1, 2, 3, 4)
        out[of_maps(t)] = np.tensordot(region, errors, (axes, axes))
    return out.astype(x.dtype)


# ---- pooling -------------------------------------------------------------------------------------


def pool_cells(
    sizes: Ints, counts: Ints, window: Ints, padding: Ints, stride: Ints
) -> Iterator[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
    """Each cell of a pooling window that is inside somewhere.

    Yields:
        Its number in the full window, ((j * T + t) * R + r) * S + s, the positions where it is
        inside, the cells it is at there.
    """
    found = cells(sizes, counts, window, padding, stride, (1,) * len(window))
    for number, (_, positions, places) in enumerate(found):
        if all(p.stop > p.start for p in positions):
            yield number, positions, places


def inside_count(sizes: Ints, counts: Ints, window: Ints, padding: Ints, stride: Ints) -> Array:
    """Cells inside of each window, shape (K, M, P, Q, 1)."""
    axes = [
        [min(n, m * step - pad + w) - max(0, m * step - pad) for m in range(count)]
        for n, count, w, pad, step in zip(sizes, counts, window, padding, stride, strict=True)
    ]
    total = np.ones((1,) * len(axes), np.int64)
    for axis, inside in enumerate(axes):
        shape = [1] * len(axes)
        shape[axis] = -1
        total = total * np.maximum(inside, 0).reshape(shape)
    return total[..., None]


def _first_maximum(
    x: Array, window: Ints, padding: Ints, stride: Ints, size: Ints
) -> tuple[Array, Array]:
    """The maximum of each window and the number of the first cell that has it; nan wins."""
    best = np.zeros((*size, x.shape[-1]), x.dtype)
    index = np.full(best.shape, -1, np.int32)
    for number, positions, places in pool_cells(x.shape[:4], size, window, padding, stride):
        value, old = x[places], best[positions]
        better = (index[positions] < 0) | (value > old) | (np.isnan(value) & ~np.isnan(old))
        best[positions] = np.where(better, value, old)
        index[positions] = np.where(better, number, index[positions])
    return best, index


def pool(x: Array, how: str, window: Ints, padding: Ints, stride: Ints, size: Ints) -> Array:
    """Maximum, mean or sum of the cells of each window that are inside; 0 where there are none."""
    if how == "max":
        return _first_maximum(x, window, padding, stride, size)[0]
    out = np.zeros((*size, x.shape[-1]), _wide(x))
    for _, positions, places in pool_cells(x.shape[:4], size, window, padding, stride):
        out[positions] += x[places]
    if how == "avg":
        out /= np.maximum(inside_count(x.shape[:4], size, window, padding, stride), 1)
    return out.astype(x.dtype)


def pool_index(x: Array, window: Ints, padding: Ints, stride: Ints, size: Ints) -> Array:
    """Number in the full window of the first maximum (of the first nan); -1 of an empty window."""
    return _first_maximum(x, window, padding, stride, size)[1]


def unpool(e: Array, index: Array, window: Ints, padding: Ints, stride: Ints, size: Ints) -> Array:
    """Each e added at the cell of its window that index numbers; left out if that is outside."""
    out = np.zeros((*size, e.shape[-1]), _wide(e))
    for number, positions, places in pool_cells(size, e.shape[:4], window, padding, stride):
        out[places] += np.where(index[positions] == number, e[positions], 0)
    return out.astype(e.dtype)


def pool_pick(x: Array, index: Array, window: Ints, padding: Ints, stride: Ints) -> Array:
    """The x at the cell of each window that index numbers; 0 if that is outside."""
    out = np.zeros(index.shape, x.dtype)
    for number, positions, places in pool_cells(
        x.shape[:4], index.shape[:4], window, padding, stride
    ):
        out[positions] = np.where(index[positions] == number, x[places], out[positions])
    return out


def spread(e: Array, how: str, window: Ints, padding: Ints, stride: Ints, size: Ints) -> Array:
    """Each e (for avg: divided by the cells inside) added to every cell of its window."""
    out = np.zeros((*size, e.shape[-1]), _wide(e))
    share: Array = e.astype(out.dtype)
    if how == "avg":
        share = share / np.maximum(inside_count(size, e.shape[:4], window, padding, stride), 1)
    for _, positions, places in pool_cells(size, e.shape[:4], window, padding, stride):
        out[places] += share[positions]
    return out.astype(e.dtype)


# ---- regions of interest -------------------------------------------------------------------------


def roi_images(rois: Array, n: int) -> Array:
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
    image = roi_images(rois, n)
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
    image = np.broadcast_to(roi_images(rois, n), index.shape)
    inside = (index >= 0) & (index < height * width) & (image >= 0)
    flat = index[inside].astype(np.int64)
    width = max(width, 1)
    return inside, (np.nonzero(inside)[0], flat // width, flat % width, image[inside])


def roi_spread(e: Array, rois: Array, index: Array, size: Ints) -> Array:
    """Each e added at h * W + w = index of its region's image; left out if that is outside."""
    out = np.zeros((e.shape[0], *size), _wide(e))
    inside, places = _roi_places(rois, index, size)
    np.add.at(out, places, e[inside])
    return out.astype(e.dtype)


def roi_pick(x: Array, rois: Array, index: Array) -> Array:
    """The x at h * W + w = index of each region's image; 0 if that is outside."""
    out = np.zeros(index.shape, x.dtype)
    inside, places = _roi_places(rois, index, x.shape[1:])
    out[inside] = x[places]
    return out
