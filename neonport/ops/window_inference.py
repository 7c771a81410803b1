"""Shape rules of the window ops: what fits what, and how large the result is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from neonport.errors import ShapeError
from neonport.ops.table import Op
from neonport.ops.windows import window_count
from neonport.shape import Shape

IMAGE = "(C, D, H, W, N)"
FILTER = "(C, T, R, S, K)"
RESULT = "(K, M, P, Q, N)"
AXES = ("d", "h", "w")


def _rank(op: Op, shape: Shape, form: str) -> Shape:
    if len(shape) != form.count(",") + 1:
        raise ShapeError(f"{op.name}: an operand of shape {shape} must be {form}; reshape it")
    return shape


def _same(op: Op, what: str, left: Any, right: Any) -> None:
    if left != right:
        raise ShapeError(f"{op.name}: {what} differ: {left} and {right}")


def _ints(op: Op, count: int, least: dict[str, int], **params: Any) -> None:
    for name, value in params.items():
        low = least[name]
        if len(value) != count or any(n < low for n in value):
            raise ShapeError(
                f"{op.name}: {name} {value} must be {count} integers, each at least {low}"
            )


_LEAST = {"padding": 0, "stride": 1, "dilation": 1, "window": 1, "size": 0, "filter": 1}


def _counts(
    op: Op, image: Shape, window: Shape, padding: Shape, stride: Shape, dilation: Shape
) -> Shape:
    """Positions of a filter in an image."""
    _ints(op, 3, _LEAST, filter=window, padding=padding, stride=stride, dilation=dilation)
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
    x, f = _rank(op, shapes[0], IMAGE), _rank(op, shapes[1], FILTER)
    _same(op, f"the maps of x {x} and filters {f}", x[0], f[0])
    return (f[4], *_counts(op, x[1:4], f[1:4], **geometry), x[4])


def _conv_data(op: Op, shapes: Sequence[Shape], size: Shape, **geometry: Shape) -> Shape:
    f, e = _rank(op, shapes[0], FILTER), _rank(op, shapes[1], RESULT)
    _ints(op, 3, _LEAST, size=size)
    _same(op, f"the maps of filters {f} and e {e}", f[4], e[0])
    counts = _counts(op, size, f[1:4], **geometry)
    _same(op, f"the sizes that images {size} and filters {f} give and those of e", counts, e[1:4])
    return (f[0], *size, e[4])


def _conv_filter(op: Op, shapes: Sequence[Shape], size: Shape, **geometry: Shape) -> Shape:
    x, e = _rank(op, shapes[0], IMAGE), _rank(op, shapes[1], RESULT)
    _ints(op, 3, {"size": 1}, size=size)
    _same(op, f"the samples of x {x} and e {e}", x[4], e[4])
    counts = _counts(op, x[1:4], size, **geometry)
    _same(op, f"the sizes that x {x} and filters {size} give and those of e", counts, e[1:4])
    return (x[0], *size, e[0])


def _window(op: Op, how: str | None, **params: Shape) -> None:
    _ints(op, 4, _LEAST, **params)
    allowed = ("avg", "sum") if op.name == "spread" else ("max", "avg", "sum")
    if how is not None and how not in allowed:
        raise ShapeError(f"{op.name}: how {how!r} must be one of {', '.join(allowed)}")


def _pool(
    op: Op, shapes: Sequence[Shape], size: Shape, how: str | None = None, **params: Shape
) -> Shape:
    """Pool and pool_index of x, spread of e: the size is given."""
    (x,) = shapes
    _rank(op, x, RESULT if op.name == "spread" else IMAGE)
    _window(op, how, size=size, **params)
    return (*size, x[4])


def _unpool(op: Op, shapes: Sequence[Shape], size: Shape, **params: Shape) -> Shape:
    e, index = shapes
    _rank(op, e, RESULT)
    _same(op, "the shapes of e and index", e, index)
    _window(op, None, size=size, **params)
    return (*size, e[4])


def _pool_pick(op: Op, shapes: Sequence[Shape], **params: Shape) -> Shape:
    x, index = _rank(op, shapes[0], IMAGE), _rank(op, shapes[1], RESULT)
    _same(op, f"the samples of x {x} and index {index}", x[4], index[4])
    _window(op, None, **params)
    return index


def _rois(op: Op, shape: Shape) -> int:
    if len(shape) != 2 or shape[1] != 5:
        raise ShapeError(
            f"{op.name}: regions of shape {shape} must be (R, 5), rows of image, xmin, ymin, xmax, "
            "ymax"
        )
    return shape[0]


def _roi_pool(op: Op, shapes: Sequence[Shape], size: Shape, scale: float) -> Shape:
    x, count = _rank(op, shapes[0], "(C, H, W, N)"), _rois(op, shapes[1])
    _ints(op, 2, {"size": 1}, size=size)
    if not (math.isfinite(scale) and scale > 0):
        raise ShapeError(f"{op.name}: scale {scale} must be a positive number")
    return (x[0], *size, count)


def _roi_entries(op: Op, rois: Shape, index: Shape) -> Shape:
    _rank(op, index, "(C, ph, pw, R)")
    _same(op, f"the regions {rois} and those of index {index}", _rois(op, rois), index[3])
    return index


def _roi_spread(op: Op, shapes: Sequence[Shape], size: Shape) -> Shape:
    e, rois, index = shapes
    _roi_entries(op, rois, index)
    _same(op, "the shapes of e and index", e, index)
    _ints(op, 3, _LEAST, size=size)
    return (e[0], *size)


def _roi_pick(op: Op, shapes: Sequence[Shape]) -> Shape:
    x, rois, index = shapes
    _rank(op, x, "(C, H, W, N)")
    _roi_entries(op, rois, index)
    _same(op, f"the maps of x {x} and index {index}", x[0], index[0])
    return index


WINDOW_RULES: dict[str, Any] = {
    "conv": _conv,
    "conv_data": _conv_data,
    "conv_filter": _conv_filter,
    "pool": _pool,
    "pool_index": _pool,
    "spread": _pool,
    "unpool": _unpool,
    "pool_pick": _pool_pick,
    "roi_pool": _roi_pool,
    "roi_index": _roi_pool,
    "roi_spread": _roi_spread,
    "roi_pick": _roi_pick,
}
