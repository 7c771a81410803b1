"""Convolutions on the host: windows are unfolded block by block, then a BLAS product.

    conv         y      = filters.T @ unfolded(x)
    conv_filter  df     = sum over blocks of unfolded(x) @ e.T
    conv_data    dx     = folded(filters @ e)

With the batch last, unfolding copies runs of at least N numbers, of Q * N where the stride along
the width is 1. A 1x1x1 filter with unit stride and no padding is a product without copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neonport.backends.cpu import blas
from neonport.backends.cpu.workspace import Carver, Workspace
from neonport.windows import cells, of_maps

Bound = Callable[[], None]
Ints = tuple[int, ...]
Range = tuple[int, int]

BLOCK_BYTES = 3 << 18  # of the unfolded block: stays in a second-level cache of 1 MiB
MIN_COLUMNS = 256  # narrower products lose more than the cache gives


class Geometry(NamedTuple):
    """Sizes of one convolution.

    Attributes:
        maps, filters: C and K.
        images, window, counts: (D, H, W), (T, R, S), (M, P, Q).
        batch: N.
    """

    maps: int
    filters: int
    images: Ints
    window: Ints
    counts: Ints
    batch: int
    padding: Ints
    stride: Ints
    dilation: Ints

    @property
    def rows(self) -> int:
        """Numbers in one window over all maps: rows of the unfolded matrix."""
        return self.maps * prod(self.window)

    @property
    def plain(self) -> bool:
        """Whether the images are their own unfolded matrix."""
        return self.window == (1, 1, 1) and self.stride == (1, 1, 1) and self.padding == (0, 0, 0)

    @property
    def padded(self) -> Ints:
        """(D, H, W) with padding."""
        return tuple(n + 2 * p for n, p in zip(self.images, self.padding, strict=True))


def boxes(counts: Ints, most: int) -> Iterator[tuple[Range, Range, Range]]:
    """Cut positions (M, P, Q) into boxes of consecutive ones, of about equal size.

    Args:
        counts: positions along each axis.
        most: positions in a box, at most (at least one is taken).
    """
    inner = 1
    for axis in (2, 1, 0):
        if inner * counts[axis] > most or axis == 0:
            break
        inner *= counts[axis]
    parts = -(-counts[axis] // max(1, most // inner))
    size = -(-counts[axis] // parts)
    whole = [(0, n) for n in counts[axis + 1 :]]
    for at in np.ndindex(*counts[:axis]):
        ones = [(i, i + 1) for i in at]
        for start in range(0, counts[axis], size):
            box = [*ones, (start, min(start + size, counts[axis])), *whole]
            yield box[0], box[1], box[2]


def bind(op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any],
         workspace: Workspace) -> Bound:  # fmt: skip
    """Prepare a convolution or one of its adjoints.

    Args:
        op: conv, conv_data or conv_filter.
        operands: as in the op table, float32 or float64, any strides.
        target: receives the result; shares no memory with the operands.
        params: of the op.
        workspace: where it unfolds.
    """
    geometry = _geometry(op, operands, target, params)
    make = {"conv": _Forward, "conv_data": _Data, "conv_filter": _Filter}[op]

    return workspace.bind(lambda carver: make(geometry, operands, target, carver).run)


def _geometry(
    op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any]
) -> Geometry:
    x, f, y = {
        "conv": (*operands, target),
        "conv_data": (target, *operands),
        "conv_filter": (operands[0], target, operands[1]),
    }[op]
    steps = (params["padding"], params["stride"], params["dilation"])
    return Geometry(
        x.shape[0], f.shape[-1], x.shape[1:4], f.shape[1:4], y.shape[1:4], x.shape[-1], *steps
    )


class _Pass:
    """What the three have in common: contiguous operands, blocks, the unfolded matrix.

    Steps are prepared as calls without arguments; `run` makes them in order.
    """

    def __init__(
        self, geometry: Geometry, operands: list[np.ndarray], target: np.ndarray, carver: Carver
    ) -> None:
        self.geometry = geometry
        self.carver = carver
        self.counting = carver.block is None
        self.calls: list[Bound] = []
        self.dtype = target.dtype
        out = target if target.flags.c_contiguous else carver.array(target.shape, target.dtype)
        self.prepare([self._contiguous(a) for a in operands], out)
        if out is not target:
            self._copy(target, out)

    def prepare(self, operands: list[np.ndarray], out: np.ndarray) -> None:
        """Append the calls."""
        raise NotImplementedError

    def run(self) -> None:
        """Make all calls."""
        for call in self.calls:
            call()

    # ---- calls -------------------------------------------------------------------------------

    def _copy(self, target: np.ndarray, source: np.ndarray) -> None:
        self.calls.append(lambda: np.copyto(target, source))

    def _add(self, target: np.ndarray, share: np.ndarray) -> None:
        self.calls.append(lambda: np.add(target, share, out=target))

    def _zero(self, target: np.ndarray) -> None:
        if target.size:
            self.calls.append(lambda: target.fill(0))

    def _contiguous(self, array: np.ndarray) -> np.ndarray:
        if array.flags.c_contiguous:
            return array
        copy = self.carver.array(array.shape, array.dtype)
        self._copy(copy, array)
        return copy

    def _product(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, beta: float = 0.0) -> None:
        if not self.counting:
            self.calls.append(blas.bind_gemm(a, b, c, 1.0, beta))

    # ---- blocks ------------------------------------------------------------------------------

    def blocks(self) -> list[tuple[Range, Range, Range]]:
        """The boxes of positions that are unfolded at a time."""
        g = self.geometry
        columns = max(BLOCK_BYTES // (g.rows * self.dtype.itemsize), MIN_COLUMNS)
        return list(boxes(g.counts, max(1, columns // g.batch)))

    def unfolded(self, blocks: list[tuple[Range, Range, Range]]) -> np.ndarray:
        """Room for the largest block."""
        g = self.geometry
        most = max(prod(b - a for a, b in block) for block in blocks)
        return self.carver.array((g.rows * most * g.batch,), self.dtype)

    def part(self, room: np.ndarray, block: tuple[Range, Range, Range]) -> np.ndarray:
        """The unfolded matrix of a block, as (C, T, R, S, m, p, q, N)."""
        g = self.geometry
        sizes = [b - a for a, b in block]
        shape = (g.maps, *g.window, *sizes, g.batch)
        return room[: prod(shape)].reshape(shape)

    def columns(self, array: np.ndarray, block: tuple[Range, Range, Range]) -> np.ndarray:
        """The columns of (K, M, P, Q, N) that belong to a block, as a matrix."""
        m, p, q = (slice(a, b) for a, b in block)
        part = array[:, m, p, q]
        # a block is consecutive, so this is a view
        return as_strided(
            part, (len(array), prod(part.shape[1:])), (array.strides[0], array.itemsize)
        )

    def windows(self, images: np.ndarray, block: tuple[Range, Range, Range]) -> np.ndarray:
        """The windows of padded images (C, D, H, W, N) at a block, as (C, T, R, S, m, p, q, N)."""
        g = self.geometry
        c, *steps, n = images.strides
        first = (slice(a * step, None) for (a, _), step in zip(block, g.stride, strict=True))
        shape = (g.maps, *g.window, *(b - a for a, b in block), g.batch)
        strides = (
            c,
            *(s * d for s, d in zip(steps, g.dilation, strict=True)),
            *(s * d for s, d in zip(steps, g.stride, strict=True)),
            n,
        )
        return as_strided(images[of_maps(tuple(first))], shape, strides)

    def pad(self, x: np.ndarray) -> np.ndarray:
        """The images with zeros around them."""
        g = self.geometry
        if not any(g.padding):
            return x
        room = self.carver.array((g.maps, *g.padded, g.batch), self.dtype)
        inner = room
        for axis, (n, pad) in enumerate(zip(g.images, g.padding, strict=True), 1):
            before, within, after = np.split(inner, [pad, pad + n], axis)
            self._zero(before)
            self._zero(after)
            inner = within
        self._copy(inner, x)
        return room


class _Forward(_Pass):
    def prepare(self, operands: list[np.ndarray], out: np.ndarray) -> None:
        g = self.geometry
        x, f = operands
        weights = f.reshape(g.rows, g.filters).T
        if g.plain:
            self._product(weights, x.reshape(g.maps, -1), out.reshape(g.filters, -1))
            return
        images, blocks = self.pad(x), self.blocks()
        room = self.unfolded(blocks)
        for block in [] if self.counting else blocks:
            part = self.part(room, block)
            self._copy(part, self.windows(images, block))
            self._product(weights, part.reshape(g.rows, -1), self.columns(out, block))


class _Filter(_Pass):
    def prepare(self, operands: list[np.ndarray], out: np.ndarray) -> None:
        g = self.geometry
        x, e = operands
        result = out.reshape(g.rows, g.filters)
        if g.plain:
            self._product(x.reshape(g.maps, -1), e.reshape(g.filters, -1).T, result)
            return
        images, blocks = self.pad(x), self.blocks()
        room = self.unfolded(blocks)
        for i, block in enumerate([] if self.counting else blocks):
            part = self.part(room, block)
            self._copy(part, self.windows(images, block))
            beta = 1.0 if i else 0.0
            self._product(part.reshape(g.rows, -1), self.columns(e, block).T, result, beta)


class _Data(_Pass):
    def prepare(self, operands: list[np.ndarray], out: np.ndarray) -> None:
        g = self.geometry
        f, e = operands
        weights = f.reshape(g.rows, g.filters)
        if g.plain:
            self._product(weights, e.reshape(g.filters, -1), out.reshape(g.maps, -1))
            return
        blocks = self.blocks()
        room = self.unfolded(blocks)
        self._zero(out)
        for block in [] if self.counting else blocks:
            part = self.part(room, block)
            self._product(weights, self.columns(e, block), part.reshape(g.rows, -1))
            self._fold(part, out, block)

    def _fold(self, part: np.ndarray, out: np.ndarray, block: tuple[Range, Range, Range]) -> None:
        """Add each cell of the windows of a block where it belongs."""
        g = self.geometry
        sizes = tuple(b - a for a, b in block)
        # the block's windows are those of an image whose padding is that much smaller
        padding = tuple(
            pad - a * step for pad, (a, _), step in zip(g.padding, block, g.stride, strict=True)
        )
        for t, positions, places in cells(g.images, sizes, g.window, padding, g.stride, g.dilation):
            if any(p.stop == p.start for p in positions):
                continue
            self._add(out[of_maps(places)], part[of_maps(t)][of_maps(positions)])
