"""Tiles of a kernel with loads that run across its loops: which device gains by which."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from neonport.compiler.codegen.reuse import strided, turned, turned_axis
from neonport.compiler.kernel import BoundKernel, Kernel

LEAST = 16  # side of the smallest tile


@dataclass(frozen=True)
class Tiles:
    """Tiles of a kind of device.

    Attributes:
        side: elements along both axes.
        group: work-items for a tile, at most.
        room: bytes for the tiles of all loads.
        work: elements of a kernel below which tiles gain nothing.
        edge: elements along each of the axes, at least.
    """

    side: int
    group: int
    room: int
    work: int
    edge: int


# the group's local memory is no larger than the least that OpenCL promises
GROUPS = Tiles(side=32, group=256, room=1 << 15, work=1 << 14, edge=16)
# rows of several cache lines, so that the odd start of one costs little: 32 take twice the time
LOOPS = Tiles(side=64, group=1, room=1 << 17, work=1 << 10, edge=8)


def in_tiles(kernel: Kernel, group: int) -> list[int]:
    """Accesses of the loads that go through the tiles of a kernel: the turned ones.

    Where one item has a tile, all others go there too whose neighbours are apart, one by one: then
    everything is read as vectors.
    """
    axis = turned_axis(kernel)
    if axis is None:
        return []
    return sorted(strided(kernel) if group == 1 else turned(kernel, axis))


def side_of(spec: BoundKernel, tiles: Tiles) -> int:
    """Side of the tiles of a kernel; 0 where there is nothing to gain.

    Args:
        spec: the kernel with its sizes.
        tiles: those of the device; more loads than there is room for take smaller ones.
    """
    axis, sizes = turned_axis(spec.kernel), spec.sizes
    if axis is None or min(sizes[axis], sizes[-1]) < tiles.edge or prod(sizes) < tiles.work:
        return 0
    loads = (spec.kernel.accesses[i] for i in in_tiles(spec.kernel, tiles.group))
    item = sum(np.dtype(access.dtype).itemsize for access in loads)
    side = tiles.side
    while side >= LEAST and side * (side + 1) * item > tiles.room:
        side //= 2
    return side if side >= LEAST else 0
