"""Running sums and products, and picking line by line: a work-item a line, see `along_axis.h`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.gpu.kernel_text import bind, kernel_text, position_type
from neonport.backends.gpu.kernels.scatter_add import three
from neonport.tensor.tensor import Tensor

Bound = Callable[[], None]


def bind_cumsum(be: Any, operands: list[Tensor], y: Tensor, axis: int, reverse: bool) -> Bound:
    """A call that does y = cumsum(x)."""
    return _lines(be, "cumsum", operands, y, axis, [int(reverse)])


def bind_cumprod(
    be: Any, operands: list[Tensor], y: Tensor, axis: int, reverse: bool, exclusive: bool
) -> Bound:
    """A call that does y = cumprod(x)."""
    return _lines(be, "cumprod", operands, y, axis, [int(reverse), int(exclusive)])


def bind_linear_recurrence(
    be: Any, operands: list[Tensor], y: Tensor, axis: int, reverse: bool
) -> Bound:
    """A call that does y = linear_recurrence(a, b)."""
    return _lines(be, "linear_recurrence", operands, y, axis, [int(reverse)])


def bind_take_along_axis(be: Any, operands: list[Tensor], y: Tensor, axis: int) -> Bound:
    """A call that does y = take_along_axis(x, indices)."""
    size = operands[0].shape[axis]
    return _lines(be, "take_along_axis", operands, y, axis, [size], items=y.size)


def bind_scatter_add_along_axis(
    be: Any, operands: list[Tensor], y: Tensor, axis: int, size: int
) -> Bound:
    """A call that does y = scatter_add_along_axis(g, indices)."""
    return _lines(be, "scatter_add_along_axis", operands, y, axis, [size])


def _lines(
    be: Any,
    op: str,
    operands: list[Tensor],
    y: Tensor,
    axis: int,
    numbers: list[int],
    items: int | None = None,
) -> Bound:
    """A launch of an entry of `along_axis.h`.

    Args:
        operands: the last one has the lines' length.
        numbers: what the entry takes after the sizes.
        items: how many there are; None is one for each line.
    """
    if any(three(t, axis) is None for t in operands):
        copied: Bound = be.copied(
            operands, lambda *t: _lines(be, op, list(t), y, axis, numbers, items)
        )
        return copied
    if three(y, axis) is None:
        through: Bound = be.through(y, lambda t: _lines(be, op, operands, t, axis, numbers, items))
        return through
    tensors = [*operands, y]
    forms = [form for form in (three(t, axis) for t in tensors) if form is not None]
    outer, count, inner = forms[len(operands) - 1][0]
    items, group, dtype = items or outer * inner, be.traits.map_group, y.dtype
    whole = position_type(tensors, max(t.size for t in tensors) + group)
    index = operands[-1].dtype if operands[-1].dtype.kind in "iu" else np.dtype(np.int32)
    text = kernel_text(
        be.dialect, ("along_axis.h",), dtype, whole,
        GROUP=group, INDEX=be.dialect.types[index.name],
    )  # fmt: skip
    words: list[Any] = [*tensors, outer, count, inner, *numbers]
    for _, place in forms:
        words += place
    return bind(be, text, f"neo_{op}", (-(-items // group), group), words, whole)
