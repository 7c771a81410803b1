"""Convolution and its two adjoints: rows, shape rules and NumPy definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.errors import ShapeError
from neonport.ops.op import SUMS, Array, Ints, Op, require_same, wide
from neonport.ops.windows.geometry import (
    FILTER,
    IMAGE,
    LEAST,
    RESULT,
    cells,
    images,
    of_maps,
    require_ints,
    require_rank,
    window_count,
    window_row,
)
from neonport.shape import Shape

AXES = ("d", "h", "w")


def conv(x: Array, f: Array, padding: Ints, stride: Ints, dilation: Ints) -> Array:
    """Cross-correlation: y[k, m.., n] = sum of f[c, t.., k] * x[c, m * stride - padding + t.., n].

    Cells outside of x are zero. The filters are not flipped.
    """
    geometry = zip(images(x), images(f), padding, stride, dilation, strict=True)
    counts = tuple(window_count(*axis) for axis in geometry)
    out = np.zeros_like(x, wide(x), shape=(f.shape[-1], *counts, x.shape[-1]))
    for t, positions, places in cells(images(x), counts, images(f), padding, stride, dilation):
        weights = f[of_maps(t)].astype(out.dtype)
        region = x[of_maps(places)].astype(out.dtype)
        out[of_maps(positions)] += np.tensordot(weights, region, (0, 0))
    return out.astype(x.dtype)


def conv_backward_data(
    f: Array, e: Array, padding: Ints, stride: Ints, dilation: Ints, size: Ints
) -> Array:
    """The adjoint of `conv` for x: what of e each cell of x took part in, times the filters."""
    out = np.zeros_like(e, wide(e), shape=(f.shape[0], *size, e.shape[-1]))
    for t, positions, places in cells(size, images(e), images(f), padding, stride, dilation):
        weights = f[of_maps(t)].astype(out.dtype)
        region = e[of_maps(positions)].astype(out.dtype)
        out[of_maps(places)] += np.tensordot(weights, region, (1, 0))
    return out.astype(e.dtype)


def conv_backward_filter(
    x: Array, e: Array, padding: Ints, stride: Ints, dilation: Ints, size: Ints
) -> Array:
    """The adjoint of `conv` for f: the sum over positions and samples of x times e."""
    out = np.zeros_like(x, wide(x), shape=(x.shape[0], *size, e.shape[0]))
    for t, positions, places in cells(images(x), images(e), size, padding, stride, dilation):
        region = x[of_maps(places)].astype(out.dtype)
        errors = e[of_maps(positions)].astype(out.dtype)
        axes = (1, 2, 3, 4)
        out[of_maps(t)] = np.tensordot(region, errors, (axes, axes))
    return out.astype(x.dtype)


def _counts(
    op: Op, image: Shape, window: Shape, padding: Shape, stride: Shape, dilation: Shape
) -> Shape:
    """Positions of a filter in an image."""
    require_ints(op, 3, LEAST, filter=window, padding=padding, stride=stride, dilation=dilation)
    counts = []
    for axis, n, t, pad, step, dil in zip(
        AXES, image, window, padding, stride, dilation, strict=True
    ):
        count = window_count(n, t, pad, step, dil)
        if count < 1:
            raise ShapeError(
                f"{op.name}: a filter of {t} cells, dilation {dil}, does not fit into {n} cells "
                f"with padding {pad} along axis {axis}"
            )
        counts.append(count)
    return tuple(counts)


def _conv(op: Op, shapes: Sequence[Shape], **geometry: Shape) -> Shape:
    x, f = require_rank(op, shapes[0], IMAGE), require_rank(op, shapes[1], FILTER)
    require_same(op, f"the maps of x {x} and filters {f}", x[0], f[0])
    return (f[4], *_counts(op, x[1:4], f[1:4], **geometry), x[4])


def _conv_backward_data(op: Op, shapes: Sequence[Shape], size: Shape, **geometry: Shape) -> Shape:
    f, e = require_rank(op, shapes[0], FILTER), require_rank(op, shapes[1], RESULT)
    require_ints(op, 3, LEAST, size=size)
    require_same(op, f"the maps of filters {f} and e {e}", f[4], e[0])
    counts = _counts(op, size, f[1:4], **geometry)
    require_same(
        op, f"the sizes that images {size} and filters {f} give and those of e", counts, e[1:4]
    )
    return (f[0], *size, e[4])


def _conv_backward_filter(op: Op, shapes: Sequence[Shape], size: Shape, **geometry: Shape) -> Shape:
    x, e = require_rank(op, shapes[0], IMAGE), require_rank(op, shapes[1], RESULT)
    require_ints(op, 3, {"size": 1}, size=size)
    require_same(op, f"the samples of x {x} and e {e}", x[4], e[4])
    counts = _counts(op, x[1:4], size, **geometry)
    require_same(op, f"the sizes that x {x} and filters {size} give and those of e", counts, e[1:4])
    return (x[0], *size, e[0])


def _work(filters: int, result: int) -> Callable[[Sequence[Shape], dict[str, Any]], int]:
    """2 C T R S K M P Q N, of the shapes of the filters and of the result of `conv`."""
    return lambda shapes, params: 2 * prod(shapes[filters]) * prod(shapes[result][1:])


window_row(
    "conv",
    2,
    "padding stride dilation",
    conv,
    "cross-correlation of x (C, D, H, W, N) with filters (C, T, R, S, K), zeros outside",
    infer=_conv,
    accuracy=SUMS,
    terms=lambda shapes, params: prod(shapes[1][:4]),
    work=_work(1, 2),
)
window_row(
    "conv_backward_data",
    2,
    "padding stride dilation size",
    conv_backward_data,
    "adjoint of conv for x of a size: from filters and e (K, M, P, Q, N)",
    infer=_conv_backward_data,
    accuracy=SUMS,
    terms=lambda shapes, params: prod(shapes[0][1:]),
    work=_work(0, 1),
)
window_row(
    "conv_backward_filter",
    2,
    "padding stride dilation size",
    conv_backward_filter,
    "adjoint of conv for filters of a size: from x and e",
    infer=_conv_backward_filter,
    accuracy=SUMS,
    terms=lambda shapes, params: prod(shapes[1][1:]),
    work=_work(2, 1),
)
