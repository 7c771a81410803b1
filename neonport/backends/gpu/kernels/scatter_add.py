"""The gradient of a lookup: entries added at their indices, without atomics: `scatter_add.h`."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from neonport.backends.gpu.kernel_text import bind, in_order, kernel_text, position_type
from neonport.shape import reshape_strides
from neonport.tensor.tensor import Tensor

BLOCK = 1 << 15  # positions that are compared with each other


def bind_scatter_add(
    be: Any, operands: list[Tensor], y: Tensor, axis: int, size: int
) -> Callable[[], None]:
    """A call that does y = scatter_add(g, indices)."""
    g, indices = operands
    flat = reshape_strides(indices.shape, indices.strides, (indices.size,))
    parts = [three(t, axis) for t in (g, y)]
    if flat is None or parts[0] is None:
        return be.copied(
            operands, lambda *copies: bind_scatter_add(be, list(copies), y, axis, size)
        )
    if parts[1] is None:
        return be.through(y, lambda t: bind_scatter_add(be, operands, t, axis, size))
    (outer, count, inner), in_g = parts[0]
    in_y = parts[1][1]
    group = be.traits.map_group
    whole = position_type((g, y, indices), g.size + group, y.size + group, 2 * BLOCK)
    text = kernel_text(
        be.dialect, ("scatter_add.h",), g.dtype, whole,
        GROUP=group, INDEX=be.dialect.types[indices.dtype.name],
    )  # fmt: skip
    links = be.scratch(2 * min(count, BLOCK) * whole().itemsize)

    def launch(name: str, items: int, *arguments: Any) -> Callable[[], None]:
        return bind(be, text, name, (-(-items // group), group), arguments, whole)

    calls = [launch("neo_clear", y.size, y, outer, size, inner, *in_y)]
    where = [indices.offset, flat[0]]
    for begin in range(0, count, BLOCK):
        some = min(BLOCK, count - begin)
        calls.append(launch("neo_link", some, indices, links, *where, begin, some, size))
        calls.append(
            launch(
                "neo_scatter_add", outer * some * inner, g, y, indices, links, *where, begin, some,
                outer, inner, *in_g, *in_y,
            )
        )  # fmt: skip
    return be.together([in_order(calls)])


def three(t: Tensor, axis: int) -> tuple[tuple[int, ...], list[int]] | None:
    """Sizes before, along and after an axis, and offset and strides in that form."""
    sizes = (prod(t.shape[:axis]), t.shape[axis], prod(t.shape[axis + 1 :]))
    strides = reshape_strides(t.shape, t.strides, sizes)
    return None if strides is None else (sizes, [t.offset, *strides])
