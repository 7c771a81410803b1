"""Loads whose neighbours in memory lie along another axis than the innermost one, by tiles.

A work-group has a tile. It reads the tile's part of such a load along its own axis, transposed into
a buffer; then each row of the tile reads the buffer. Where a work-item is a loop on a processor
core it is the whole group, and blocks are transposed in registers; elsewhere the buffer is local
memory. `Tiles` says which sizes suit a kind of device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from neonport.compiler.codegen.reuse import strided, transposed, transposed_axis
from neonport.compiler.kernel import UNIT, BoundKernel, Kernel

if TYPE_CHECKING:
    from neonport.compiler.codegen.gpu.values import DeviceValues

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
    """Accesses of the loads that go through the tiles of a kernel: the transposed ones.

    Where one item has a tile, all others go there too whose neighbours are apart, one by one: then
    everything is read as vectors.
    """
    axis = transposed_axis(kernel)
    if axis is None:
        return []
    return sorted(strided(kernel) if group == 1 else transposed(kernel, axis))


def side_of(spec: BoundKernel, tiles: Tiles) -> int:
    """Side of the tiles of a kernel; 0 where there is nothing to gain.

    Args:
        spec: the kernel with its sizes.
        tiles: those of the device; more loads than there is room for take smaller ones.
    """
    axis, sizes = transposed_axis(spec.kernel), spec.sizes
    if axis is None or min(sizes[axis], sizes[-1]) < tiles.edge or prod(sizes) < tiles.work:
        return 0
    loads = (spec.kernel.accesses[i] for i in in_tiles(spec.kernel, tiles.group))
    item = sum(np.dtype(access.dtype).itemsize for access in loads)
    side = tiles.side
    while side >= LEAST and side * (side + 1) * item > tiles.room:
        side //= 2
    return side if side >= LEAST else 0


class DeviceTransposedLoads:
    """Writes the tiles of a kernel.

    Attributes:
        accesses: of the loads that go through tiles; empty where the variant has none.
    """

    def __init__(self, values: DeviceValues) -> None:
        self.values, self.k, self.put = values, values.k, values.put
        variant = values.variant
        self.across = transposed_axis(self.k) or 0
        self.accesses = in_tiles(self.k, variant.group) if variant.tile_side else []
        # longer than a row, so that the elements of a column lie in different banks
        self.line = variant.tile_side + (variant.group > 1)
        for access in self.accesses:
            values.given[access] = self._read

    @property
    def in_blocks(self) -> bool:
        """Whether a work-item transposes blocks in registers."""
        return bool(self.accesses) and self.values.variant.group == 1 and self.values.d.vectors

    def definitions(self) -> list[str]:
        """Definitions of the functions that transpose blocks, one a type."""
        kinds = {self._type(i) for i in self.accesses if self._along(i)} if self.in_blocks else ()
        return [f"NEO_TURN({kind})" for kind in sorted(kinds)]

    def tile(
        self, start: Callable[[], None], row: Callable[[], None], body: Callable[[], None]
    ) -> None:
        """Transpose the loads of a tile, then compute its elements.

        Args:
            start: writes the positions of the accesses at the start of row `row`.
            row: writes what is computed once a row.
            body: writes the elements of the row at hand from position `r` of the last axis on.
        """
        side, group, width = (
            self.values.variant.tile_side,
            self.values.variant.group,
            self.values.variant.width,
        )
        across, last = f"n{self.across}", f"n{self.values.last}"
        # rows of a tile are as many rows apart as the axes between hold
        between = " * ".join(f"n{axis}" for axis in self.values.outer if axis > self.across) or "1"
        if group > 1:
            self.put("const int lid = LOCAL_ID;")
        # tiles that come one after the other lie along the loads: they share lines and pages
        self.put(f"const neo_int down = ({across} + {side - 1}) / {side}, between = {between};")
        self.put("const neo_int at = (neo_int)GROUP_ID / down, others = at / items;")
        self.put(f"const neo_int top = (neo_int)GROUP_ID % down * {side};")
        self.put(f"const neo_int left = at % items * {side};")
        self.put(f"const int height = {across} - top < {side} ? {across} - top : {side};")
        self.put(f"const int breadth = {last} - left < {side} ? {last} - left : {side};")
        first = f"(others / between * {across} + top) * between + others % between"
        self.put(f"const neo_int row0 = {first};")
        for access in self.accesses:
            array = f"{self._type(access)} turned{access}[{side * self.line}]"
            self.put(f"{self._place}{array}{' NEO_ON_LINE' if self.in_blocks else ''};")
        self.put("{")
        self.put("const neo_int row = row0;")
        start()
        self._fill()
        self.put("}")
        if group > 1:
            self.put("BARRIER();")
        items = min(group, side // width)  # that share a row
        self._open_loop("r", "height", items, True)
        self.put("const neo_int row = row0 + r * between;")
        start()
        row()
        self._part("0", items, width, body)
        if self.values.variant.tail:
            self._part(f"breadth / {width} * {width}", items, 1, body)
        self._close_loop()

    def _part(self, first: str, items: int, width: int, body: Callable[[], None]) -> None:
        """The vectors, or the single elements, that an item has of the row at hand."""
        self.values.width = width
        self._open_loop("c", "breadth", items, False, width, first)
        self.put(f"const neo_int r{self.values.last} = left + c;")
        body()
        self._close_loop()

    def _open_loop(
        self, name: str, end: str, items: int, lines: bool, width: int = 1, first: str = "0"
    ) -> None:
        """Items share the lines of a tile, or the vectors of each line.

        Args:
            name, end: the coordinate within the tile, and how far it goes.
            items: how many items have a line together.
            lines: share lines, else what is in one.
            width: elements of a vector.
            first: where the vectors begin.
        """
        group, side = self.values.variant.group, self.values.variant.tile_side
        if group == 1:
            end = f"{end} - {width - 1}" if width > 1 else end
            self.put(f"for (int {name} = {first}; {name} < {end}; {name} += {width}) {{")
            return
        # the number of rounds is fixed, so that compilers unroll them and start all loads at once
        place, step = (f"lid / {items}", group // items) if lines else (f"lid % {items}", items)
        self.put(f"for (int turn_{name} = 0; turn_{name} < {side}; turn_{name} += {step}) {{")
        self.put(f"const int {name} = {place} + turn_{name};")
        self.put(f"if ({name} < {end}) {{")

    def _close_loop(self) -> None:
        for _ in range(1 if self.values.variant.group == 1 else 2):
            self.put("}")

    @property
    def _place(self) -> str:
        """Kind of the memory of a tile."""
        return "LOCAL " if self.values.variant.group > 1 else ""

    def _type(self, access: int) -> str:
        """Type of a tile's elements: as they are stored, halves as bits."""
        dtype = self.k.accesses[access].dtype
        return self.values.d.types["uint16" if dtype == "float16" else dtype]

    def _along(self, access: int) -> bool:
        """Whether the neighbours of a load lie along the other axis of the tile."""
        return self.k.accesses[access].strides[self.across] == UNIT

    def _fill(self) -> None:
        """Read in the order of memory, write down a column of the tile."""
        for access in self.accesses:
            kind, step = self._type(access), f"s{access}_{self.values.last}"
            source = f"(GLOBAL const {kind} *)b{self.k.accesses[access].buffer}"
            first = f"p{access} + left * {step}"
            if self.in_blocks and self._along(access):
                words = f"{self.line}, {source} + ({first}), {step}, height, breadth"
                self.put(f"neo_turn_{kind}(turned{access}, {words});")
                continue
            items = min(self.values.variant.group, self.values.variant.tile_side)
            loops = [("r", "height"), ("c", "breadth")]
            (line, lines), (place, places) = loops[::-1] if self._along(access) else loops
            self._open_loop(line, lines, items, True)
            self._open_loop(place, places, items, False)
            terms = [first, self.values.term(access, self.across, "r"), f"c * {step}"]
            text = f"({source})[{' + '.join(t for t in terms if t)}]"
            self.put(f"turned{access}[r * {self.line} + c] = {text};")
            self._close_loop()
            self._close_loop()

    def _read(self, index: int) -> str:
        """A load as an element (or vector) of the tile."""
        node, dtype = self.k.nodes[index], self.values.dtype(index)
        stored, width = self.k.accesses[node.attr].dtype, self.values.vector
        words = {
            "p": f"turned{node.attr}",
            "i": f"r * {self.line} + c" + (" + l" if self.values.lanes else ""),
            "w": str(width) if width > 1 else "",
            "m": self._place,
        }
        if stored == "float16":
            text, stored = self.values.d.load_own_half.format(**words), "float32"
        else:
            text = (self.values.d.load if width > 1 else "{p}[{i}]").format(**words)
        return self.values.cast(text, stored, dtype, width)
