"""Convolution and its adjoints as products that never unfold an image, see `conv.h`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod

import numpy as np

from neonport.backends.gpu.device_protocol import KernelDevice
from neonport.backends.gpu.kernel_text import (
    bind,
    in_fours,
    in_order,
    kernel_text,
    place,
    position_type,
    real_of,
)
from neonport.backends.gpu.matmul import bind_combine, deepest, pieces
from neonport.shape import reshape_strides
from neonport.tensor.tensor import Tensor

Ints = tuple[int, ...]
FILES = ("tile.h", "conv.h")
FILTER_FILES = ("tile.h", "conv_backward_filter.h")
CHUNK = 256  # positions and samples of a chunk of the filters' gradient, at least


def bind_conv(
    be: KernelDevice, operands: list[Tensor], y: Tensor, padding: Ints, stride: Ints, dilation: Ints
) -> Callable[[], None] | None:
    """A call that does y = conv(x, f); None where it adds up too many terms for the device."""
    x, f = operands
    if _too_deep(be, f, x.shape[0]):
        return None
    taps = [
        [(t, t * step) for t in range(n)] for n, step in zip(f.shape[1:4], dilation, strict=True)
    ]
    table = _table(x, f, taps, maps=0)
    return _bind(be, f, x, y, table, 4, y.shape[1:4], stride, padding, place(y))


def bind_conv_backward_data(
    be: KernelDevice,
    operands: list[Tensor],
    y: Tensor,
    padding: Ints,
    stride: Ints,
    dilation: Ints,
    size: Ints,
) -> Callable[[], None] | None:
    """A call that does y = conv_backward_data(f, e); None where it adds up too many terms.

    Cells whose numbers differ by multiples of the stride take part in the same entries of a filter,
    at positions with a fixed distance: for them it is a convolution with stride 1.
    """
    f, e = operands
    if _too_deep(be, f, e.shape[0]):
        return None
    calls = []
    for first in product(*(range(min(s, n)) for s, n in zip(stride, size, strict=True))):
        taps = []
        for i, (cell, n) in enumerate(zip(first, f.shape[1:4], strict=True)):
            ends = [(t, cell + padding[i] - t * dilation[i]) for t in range(n)]
            taps.append([(t, at // stride[i]) for t, at in ends if at % stride[i] == 0])
        counts = tuple(
            -(-(n - cell) // s) for n, cell, s in zip(size, first, stride, strict=True)
        )  # fmt: skip
        offset, maps, *steps, sample = place(y)
        offset += sum(cell * step for cell, step in zip(first, steps, strict=True))
        layout = [offset, maps, *(a * b for a, b in zip(steps, stride, strict=True)), sample]
        table = _table(e, f, taps, maps=4)
        calls.append(_bind(be, f, e, y, table, 0, counts, (1, 1, 1), (0, 0, 0), layout))
    return in_order(calls)


def _too_deep(be: KernelDevice, f: Tensor, maps: int) -> bool:
    """Whether the filters have more entries than the loops of a work-item may add up."""
    rounds = be.traits.rounds
    return rounds > 0 and maps * prod(f.shape[1:4]) > deepest(rounds)


def _table(x: Tensor, f: Tensor, taps: list[list[tuple[int, int]]], maps: int) -> np.ndarray:
    """Entries of the depth: offset in x, offset in f, cells along d, h and w; maps vary fastest.

    Args:
        taps: for each axis (index in f, cells from the position in x).
        maps: axis of f that x has as its maps.
    """
    count = f.shape[maps]
    index, cells = (
        np.array([[tap[i] for tap in choice] for choice in product(*taps)], np.int64).reshape(-1, 3)
        for i in (0, 1)
    )
    rows = np.arange(count)[None]
    in_x = (cells @ np.array(x.strides[1:4]))[:, None] + rows * x.strides[0]
    in_f = (index @ np.array(f.strides[1:4]))[:, None] + rows * f.strides[maps]
    lines = [in_x, in_f, *(np.repeat(cells[:, i, None], count, 1) for i in range(3))]
    return np.stack(lines, axis=-1).reshape(-1, 5)


def _bind(
    be: KernelDevice,
    f: Tensor,
    x: Tensor,
    y: Tensor,
    table: np.ndarray,
    rows: int,
    counts: Ints,
    step: Ints,
    pad: Ints,
    layout: list[int],
) -> Callable[[], None]:
    """A launch of `neo_conv`.

    Args:
        rows: axis of f that y has as its maps.
        counts: positions along d, h and w.
        layout: where y begins, strides of the positions.
    """
    n = y.shape[-1]
    columns = prod(counts) * n
    tile = be.tile_for(y.dtype, y.shape[0], columns, len(table))
    whole = position_type((f, x, y), table.size, columns)
    by_rows = f.strides[rows] == 1
    left = in_fours(f, rows if by_rows else 4 - rows)
    left, right = tile.vectors(left, in_fours(x, 4))
    text = kernel_text(
        be.dialect, FILES, y.dtype, whole, **tile.macros(),
        LEFT_ROWS=int(not by_rows), RIGHT_ROWS=1, LEFT_VEC=left, RIGHT_VEC=right,
    )  # fmt: skip
    entries = be.table(table, whole)
    words = [
        y.shape[0], len(table), *counts, n, *step, *pad, *x.shape[1:4],
        f.offset, f.strides[rows], *_cells(x), *layout,
    ]  # fmt: skip
    shape = (tile.count(y.shape[0], columns), tile.group)
    return bind(be, text, "neo_conv", shape, [f, x, y, entries, *words], whole)


def _cells(x: Tensor) -> list[int]:
    """Offset and strides of d, h, w and n."""
    return [x.offset, *x.strides[1:]]


def bind_conv_backward_filter(
    be: KernelDevice,
    operands: list[Tensor],
    w: Tensor,
    padding: Ints,
    stride: Ints,
    dilation: Ints,
    size: Ints,
) -> Callable[[], None]:
    """A call that does w = conv_backward_filter(x, e)."""
    x, e = operands
    rows, columns = prod(w.shape[:4]), w.shape[4]
    strides = reshape_strides(w.shape, w.strides, (rows, columns))
    if strides is None:
        return be.through(w, lambda t: bind_conv_backward_filter(
            be, operands, t, padding, stride, dilation, size
        ))  # fmt: skip
    depth = prod(e.shape[1:])
    chunks, chunk = pieces(rows, columns, depth, 1, be.traits.units, CHUNK, be.traits.rounds)
    tile = be.tile_for(w.dtype, rows, columns, depth)
    whole = position_type((x, e, w), depth + chunk, rows * columns * chunks)
    entries = be.table(np.array(list(_entries(x, size, dilation)), np.int64), whole)
    vectors = min(tile.vectors(in_fours(x, 4), in_fours(e, 4)))
    text = kernel_text(
        be.dialect, FILTER_FILES, w.dtype, whole, **tile.macros(),
        LEFT_ROWS=1, RIGHT_ROWS=0, LEFT_VEC=vectors, RIGHT_VEC=vectors,
    )  # fmt: skip
    real = real_of(w.dtype)
    parts = be.scratch(chunks * rows * columns * real().itemsize)
    words = [
        rows, columns, depth, chunk, *e.shape[2:4], e.shape[4], *stride, *padding, *x.shape[1:4],
        *_cells(x), *place(e),
    ]  # fmt: skip
    shape = (tile.count(rows, columns) * chunks, tile.group)
    arguments = [x, e, parts, entries, *words]
    first = bind(be, text, "neo_conv_backward_filter", shape, arguments, whole)
    sizes, layout = (1, chunks, rows, columns), [w.offset, *strides, 0]
    last = bind_combine(be, parts, w, sizes, layout, [real(1), real(0)], whole)
    return be.together([first, last])


def _entries(x: Tensor, size: Ints, dilation: Ints) -> Iterator[Ints]:
    """For each entry of a filter: offset in x, cells along d, h and w."""
    for c, *tap in product(*(range(n) for n in (x.shape[0], *size))):
        cells = [t * step for t, step in zip(tap, dilation, strict=True)]
        steps = zip(cells, x.strides[1:4], strict=True)
        yield (c * x.strides[0] + sum(a * b for a, b in steps), *cells)
