"""The window ops as plain Python loops over positions, cells, maps and samples.

Written from their formulas; nothing of the package is used.
"""

from __future__ import annotations

from itertools import product
from math import floor, isnan

import numpy as np


def sizes(n, f, padding, stride, dilation):
    return tuple(
        floor((a + 2 * p - (d * (b - 1) + 1)) / s) + 1
        for a, b, p, s, d in zip(n, f, padding, stride, dilation, strict=True)
    )


def _conv_terms(x_shape, f_shape, y_shape, padding, stride, dilation):
    """Every (c, t, r, s, k, m, p, q, n) with its place (d, h, w) in x, if that is inside."""
    (c_, d_, h_, w_, n_), (_, t_, r_, s_, k_), (_, m_, p_, q_, _) = x_shape, f_shape, y_shape
    for c, t, r, s, k, m, p, q, n in product(*map(range, (c_, t_, r_, s_, k_, m_, p_, q_, n_))):
        d = m * stride[0] - padding[0] + t * dilation[0]
        h = p * stride[1] - padding[1] + r * dilation[1]
        w = q * stride[2] - padding[2] + s * dilation[2]
        if 0 <= d < d_ and 0 <= h < h_ and 0 <= w < w_:
            yield (c, d, h, w, n), (c, t, r, s, k), (k, m, p, q, n)


def conv(x, f, padding, stride, dilation):
    y = np.zeros((f.shape[4], *sizes(x.shape[1:4], f.shape[1:4], padding, stride, dilation),
                  x.shape[4]))  # fmt: skip
    for at_x, at_f, at_y in _conv_terms(x.shape, f.shape, y.shape, padding, stride, dilation):
        y[at_y] += x[at_x] * f[at_f]
    return y


def conv_backward_data(f, e, padding, stride, dilation, size):
    x = np.zeros((f.shape[0], *size, e.shape[4]))
    for at_x, at_f, at_y in _conv_terms(x.shape, f.shape, e.shape, padding, stride, dilation):
        x[at_x] += f[at_f] * e[at_y]
    return x


def conv_backward_filter(x, e, padding, stride, dilation, size):
    f = np.zeros((x.shape[0], *size, e.shape[0]))
    for at_x, at_f, at_y in _conv_terms(x.shape, f.shape, e.shape, padding, stride, dilation):
        f[at_f] += x[at_x] * e[at_y]
    return f


def _windows(cells, size, window, padding, stride):
    """Each position with its inside cells as (number in the full window, place)."""
    for position in product(*map(range, size)):
        found = []
        for number, cell in enumerate(product(*map(range, window))):
            place = tuple(
                m * s - p + t for m, s, p, t in zip(position, stride, padding, cell, strict=True)
            )
            if all(0 <= a < n for a, n in zip(place, cells, strict=True)):
                found.append((number, place))
        yield position, found


def pool_index(x, window, padding, stride, size):
    out = np.full((*size, x.shape[4]), -1)
    for position, found in _windows(x.shape[:4], size, window, padding, stride):
        for n in range(x.shape[4]):
            best = None
            for number, place in found:
                value = x[(*place, n)]
                if best is None or value > best or (isnan(value) and not isnan(best)):
                    best, out[(*position, n)] = value, number
    return out


def pool(x, how, window, padding, stride, size):
    out = np.zeros((*size, x.shape[4]))
    for position, found in _windows(x.shape[:4], size, window, padding, stride):
        for n in range(x.shape[4]):
            values = [float(x[(*place, n)]) for _, place in found]
            if not values:
                continue
            if how == "max":
                result = float("nan") if any(map(isnan, values)) else max(values)
            else:
                result = sum(values) / (len(values) if how == "avg" else 1)
            out[(*position, n)] = result
    return out


def avg_pool_backward(e, how, window, padding, stride, size):
    out = np.zeros((*size, e.shape[4]))
    for position, found in _windows(size, e.shape[:4], window, padding, stride):
        for _, place in found:
            out[place] += e[position] / (len(found) if how == "avg" else 1)
    return out


def max_pool_backward(e, index, window, padding, stride, size):
    out = np.zeros((*size, e.shape[4]))
    for position, found in _windows(size, e.shape[:4], window, padding, stride):
        for n in range(e.shape[4]):
            for number, place in found:
                if int(index[(*position, n)]) == number:
                    out[(*place, n)] += e[(*position, n)]
    return out


def max_pool_gather(x, index, window, padding, stride):
    out = np.zeros(index.shape)
    for position, found in _windows(x.shape[:4], index.shape[:4], window, padding, stride):
        for n in range(x.shape[4]):
            for number, place in found:
                if int(index[(*position, n)]) == number:
                    out[(*position, n)] = x[(*place, n)]
    return out


def _half_even(v):
    low = floor(v)
    if v - low == 0.5:
        return low if low % 2 == 0 else low + 1
    return floor(v + 0.5)


def _bin(roi, i, j, size, scale, height, width):
    """Rows and columns of a bin, from fractions: floor(i * rh / ph), ceil((i + 1) * rh / ph)."""
    xmin, ymin, xmax, ymax = (_half_even(float(np.float32(v) * np.float32(scale))) for v in roi[1:])
    rows, columns = max(ymax - ymin + 1, 1), max(xmax - xmin + 1, 1)
    top, bottom = i * rows // size[0], ((i + 1) * rows + size[0] - 1) // size[0]
    left, right = j * columns // size[1], ((j + 1) * columns + size[1] - 1) // size[1]
    return (
        range(max(top + ymin, 0), min(bottom + ymin, height)),
        range(max(left + xmin, 0), min(right + xmin, width)),
    )


def _roi_cells(x_shape, rois, size, scale):
    maps, height, width, _ = x_shape
    for c, i, j, r in product(range(maps), range(size[0]), range(size[1]), range(len(rois))):
        rows, columns = _bin(rois[r], i, j, size, scale, height, width)
        yield (c, i, j, r), [(h, w) for h in rows for w in columns]


def roi_index(x, rois, size, scale):
    out = np.full((x.shape[0], *size, len(rois)), -1)
    for (c, i, j, r), found in _roi_cells(x.shape, rois, size, scale):
        best = None
        image = int(rois[r][0])
        if not 0 <= image < x.shape[3]:
            continue
        for h, w in found:
            value = x[c, h, w, image]
            if best is None or value > best or (isnan(value) and not isnan(best)):
                best, out[c, i, j, r] = value, h * x.shape[2] + w
    return out


def roi_pool(x, rois, size, scale):
    return roi_pool_gather(x, rois, roi_index(x, rois, size, scale))


def _roi_places(rois, index, extents):
    height, width, images = extents
    for at in np.ndindex(*index.shape):
        where, image = int(index[at]), int(rois[at[3]][0])
        if 0 <= where < height * width and 0 <= image < images:
            yield at, (at[0], where // width, where % width, image)


def roi_pool_backward(e, rois, index, size):
    out = np.zeros((e.shape[0], *size))
    for at, place in _roi_places(rois, index, size):
        out[place] += e[at]
    return out


def roi_pool_gather(x, rois, index):
    out = np.zeros(index.shape)
    for at, place in _roi_places(rois, index, x.shape[1:]):
        out[at] = x[place]
    return out


# ---- local response normalisation ----------------------------------------------------------------


def lrn_denominator(x, width, ascale):
    out = np.ones(x.shape)
    for c, near in product(range(len(x)), range(len(x))):
        if abs(c - near) <= width // 2:
            out[c] += ascale / width * x[near] ** 2
    return out


def lrn(x, width, ascale, bpower):
    return x / lrn_denominator(x, width, ascale) ** bpower


def lrn_backward(x, e, width, ascale, bpower):
    """Sums of e times the derivative of each result for each element."""
    below = lrn_denominator(x, width, ascale)
    out = np.zeros(x.shape)
    for c, near in product(range(len(x)), range(len(x))):
        if c == near:
            out[c] += e[c] / below[c] ** bpower
        if abs(c - near) <= width // 2:
            slope = x[near] * -bpower * below[near] ** (-bpower - 1)
            out[c] += e[near] * slope * 2 * ascale / width * x[c]
    return out
