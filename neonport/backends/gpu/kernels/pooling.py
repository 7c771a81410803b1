"""Pooling and its adjoints: each work-item has one result, see `pool.h` and its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from neonport.backends.gpu.kernel_text import bind, kernel_text, place, position_type
from neonport.tensor.tensor import Tensor

Ints = tuple[int, ...]
HOW = {"max": 0, "avg": 1, "sum": 2, "index": 3}


def bind_pool(
    be: Any, operands: list[Tensor], y: Tensor, *, how: str = "index", **windows: Ints
) -> Callable[[], None]:
    """A call that does y = pool(x); without `how` y = pool_index(x)."""
    (x,) = operands
    macros = {"HOW": HOW[how], "RESULT": "int" if how == "index" else "STORED"}
    return _bind(be, "pool", x, y, None, x.shape[:4], y.shape, windows, macros)


def bind_pool_backward(
    be: Any, operands: list[Tensor], y: Tensor, *, how: str = "max", **windows: Ints
) -> Callable[[], None]:
    """A call that does y = avg_pool_backward(e), or y = max_pool_backward(e, index)."""
    e, index = operands[0], operands[1] if len(operands) > 1 else None
    return _bind(be, "pool_backward", e, y, index, y.shape[:4], y.shape, windows, {"HOW": HOW[how]})


def bind_max_pool_gather(
    be: Any, operands: list[Tensor], y: Tensor, **windows: Ints
) -> Callable[[], None]:
    """A call that does y = max_pool_gather(x, index)."""
    x, index = operands
    return _bind(be, "max_pool_gather", x, y, index, x.shape[:4], y.shape, windows, {})


def _bind(
    be: Any,
    name: str,
    x: Tensor,
    y: Tensor,
    index: Tensor | None,
    cells: Ints,
    items: Ints,
    windows: dict[str, Ints],
    macros: dict[str, int | str],
) -> Callable[[], None]:
    """A launch over `items` of a kernel that goes from x to y.

    Args:
        index: the tensor of cell numbers, if there is one.
        cells: sizes of the image.
    """
    tensors = [t for t in (x, y, index) if t is not None]
    window, padding, stride = (windows[key] for key in ("window", "padding", "stride"))
    group = be.traits.map_group
    whole = position_type(tensors, prod(window), sum(padding), prod(items) + group)
    unit = all(t.strides[4] == 1 or t.shape[4] == 1 for t in tensors)
    macros = {**macros, "GROUP": group, "UNIT": int(unit)}
    if index is not None:
        macros["INDEX"] = be.dialect.types[index.dtype.name]
    dtype = x.dtype
    text = kernel_text(be.dialect, ("windows.h", f"{name}.h"), dtype, whole, **macros)
    counts = y.shape[:4] if index is None and name == "pool" else None
    counts = counts or (index if index is not None else x).shape[:4]
    words = [*cells, *counts, *window, *padding, *stride, y.shape[4], *place(x), *place(y)]
    arguments: list[Any] = [x, y]
    if index is not None:
        arguments += [index, *place(index)]
    shape = (-(-prod(items) // group), group)
    return bind(be, text, f"neo_{name}", shape, [*arguments, *words], whole)
