"""What the text of a kernel depends on besides the kernel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KernelVariant:
    """One way to write a kernel: vectors, work-groups, tiles, what is kept.

    Attributes:
        width: elements a work-item handles together.
        tail: whether rows may end with less than `width` elements.
        wide: whether positions need 64 bits.
        split: whether each phase is a launch over chunks of rows, followed by one that combines.
        group: work-group of row reductions.
        map_group: work-group of the other entries.
        float64: whether numbers may be float64.
        boxed: whether numbers and random sources are read from memory.
        keep: length of the arrays in which costly values are kept for later phases; 0: none are.
        stream: whether whole vectors of results that the kernel does not read pass by the cache.
        ragged: whether rows of these may begin between the borders of vectors.
        tile_side: side of the tiles through which transposed loads go; 0: there are none.
        free: whether the launch chooses the size of work-groups, and each item works alone.
    """

    width: int
    tail: bool
    wide: bool
    split: bool
    group: int
    map_group: int
    float64: bool
    boxed: bool = False
    keep: int = 0
    stream: bool = False
    ragged: bool = False
    tile_side: int = 0
    free: bool = False
