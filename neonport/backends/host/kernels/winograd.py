"""Convolutions of 3 x 3 or 5 x 5 cells with unit stride by Winograd's algorithm, see `winograd.h`.

Less than half of the multiplications. Results are as near to the exact ones as sums of products
are, gradients for the filters up to four times as far: `docs/explanation/convolution.md`. What a
task computes depends on sizes only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, prod

import numpy as np

from neonport.backends.host.kernels.geometry import Ints, Windows
from neonport.backends.host.kernels.library import Library
from neonport.backends.host.workspace import Carver

Bound = Callable[[], None]

FILES = ("winograd_3x3.c", "winograd_5x5.c")
TASKS = 32  # of the gradient for the filters, at least, where sizes allow
SHARED = 1.5  # samples that panels have, those counted that two of them have, for each one, at most
FEWEST = 16  # maps and filters from which the transforms cost less than they save


class Winograd:
    """Convolutions of one compiled library.

    Args:
        library: of one of `FILES`.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.side = library.constant("neo_side")
        self.panel = library.constant("neo_panel")
        self.rows = library.constant("neo_rows")
        self.tall = library.constant("neo_tall")
        self.group = library.constant("neo_group")
        self.points = library.constant("neo_points")
        self.values = library.constant("neo_values")
        self.most_maps = library.constant("neo_most_maps")
        self.most_panels = library.constant("neo_most_panels")
        self.maps = library.constant("neo_maps")
        self.errors = library.constant("neo_errors")
        self.together = library.constant("neo_together")
        self.unit = library.constant("neo_unit")

    def fits(self, windows: Windows, count: int) -> bool:
        """Whether the windows are such, and the algorithm is worth its transforms."""
        return (
            sorted(windows.cells) == self._square(windows)
            and windows.stride == (1, 1, 1)
            and self.panel <= windows.samples
            and self._parts(windows) * self.panel <= SHARED * windows.samples
            and FEWEST <= windows.maps <= self.most_maps
            and count >= FEWEST
            and self._tiles(windows) * self.points < prod(windows.counts) * self.side**2
        )

    def fits_filter(self, windows: Windows, count: int) -> bool:
        """Whether the gradient for `count` filters, along which vectors run, is made here too."""
        return count >= self.panel and self.fits(windows, count)

    def sums(
        self,
        windows: Windows,
        images: np.ndarray,
        filters: np.ndarray,
        strides: Ints,
        numbers: Sequence[int],
        out: np.ndarray,
        carver: Carver,
        instead: Bound,
    ) -> Bound:
        """Sums over the maps of `images` and the cells of windows that fit.

        Args:
            windows: what the results see.
            images, filters: operands, contiguous.
            strides: in the filters, from one result to the next, one map, one cell of a window.
            numbers: which cell of the filters each cell of a window is multiplied by.
            out: (results, positions, samples), contiguous.
            carver: where the transformed filters lie.
            instead: makes the same without the algorithm, where a result is not finite.
        """
        count = len(out)
        tall = ceil(count / self.tall) * self.tall
        size = tall * self.points * windows.maps
        factors = carver.array((size,), out.dtype)
        number = dict(zip(windows.cells, numbers, strict=True))
        cells = [number[cell] * strides[2] for cell in self._square(windows)]
        at_once = min(self.values // windows.maps, self.group // tall, self.most_panels)
        at_once = max(1, at_once)
        bad = np.zeros(1, np.int64)
        words = [
            images.ctypes.data, filters.ctypes.data, factors.ctypes.data, out.ctypes.data,
            *self._geometry(windows, count), at_once, *strides[:2], *cells, bad.ctypes.data,
        ]  # fmt: skip
        keep = (images, filters, factors, out, bad)
        blocks, tasks = ceil(count / self.rows), ceil(self._panels(windows) / at_once)
        transform = self.library.bind("neo_winograd_filters", words, blocks, 1, keep)
        multiply = self.library.bind("neo_winograd", words, tasks, 1, keep)
        return _checked([transform, multiply], bad, instead)

    def filter(
        self,
        windows: Windows,
        images: np.ndarray,
        errors: np.ndarray,
        out: np.ndarray,
        carver: Carver,
        instead: Bound,
    ) -> Bound:
        """Sums over positions and samples of `images` times `errors`.

        Args:
            windows: what the errors' results see.
            images, errors: operands, contiguous.
            out: filters, contiguous.
            carver: where partial sums lie.
            instead: as for `sums`.
        """
        count = len(errors)
        high = ceil(windows.maps / self.unit) * self.unit
        wide = ceil(count / self.panel) * self.panel
        panels = self._panels(windows)
        apart = ceil(high / self.maps) * ceil(wide / self.errors)
        parts = max(1, min(ceil(TASKS / apart), panels // self.together))
        sums = carver.array((parts, self.points, high, wide), out.dtype)
        bad = np.zeros(1, np.int64)
        words = [
            images.ctypes.data, 0, 0, 0, *self._geometry(windows, count), *[0] * (3 + self.side**2),
            bad.ctypes.data, errors.ctypes.data, out.ctypes.data, sums.ctypes.data,
            parts, high, wide,
        ]  # fmt: skip
        keep = (images, errors, out, sums, bad)
        add = self.library.bind("neo_winograd_sums", words, apart * parts, 1, keep)
        join = self.library.bind("neo_winograd_join", words, windows.maps, 1, keep)
        return _checked([add, join], bad, instead)

    def _square(self, windows: Windows) -> list[Ints]:
        """The cells of the window at position 0."""
        _, row, column = windows.first
        return [(0, row + i, column + j) for i in range(self.side) for j in range(self.side)]

    def _panels(self, windows: Windows) -> int:
        return self._tiles(windows) * self._parts(windows)

    def _tiles(self, windows: Windows) -> int:
        planes, rows, columns = windows.counts
        return planes * ceil(rows / 2) * ceil(columns / 2)

    def _parts(self, windows: Windows) -> int:
        """Panels of a tile."""
        return ceil(windows.samples / self.panel)

    def _geometry(self, windows: Windows, count: int) -> list[int]:
        """Words of `winograd_t`, from `maps` to `first`."""
        return [
            windows.maps, count, windows.counts[0], windows.samples, *windows.images[1:],
            *windows.counts[1:], *windows.first[1:],
        ]  # fmt: skip


def _checked(calls: Sequence[Bound], bad: np.ndarray, instead: Bound) -> Bound:
    """Calls in order, and what is made instead where they report a result that is not finite."""

    def run() -> None:
        for call in calls:
            call()
        if bad[0]:
            bad[0] = 0
            instead()

    return run
