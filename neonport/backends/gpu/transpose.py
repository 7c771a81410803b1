"""Copies whose source and target run along different axes, by tiles.

A tile passes through the local memory of a work-group (`transpose.h`) or, where a work-item is a
loop on a processor core, through the registers of one (`transpose_blocks.h`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.backends.gpu.kernel_text import NARROW, bind, kernel_text
from neonport.backends.gpu.launch import NativeLaunch, RenderedLaunch
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.compiler.kernel import BoundKernel

OUTER = 3  # axes besides the two
ONE_NUMBER = 4  # bytes that an item computes with, where the driver joins items into vectors
EDGE = 16  # a shorter side leaves most of a tile idle
WORTH = 1 << 14  # elements below which a launch is most of the time
BITS = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}


def form(traits: DeviceTraits) -> tuple[tuple[str, ...], int, int]:
    """Files, side of a tile and work-items for one on a device."""
    tiles = traits.tiles
    files = ("block.h", "transpose_blocks.h") if tiles.group == 1 else ("transpose.h",)
    return files, tiles.side, min(tiles.group, traits.map_group)


def gains(traits: DeviceTraits) -> bool:
    """Whether tiles are faster than a rendered kernel."""
    # a driver that puts items into the lanes of vectors has no use for single ones (rusticl)
    return traits.group > 1 or traits.vector_bytes > ONE_NUMBER


def turned_axes(spec: BoundKernel) -> tuple[int, int] | None:
    """Loop axes along which neighbours of the source and those of the target lie.

    None unless the kernel is a plain copy between two such views that a tile is worthwhile for.
    """
    kernel, sizes = spec.kernel, spec.sizes
    if len(kernel.nodes) != 1 or kernel.nodes[0].op != "load" or len(kernel.stores) != 1:
        return None
    load, store = kernel.nodes[0].attr, kernel.stores[0].access
    if kernel.accesses[load].dtype != kernel.accesses[store].dtype or load == store:
        return None
    x, y = spec.strides[load], spec.strides[store]
    if not 2 <= len(sizes) <= 2 + OUTER or 1 not in x or 1 not in y:
        return None
    i, j = x.index(1), y.index(1)
    if i == j or min(sizes[i], sizes[j]) < EDGE or np.prod(sizes, dtype=np.int64) < WORTH:
        return None
    return i, j


def bind_turned(
    be: Any, spec: BoundKernel, starts: Sequence[int], memory: Sequence[Any]
) -> RenderedLaunch:
    """A launch of the copy that `turned_axes` knows.

    Args:
        starts: per access, first element.
        memory: (storage, byte offset) of each access.
    """
    axes = turned_axes(spec)
    assert axes is not None
    i, j = axes
    kernel, sizes = spec.kernel, spec.sizes
    load, store = kernel.nodes[0].attr, kernel.stores[0].access
    rest = [a for a in range(len(sizes)) if a not in axes]
    outer = [sizes[a] for a in rest] + [1] * (OUTER - len(rest))
    places = [
        (starts[access], *(spec.strides[access][a] for a in (along, *rest)))
        for access, along in ((load, j), (store, i))
    ]
    padding = [0] * (OUTER - len(rest))
    words = [sizes[i], sizes[j], *outer[:2]]
    for place in places:
        words += [*place, *padding]
    files, side, group = form(be.traits)
    tiles = -(-sizes[i] // side) * -(-sizes[j] // side)
    for n in outer:
        tiles *= n
    whole = np.int32 if tiles < NARROW // (side * side) and _reach(spec, starts) else np.int64
    bits = np.dtype(BITS[np.dtype(kernel.accesses[load].dtype).itemsize])
    text = kernel_text(be.dialect, files, bits, whole, TILE=side, GROUP=group)
    storages = [memory[access][0] for access in (load, store)]
    launch: NativeLaunch = bind(
        be, text, "neo_transpose", (tiles, group), [*storages, *words], whole
    )  # type: ignore[assignment]
    return RenderedLaunch([launch], 0, ())


def _reach(spec: BoundKernel, starts: Sequence[int]) -> bool:
    """Whether 32 bits hold all positions."""
    return all(
        2 * (abs(first) + sum(abs(s) * n for s, n in zip(steps, spec.sizes, strict=True))) < NARROW
        for first, steps in zip(starts, spec.strides, strict=True)
    )
