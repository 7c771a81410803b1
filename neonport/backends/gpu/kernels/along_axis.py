"""Running sums and products, and picking line by line: a work-item a line, see `along_axis.h`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.gpu.device_protocol import KernelDevice
from neonport.backends.gpu.kernel_text import bind, kernel_text, position_type
from neonport.backends.gpu.kernels.scatter_add import three
from neonport.tensor.tensor import Tensor

Bound = Callable[[], None]
# Mesa's llvmpipe ends the loops of a work-item after 65,535 rounds; NumPy runs for longer lines.
LONGEST = 65_535


def bind_cumsum(
    be: KernelDevice, operands: list[Tensor], y: Tensor, axis: int, reverse: bool
) -> Bound | None:
    """A call that does y = cumsum(x)."""
    return _walk(be, "cumsum", operands, y, axis, [int(reverse)])


def bind_cumprod(
    be: KernelDevice, operands: list[Tensor], y: Tensor, axis: int, reverse: bool, exclusive: bool
) -> Bound | None:
    """A call that does y = cumprod(x)."""
    return _walk(be, "cumprod", operands, y, axis, [int(reverse), int(exclusive)])


def bind_linear_recurrence(
    be: KernelDevice, operands: list[Tensor], y: Tensor, axis: int, reverse: bool
) -> Bound | None:
    """A call that does y = linear_recurrence(a, b)."""
    return _walk(be, "linear_recurrence", operands, y, axis, [int(reverse)])


def bind_take_along_axis(be: KernelDevice, operands: list[Tensor], y: Tensor, axis: int) -> Bound:
    """A call that does y = take_along_axis(x, indices)."""
    size = operands[0].shape[axis]
    return _lines(be, "take_along_axis", operands, y, axis, [size], items=y.size)


def bind_scatter_add_along_axis(
    be: KernelDevice, operands: list[Tensor], y: Tensor, axis: int, size: int
) -> Bound | None:
    """A call that does y = scatter_add_along_axis(g, indices)."""
    return _walk(be, "scatter_add_along_axis", operands, y, axis, [size])


def _walk(
    be: KernelDevice, op: str, operands: list[Tensor], y: Tensor, axis: int, numbers: list[int]
) -> Bound | None:
    """A launch whose items walk along lines; None where the lines are too long for that."""
    too_long = operands[-1].shape[axis] > LONGEST
    return None if too_long else _lines(be, op, operands, y, axis, numbers)


def _lines(
    be: KernelDevice,
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
