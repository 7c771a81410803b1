"""Sizes of a convolution, read from its operands, and which cells its results see."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

Ints = tuple[int, ...]


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


class Windows(NamedTuple):
    """Which cells of images the results see.

    Attributes:
        maps: of the images.
        images: D, H, W.
        counts: positions along each axis.
        stride: from one position to the next, in cells.
        cells: of a window, line by line: where each is at position 0.
        samples: N.
    """

    maps: int
    images: Ints
    counts: Ints
    stride: Ints
    cells: tuple[Ints, ...]
    samples: int

    @property
    def first(self) -> Ints:
        """The lowest cell of the window at position 0 along each axis."""
        return tuple(min(axis) for axis in zip(*self.cells, strict=True))

    @property
    def line(self) -> int:
        """Cells of the window side by side; all its lines have as many."""
        return len({column for _, _, column in self.cells})


def geometry_of(
    op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any]
) -> Geometry:
    """Sizes of a convolution or one of its adjoints, operands as in the op table."""
    x, f, y = {
        "conv": (*operands, target),
        "conv_backward_data": (target, *operands),
        "conv_backward_filter": (operands[0], target, operands[1]),
    }[op]
    steps = (params["padding"], params["stride"], params["dilation"])
    return Geometry(
        x.shape[0], f.shape[-1], x.shape[1:4], f.shape[1:4], y.shape[1:4], x.shape[-1], *steps
    )
