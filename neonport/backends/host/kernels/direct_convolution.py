"""Convolutions in compiled C that unfolds nothing, see `conv.c`: how they are cut into tasks.

    conv                  y  = sums over maps and windows of x times filters
    conv_backward_data    dx = the same of e: a cell gets from the windows that it lies in.
                          With a stride s, cells s apart see the same numbers of the filters:
                          each of these phases is a convolution of its own.
    conv_backward_filter  df = sums over positions and samples of x times e

What a task computes depends on sizes only: equal bits with any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import product
from math import ceil, prod
from typing import NamedTuple

import numpy as np

from neonport.backends.host.kernels import library as native
from neonport.backends.host.kernels.geometry import Geometry, Ints, Windows
from neonport.backends.host.kernels.library import Library
from neonport.backends.host.kernels.winograd import FILES, Winograd
from neonport.backends.host.workspace import Carver
from neonport.ops.windows.geometry import of_maps

Bound = Callable[[], None]

TASKS = 32  # so many at least, where sizes allow
SERIAL_WORK = 1 << 18  # multiplications below which waking other threads costs more than it gains
ROW_VECTORS = 4  # of results in a row of positions, at least: BLAS is better at shorter ones
COPY = 4.0  # cycles of copying a vector into a patch, or of adding one to memory
FOLD = 10.0  # cycles of adding up the lanes of a vector


class Patch(NamedTuple):
    """The part of the images that a task sees, of one map.

    Attributes:
        tile: positions of a task.
        shape: planes, rows, cells of a phase of a row.
        phases: of a row: each has every `stride`th cell.
        numbers: in all.
    """

    tile: Ints
    shape: Ints
    phases: int
    numbers: int


def patch_of(windows: Windows, rows: int, columns: int) -> Patch:
    """The patch of a task of some rows and columns of positions."""
    deep, high, wide = (max(axis) - min(axis) for axis in zip(*windows.cells, strict=True))
    step = windows.stride[2]
    shape = (deep + 1, (rows - 1) * windows.stride[1] + high + 1, columns + wide // step)
    phases = min(step, wide + 1)
    return Patch((1, rows, columns), shape, phases, prod(shape) * phases * windows.samples)


def cells_of(windows: Windows, patch: Patch) -> np.ndarray:
    """Words of each `cell_t`: its number in the patch, its plane, row and column."""
    first, (_, height, width), step = windows.first, patch.shape, windows.stride[2]
    found = []
    for cell in windows.cells:
        d, h, w = (c - f for c, f in zip(cell, first, strict=True))
        row = (d * height + h) * patch.phases + w % step
        found.append(((row * width + w // step) * windows.samples, d, h, w))
    return np.array(found, np.int64)


def patches(windows: Windows, most: int) -> Iterator[Patch]:
    """Patches of up to `most` numbers, of tasks that cut the positions into equal parts."""
    rows, columns = ({ceil(n / i) for i in range(1, n + 1)} for n in windows.counts[1:])
    for p, q in product(sorted(rows), sorted(columns)):
        patch = patch_of(windows, p, q)
        if patch.numbers <= most:
            yield patch


def tiles_of(windows: Windows, patch: Patch) -> Ints:
    """Tasks along each axis."""
    return tuple(ceil(n / t) for n, t in zip(windows.counts, patch.tile, strict=True))


class Direct:
    """Convolutions of one compiled library.

    Args:
        library: of `conv.c`.
        winograds: make those that fit them.
    """

    def __init__(self, library: Library, winograds: Sequence[Winograd] = ()) -> None:
        self.library = library
        self.winograds = winograds
        self.filters = library.constant("neo_filters")
        self.lanes = library.constant("neo_lanes")
        self.columns = library.constant("neo_columns")
        self.errors = library.constant("neo_errors")
        self.patch = library.constant("neo_patch")
        self.room = library.constant("neo_room")
        self._patch_of_sums = lru_cache(maxsize=1024)(self._choose_patch_of_sums)
        self._patch_of_filter = lru_cache(maxsize=1024)(self._choose_patch_of_filter)

    # ---- sums over maps and windows ----------------------------------------------------------

    def forward(
        self, g: Geometry, x: np.ndarray, f: np.ndarray, out: np.ndarray, carver: Carver
    ) -> Bound | None:
        """The convolution, None where its sizes are not for this."""
        windows = _windows(g)
        count = len(windows.cells)
        strides = (1, count * g.filters, g.filters)
        return self._sums(windows, x, f, strides, range(count), out, carver)

    def data(
        self, g: Geometry, f: np.ndarray, e: np.ndarray, out: np.ndarray, carver: Carver
    ) -> Bound | None:
        """The gradient for the images, None where its sizes are not for this."""
        calls: list[Bound] = []
        strides = (prod(g.window) * g.filters, 1, g.filters)
        for phase in product(*(range(min(s, n)) for s, n in zip(g.stride, g.images, strict=True))):
            steps = zip(phase, g.stride, strict=True)
            part = out[of_maps(tuple(slice(first, None, step) for first, step in steps))]
            numbers, cells = _phase_cells(g, phase)
            if not cells:
                calls.append(partial(part.fill, 0))
                continue
            windows = Windows(g.filters, g.counts, part.shape[1:4], (1, 1, 1), cells, g.batch)
            near = part if part.flags.c_contiguous else carver.array(part.shape, part.dtype)
            call = self._sums(windows, e, f, strides, numbers, near, carver)
            if call is None:
                return None
            calls.append(call)
            if near is not part:
                calls.append(partial(np.copyto, part, near))
        return _in_order(calls)

    def _sums(
        self,
        windows: Windows,
        images: np.ndarray,
        filters: np.ndarray,
        strides: Ints,
        numbers: Sequence[int],
        out: np.ndarray,
        carver: Carver,
    ) -> Bound | None:
        """Sums over the maps of `images` and the cells of windows.

        Args:
            windows: what the results see.
            images, filters: operands, contiguous.
            strides: in the filters, from one result to the next, one map, one cell of a window.
            numbers: which cell of the filters each cell of a window is multiplied by.
            out: (results, positions, samples), contiguous.
            carver: where the filters are arranged.
        """
        count, window = len(out), len(windows.cells)
        patch = self._patch_of_sums(windows, count)
        if patch is None:
            return None
        blocks = ceil(count / self.filters)
        arranged = carver.array((blocks * windows.maps * window * self.filters,), out.dtype)
        which = np.array(numbers, np.int64)
        words = [
            filters.ctypes.data, arranged.ctypes.data, count, windows.maps, window, *strides,
            which.ctypes.data,
        ]  # fmt: skip
        grain = 1 if arranged.size >= SERIAL_WORK >> 4 else 0
        arrange = self.library.bind("neo_arrange", words, blocks, grain, (filters, arranged, which))
        at_once = ceil(blocks / self._groups(windows, patch, count)) * self.filters
        cells = cells_of(windows, patch)
        words = [
            *self._geometry(windows, patch, images, cells),
            arranged.ctypes.data, out.ctypes.data, count, at_once,
        ]  # fmt: skip
        tasks = prod(tiles_of(windows, patch)) * ceil(count / at_once)
        work = out.size * windows.maps * window
        keep = (images, arranged, out, cells)
        grain = 1 if work >= SERIAL_WORK else 0
        call = _in_order([arrange, self.library.bind("neo_conv", words, tasks, grain, keep)])
        for winograd in self.winograds:
            if winograd.fits(windows, count):
                return winograd.sums(windows, images, filters, strides, numbers, out, carver, call)
        return call

    def _patches(self, windows: Windows) -> Iterator[Patch]:
        """Patches that fit, none if rows are so short that vectors stay half empty."""
        short = windows.counts[2] * windows.samples < ROW_VECTORS * self.lanes
        return iter(()) if short else patches(windows, self.patch)

    def _maps(self, windows: Windows, patch: Patch) -> int:
        """Maps that a task has patches of at a time."""
        return min(windows.maps, self.patch // patch.numbers)

    def _groups(self, windows: Windows, patch: Patch, count: int) -> int:
        """Tasks that share positions: each makes some of the results."""
        return min(ceil(TASKS / prod(tiles_of(windows, patch))), ceil(count / self.filters))

    def _choose_patch_of_sums(self, windows: Windows, count: int) -> Patch | None:
        """The best patch, None if there is none."""
        window = len(windows.cells)

        def cost(patch: Patch) -> float:
            """Cycles for each map and vector of results, about."""
            length = patch.tile[2] * windows.samples
            filled = ceil(length / self.columns) * self.columns / length
            copied = patch.numbers / (prod(patch.tile) * windows.samples)
            copied *= self._groups(windows, patch, count)
            added = count / self._maps(windows, patch)
            return filled * count * window + COPY * (copied + added)

        return min(self._patches(windows), key=cost, default=None)

    def _geometry(
        self, windows: Windows, patch: Patch, images: np.ndarray, cells: np.ndarray
    ) -> list[int]:
        """Words of `geometry_t`."""
        return [
            images.ctypes.data, windows.maps, windows.samples, *windows.images, *windows.counts,
            *windows.stride, *windows.first, *patch.tile, *tiles_of(windows, patch),
            *patch.shape, patch.phases, self._maps(windows, patch), len(cells), windows.line,
            cells.ctypes.data,
        ]  # fmt: skip

    # ---- sums over positions and samples -----------------------------------------------------

    def filter(
        self, g: Geometry, x: np.ndarray, e: np.ndarray, out: np.ndarray, carver: Carver
    ) -> Bound | None:
        """The gradient for the filters, None where its sizes are not for this."""
        windows, count = _windows(g), g.filters
        patch = self._patch_of_filter(windows, count)
        if patch is None:
            return None
        chunks = ceil(g.maps / self._maps(windows, patch))
        parts = min(ceil(TASKS / chunks), prod(tiles_of(windows, patch)))
        sums = carver.array((parts, out.size), out.dtype) if parts > 1 else out
        cells = cells_of(windows, patch)
        words = [
            *self._geometry(windows, patch, x, cells), e.ctypes.data, sums.ctypes.data, count,
            parts, self._filters_at_once(windows, patch),
        ]  # fmt: skip
        grain = 1 if e.size * g.maps * len(cells) >= SERIAL_WORK else 0
        keep = (x, e, sums, cells)
        calls = [self.library.bind("neo_conv_backward_filter", words, chunks * parts, grain, keep)]
        if parts > 1:
            calls.append(partial(_add_parts, sums, out.reshape(-1)))
        call = _in_order(calls)
        for winograd in self.winograds:
            if winograd.fits_filter(windows, count):
                return winograd.filter(windows, x, e, out, carver, call)
        return call

    def _padded(self, windows: Windows, patch: Patch) -> int:
        """Numbers of a filter's errors in a task, rows filled up to whole vectors."""
        _, rows, columns = patch.tile
        return rows * ceil(columns * windows.samples / self.lanes) * self.lanes

    def _filters_at_once(self, windows: Windows, patch: Patch) -> int:
        apart = self._padded(windows, patch) + self.lanes
        return self.room // apart // self.errors * self.errors

    def _choose_patch_of_filter(self, windows: Windows, count: int) -> Patch | None:
        """The best patch, None if there is none."""
        window = len(windows.cells)

        def cost(patch: Patch) -> float:
            """Cycles for each number of the filters and vector of results, about."""
            numbers, padded = prod(patch.tile) * windows.samples, self._padded(windows, patch)
            copied = patch.numbers / (numbers * window * count)
            copied += 1 / (self._maps(windows, patch) * window)
            return padded / numbers + FOLD * self.lanes / padded + COPY * copied

        found = self._patches(windows)
        fitting = (patch for patch in found if self._filters_at_once(windows, patch))
        return min(fitting, key=cost, default=None)


def _windows(g: Geometry) -> Windows:
    """The windows of the convolution itself."""
    cells = tuple(
        tuple(t * dil - pad for t, dil, pad in zip(at, g.dilation, g.padding, strict=True))
        for at in np.ndindex(*g.window)
    )
    return Windows(g.maps, g.images, g.counts, g.stride, cells, g.batch)


def _phase_cells(g: Geometry, phase: Ints) -> tuple[list[int], tuple[Ints, ...]]:
    """What images' cells of a phase see of e: numbers in the filters, and places at the first."""
    numbers, cells = [], []
    for number, at in enumerate(np.ndindex(*g.window)):
        axes = zip(at, phase, g.padding, g.stride, g.dilation, strict=True)
        steps = [divmod(a + pad - t * dil, s) for t, a, pad, s, dil in axes]
        if not any(rest for _, rest in steps):
            numbers.append(number)
            cells.append(tuple(step for step, _ in steps))
    return numbers, tuple(cells)


def _add_parts(parts: np.ndarray, total: np.ndarray) -> None:
    np.add.reduce(parts, axis=0, out=total)


def _in_order(calls: list[Bound]) -> Bound:
    def run() -> None:
        for call in calls:
            call()

    return run


def direct_of(real: str) -> Direct | None:
    """The convolutions of a dtype; None where they are not compiled."""
    library = native.library("conv.c", REAL=real)
    if library is None:
        return None
    # who computes in float64 wants all digits
    fewer = [native.library(file, REAL=real) for file in FILES if real == "float32"]
    return _direct(library, tuple(found for found in fewer if found is not None))


@lru_cache(maxsize=8)
def _direct(library: Library, fewer: tuple[Library, ...]) -> Direct:
    """What was chosen for sizes is kept with the libraries."""
    return Direct(library, [Winograd(found) for found in fewer])
