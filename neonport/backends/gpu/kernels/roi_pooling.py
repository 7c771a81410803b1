"""Pooling over regions of interest and its adjoints, see `roi.h` and its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from neonport.backends.gpu.kernel_text import bind, kernel_text, place, position_type
from neonport.tensor.tensor import Tensor

Ints = tuple[int, ...]


def bind_roi_pool(
    be: Any, operands: list[Tensor], y: Tensor, size: Ints, scale: float, index: bool = False
) -> Callable[[], None]:
    """A call that does y = roi_pool(x, rois), or y = roi_index(x, rois)."""
    x, rois = operands
    macros = {"HOW": 3 if index else 0, "RESULT": "int" if index else "STORED"}
    return _bind(
        be, "roi_pool", x, y, rois, None, x.shape, y.shape[1:], macros, [np.float32(scale)]
    )  # fmt: skip


def bind_roi_index(
    be: Any, operands: list[Tensor], y: Tensor, size: Ints, scale: float
) -> Callable[[], None]:
    """A call that does y = roi_index(x, rois)."""
    return bind_roi_pool(be, operands, y, size, scale, index=True)


def bind_roi_pool_backward(
    be: Any, operands: list[Tensor], y: Tensor, size: Ints
) -> Callable[[], None]:
    """A call that does y = roi_pool_backward(e, rois, index)."""
    e, rois, index = operands
    return _bind(be, "roi_pool_backward", e, y, rois, index, y.shape, e.shape[1:], {}, [])


def bind_roi_pool_gather(be: Any, operands: list[Tensor], y: Tensor) -> Callable[[], None]:
    """A call that does y = roi_pool_gather(x, rois, index)."""
    x, rois, index = operands
    return _bind(be, "roi_pool_gather", x, y, rois, index, x.shape, y.shape[1:], {}, [])


def _bind(
    be: Any,
    name: str,
    x: Tensor,
    y: Tensor,
    rois: Tensor,
    index: Tensor | None,
    image: Ints,
    bins: Ints,
    macros: dict[str, int | str],
    numbers: list[Any],
) -> Callable[[], None]:
    """A launch of a kernel that goes from x to y.

    Args:
        image: sizes of the images: maps, height, width, count.
        bins: along h and w, and regions.
    """
    tensors = [t for t in (x, y, rois, index) if t is not None]
    maps, height, width, count = image
    group = be.traits.map_group
    if name == "roi_pool_backward":  # a work-group has cells of one map and image
        groups = maps * count * -(-height * width // group)
    else:
        groups = -(-prod(y.shape) // group)
    whole = position_type(tensors, groups * group, prod(bins) + group)
    macros = {**macros, "GROUP": group}
    arguments: list[Any] = [x, y]
    if index is not None:
        macros["INDEX"] = be.dialect.types[index.dtype.name]
        arguments += [index, *place(index)]
    arguments += [rois, *place(rois), *image, *bins, *numbers, *place(x), *place(y)]
    text = kernel_text(be.dialect, ("roi.h", f"{name}.h"), x.dtype, whole, **macros)
    return bind(be, text, f"neo_{name}", (groups, group), arguments, whole)
