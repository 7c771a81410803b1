"""Convolutions on the host: compiled C, or a BLAS product of unfolded windows.

The compiled C is bound in `direct_convolution.py`.

Windows are unfolded, block by block, without a compiler and for sizes that the compiled code does
not like:

    conv         y      = filters.T @ unfolded(x)
    conv_backward_filter  df     = sum over blocks of unfolded(x) @ e.T
    conv_backward_data    dx     = folded(filters @ e)

With the batch last, unfolding copies runs of at least N numbers, of Q * N where the stride along
the width is 1. A 1x1x1 filter with unit stride and no padding is a product without copies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.kernels.direct_convolution import direct_of
from neonport.backends.host.kernels.geometry import Geometry, geometry_of
from neonport.backends.host.workspace import Carver, Workspace, staged
from neonport.ops.windows.geometry import cells, of_maps

Bound = Callable[[], None]
Ints = tuple[int, ...]
Range = tuple[int, int]

BLOCK_BYTES = 4 << 20  # of the unfolded block: a part of the cache that the cores share
MIN_COLUMNS = 1024  # narrower products lose more than the cache gives


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
        op: conv, conv_backward_data or conv_backward_filter.
        operands: as in the op table, float32 or float64, any strides.
        target: receives the result; shares no memory with the operands.
        params: of the op.
        workspace: where it unfolds.
    """
    geometry = geometry_of(op, operands, target, params)
    return workspace.bind(
        lambda carver: staged(
            operands, target, carver, lambda inputs, out: _call(op, geometry, inputs, out, carver)
        )
    )


def _call(
    op: str, geometry: Geometry, operands: list[np.ndarray], out: np.ndarray, carver: Carver
) -> Bound:
    """A product where the images are their own unfolded matrix; compiled C where it can be."""
    direct = None if geometry.plain else direct_of(out.dtype.name)
    if direct is not None:
        make = {
            "conv": direct.forward,
            "conv_backward_data": direct.data,
            "conv_backward_filter": direct.filter,
        }
        call = make[op](geometry, operands[0], operands[1], out, carver)
        if call is not None:
            return call
    kinds: dict[str, type[_Pass]] = {
        "conv": _Forward,
        "conv_backward_data": _Data,
        "conv_backward_filter": _Filter,
    }
    return kinds[op](geometry, operands, out, carver).run


class _Pass(ABC):
    """Common base of the three: blocks, the unfolded matrix.

    Steps are prepared as calls without arguments; `run` makes them in order.
    """

    def __init__(
        self, geometry: Geometry, operands: list[np.ndarray], out: np.ndarray, carver: Carver
    ) -> None:
        self.geometry = geometry
        self.carver = carver
        self.counting = carver.block is None
        self.calls: list[Bound] = []
        self.dtype = out.dtype
        self.prepare(operands, out)

    @abstractmethod
    def prepare(self, operands: list[np.ndarray], out: np.ndarray) -> None:
        """Append the calls."""

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

    def shares(
        self, part: np.ndarray, images: np.ndarray, block: tuple[Range, Range, Range]
    ) -> Iterator[tuple[np.ndarray, tuple[slice, ...], np.ndarray]]:
        """Each cell of the windows of a block.

        Args:
            part: the unfolded matrix of the block.
            images: (C, D, H, W, N).
            block: the positions.

        Yields:
            Its numbers in `part` (C, m, p, q, N), the positions of those that are inside of the
            images, and where they are there.
        """
        g = self.geometry
        sizes = tuple(b - a for a, b in block)
        # the block's windows are those of images whose padding is that much smaller
        padding = tuple(
            pad - a * step for pad, (a, _), step in zip(g.padding, block, g.stride, strict=True)
        )
        for t, positions, places in cells(g.images, sizes, g.window, padding, g.stride, g.dilation):
            yield part[of_maps(t)], positions, images[of_maps(places)]

    def unfold(
        self, part: np.ndarray, images: np.ndarray, block: tuple[Range, Range, Range]
    ) -> None:
        """Copy each cell from where it is, zeros from outside."""
        for share, positions, source in self.shares(part, images, block):
            inner = share
            for axis, at in enumerate(positions, 1):
                before, within, after = np.split(inner, [at.start, at.stop], axis)
                self._zero(before)
                self._zero(after)
                inner = within
            if inner.size:
                self._copy(inner, source)

    def fold(self, part: np.ndarray, images: np.ndarray, block: tuple[Range, Range, Range]) -> None:
        """Add each cell where it belongs."""
        for share, positions, target in self.shares(part, images, block):
            if target.size:
                self._add(target, share[of_maps(positions)])


class _Forward(_Pass):
    def prepare(self, operands: list[np.ndarray], out: np.ndarray) -> None:
        g = self.geometry
        x, f = operands
        weights = f.reshape(g.rows, g.filters).T
        if g.plain:
            self._product(weights, x.reshape(g.maps, -1), out.reshape(g.filters, -1))
            return
        blocks = self.blocks()
        room = self.unfolded(blocks)
        for block in [] if self.counting else blocks:
            part = self.part(room, block)
            self.unfold(part, x, block)
            self._product(weights, part.reshape(g.rows, -1), self.columns(out, block))


class _Filter(_Pass):
    def prepare(self, operands: list[np.ndarray], out: np.ndarray) -> None:
        g = self.geometry
        x, e = operands
        result = out.reshape(g.rows, g.filters)
        if g.plain:
            self._product(x.reshape(g.maps, -1), e.reshape(g.filters, -1).T, result)
            return
        blocks = self.blocks()
        room = self.unfolded(blocks)
        for i, block in enumerate([] if self.counting else blocks):
            part = self.part(room, block)
            self.unfold(part, x, block)
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
            self.fold(part, out, block)
