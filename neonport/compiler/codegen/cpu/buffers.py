"""Host C, small buffers beside the loops: values kept for a later pass, stores around the cache.

A row is walked once for each phase. A function that a later phase needs again (the exponentials of
a softmax) is *kept* in a buffer on the stack, if the row is short enough for the cache.

Random numbers come in fours: a block of them is *drawn* into a buffer before the loop.

A large result that the kernel does not read is *streamed*: a block of it is made in a buffer, and
stored past the cache. An ordinary store reads each line of memory before it is overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neonport.compiler.codegen.cpu.values import COLUMNS, HostValues
from neonport.compiler.codegen.reductions import fold_of
from neonport.compiler.codegen.reuse import COSTLY, kept, streamable
from neonport.compiler.kernel import UNIT, Reduction
from neonport.compiler.reduction_phases import cone

KEPT_LENGTH = 4096  # elements of a row whose values are kept, at most
IN_LANES = 16  # values computed for partial results that are made in lanes, at most
COSTLY_IN_LANES = 1  # costly ones among them
DRAWN = 1024  # elements of a block for which random numbers are drawn, at most
KEPT_ROWS = 64  # folded positions of a block of columns whose values are kept, at most


@dataclass(frozen=True)
class Variant:
    """A way to write a kernel; which one is best depends on its sizes.

    Attributes:
        split: rows are few and long, and cut into chunks.
        keep: costly values are kept from one phase to the next.
        stream: results are stored past the cache.
        turn: loads that run across the loops go through tiles.
    """

    split: bool = False
    keep: bool = False
    stream: bool = False
    turn: bool = False


class HostBuffers(HostValues):
    """Writes the buffers."""

    def choose(self, variant: Variant) -> None:
        """Take a variant; before anything is written."""
        self.split = variant.split
        self.keeps = kept(self.k) if variant.keep and not variant.split else frozenset()
        self.streams = streamable(self.k, variant.keep) if variant.stream else frozenset()
        self.have: set[int] = set()
        self.ahead: dict[int, str] = {}
        self.lane = ""  # suffix of a partial sum inside a loop over lanes
        self.apart = False  # whether what goes into it is kept apart, in a variable

    # ---- values that a later phase reads again -----------------------------------------------

    def _declare_kept(self) -> None:
        length = KEPT_ROWS * COLUMNS if self.k.column else KEPT_LENGTH
        for i in sorted(self.keeps):
            kind = self.type(self.k.nodes[i].dtype)
            self.put(f"{kind} kept{i}[{length}] NEO_ALIGNED;")

    def _place(self) -> str:
        """Where the value of the current element is kept."""
        place = f"r{self.fold[0]}"
        for axis in self.fold[1:]:
            place = f"({place} * n{axis} + r{axis})"
        return f"{place} * {COLUMNS} + j" if self.k.column else place

    def _elements(self, wanted: Sequence[int]) -> None:
        """Compute element values, or read what an earlier loop kept."""
        nodes = cone(self.k, wanted, self.have)
        for i in nodes:
            if i in self.have:
                kind = self.type(self.k.nodes[i].dtype)
                self.put(f"const {kind} v{i} = kept{i}[{self._place()}];")
                continue
            self._emit([i])
            if i in self.keeps:
                self.put(f"kept{i}[{self._place()}] = v{i};")
        self.have.update(self.keeps.intersection(nodes))

    def _in_lanes(self, reductions: Sequence[tuple[int, Reduction]], wanted: Sequence[int]) -> bool:
        """Whether results are made in lanes: it writes the values twice, so they must be few.

        What is kept does not count, for the order of the additions is the same in all variants.
        """
        nodes = cone(self.k, wanted)
        few = len(nodes) <= IN_LANES
        few = few and sum(self.k.nodes[i].op in COSTLY for i in nodes) <= COSTLY_IN_LANES
        return few and bool(reductions) and all(fold_of(r).lanes for _, r in reductions)

    def _maskable(self, wanted: Sequence[int]) -> bool:
        """Whether all that is needed can be loaded under a mask: neighbours, 4 bytes or wider."""
        loads = [self.k.nodes[i] for i in cone(self.k, wanted) if self.k.nodes[i].args == ()]
        found = [self.k.accesses[n.attr] for n in loads if n.op == "load"]
        sizes = [np.dtype(a.dtype).itemsize for a in found if a.strides[-1] == UNIT]
        return len(sizes) == len(loads) and min(sizes, default=0) >= 4

    # ---- random numbers ----------------------------------------------------------------------

    def drawn(self, wanted: Sequence[int]) -> list[int]:
        """Nodes of random numbers that are drawn ahead: neighbours along the innermost loop."""
        nodes = [i for i in cone(self.k, wanted, self.have) if i not in self.have]
        return [
            i
            for i in nodes
            if self.k.nodes[i].op == "rand"
            and not self.k.column
            and self.k.accesses[self.k.nodes[i].attr[0]].strides[-1] == UNIT
        ]

    def _draw(self, wanted: Sequence[int], bounds: tuple[str, str]) -> None:
        for i in self.drawn(wanted):
            form, slot = self.k.nodes[i].attr
            self.put(f"float drawn{i}[{DRAWN + 8}] NEO_ALIGNED;")
            self.put(f"const neo_i64 from{i} = {self._at_start(form, bounds[0])};")
            last = f"from{i} + ({bounds[1]} - {bounds[0]})"
            self.put(f"neo_uniforms(key{slot}, off{slot}, from{i}, {last}, drawn{i});")
            index = f"p{form} + {self._position(form, False)} - (from{i} & ~3LL)"
            self.ahead[i] = f"drawn{i}[{index}]"

    def _value(self, index: int) -> str:
        return self.ahead.get(index) or super()._value(index)

    def _at_start(self, access: int, start: str) -> str:
        """Position of an access where the innermost loop begins."""
        position = f"p{access} + {self._position(access, False)}"
        return re.sub(rf"\br{self.fold[-1]}\b", start, position)

    # ---- results around the cache ------------------------------------------------------------

    def _declare_streamed(self, access: int, length: int) -> None:
        kind = self.type(self.k.accesses[access].dtype)
        self.put(f"{kind} out{access}[{length}] NEO_ALIGNED;")

    def _stored(self, access: int, start: str) -> str:
        """The element that a store writes; a block of the buffer begins at `start`."""
        if access not in self.streams:
            return f"p{access}[{self._position(access, False)}]"
        return f"out{access}[j]" if self.k.column else f"out{access}[r{self.fold[-1]} - {start}]"

    def _past_line(self, access: int) -> str:
        """How many elements lie between the start of a cache line and that of a block.

        A block that is that much shorter ends with a line, and all later ones are whole lines: one
        that is stored in halves is read from memory first.
        """
        return f"neo_past_line({self._at_start(access, 'e0')}, sizeof(*b{access}))"

    def _stream_block(self, access: int, bounds: tuple[str, str]) -> None:
        place = self._at_start(access, bounds[0])
        self._stream(access, place, f"({bounds[1]} - {bounds[0]})")

    def _stream_columns(self, access: int) -> None:
        place = f"p{access} + {self._position(access, False)}"
        self._stream(access, re.sub(r"\bj\b", "0", place), "w")

    def _stream(self, access: int, place: str, count: str) -> None:
        size = f"(neo_i64)sizeof(*out{access})"
        self.put(f"neo_stream({place}, out{access}, {count} * {size});")
