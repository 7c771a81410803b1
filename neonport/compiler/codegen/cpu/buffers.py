"""Host C, small buffers beside the loops: values kept for a later phase, stores around the cache.

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

from neonport.compiler.codegen.cpu.values import COLUMNS, HostValues
from neonport.compiler.codegen.reuse import kept, streamable
from neonport.compiler.kernel import UNIT
from neonport.compiler.reduction_phases import cone

KEPT_LENGTH = 4096  # elements of a row whose values are kept, at most
DRAWN = 1024  # elements of a block for which random numbers are drawn, at most
KEPT_ROWS = 64  # folded positions of a block of columns whose values are kept, at most


@dataclass(frozen=True)
class HostVariant:
    """A way to write a kernel; which one is best depends on its sizes.

    Attributes:
        split: rows are few and long, and cut into chunks.
        keep: costly values are kept from one phase to the next.
        stream: results are stored past the cache.
        tiles: loads that run across the loops go through tiles.
    """

    split: bool = False
    keep: bool = False
    stream: bool = False
    tiles: bool = False


class HostBuffers:
    """Writes the buffers of a kernel in one variant.

    Attributes:
        streams: accesses of the stores that pass by the cache.
        have: nodes that an earlier loop has kept.
    """

    def __init__(self, values: HostValues, variant: HostVariant) -> None:
        self.values, self.k, self.put = values, values.k, values.put
        self.keeps = kept(self.k) if variant.keep and not variant.split else frozenset()
        self.streams = streamable(self.k, variant.keep) if variant.stream else frozenset()
        self.have: set[int] = set()

    # ---- values that a later phase reads again -----------------------------------------------

    def declare_kept(self) -> None:
        """Buffers for what is kept."""
        length = KEPT_ROWS * COLUMNS if self.k.column else KEPT_LENGTH
        for i in sorted(self.keeps):
            kind = self.values.type(self.k.nodes[i].dtype)
            self.put(f"{kind} kept{i}[{length}] NEO_ALIGNED;")

    def _place(self) -> str:
        """Place of the current element's value."""
        place = f"r{self.values.fold[0]}"
        for axis in self.values.fold[1:]:
            place = f"({place} * n{axis} + r{axis})"
        return f"{place} * {COLUMNS} + j" if self.k.column else place

    def elements(self, wanted: Sequence[int]) -> None:
        """Compute element values, or read what an earlier loop kept."""
        nodes = cone(self.k, wanted, self.have)
        for i in nodes:
            if i in self.have:
                kind = self.values.type(self.k.nodes[i].dtype)
                self.put(f"const {kind} v{i} = kept{i}[{self._place()}];")
                continue
            self.values.emit([i])
            if i in self.keeps:
                self.put(f"kept{i}[{self._place()}] = v{i};")
        self.have.update(self.keeps.intersection(nodes))

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

    def draw(self, wanted: Sequence[int], bounds: tuple[str, str]) -> None:
        """Draw the random numbers of a block."""
        for i in self.drawn(wanted):
            form, slot = self.k.nodes[i].attr
            self.put(f"float drawn{i}[{DRAWN + 8}] NEO_ALIGNED;")
            self.put(f"const neo_i64 from{i} = {self._at_start(form, bounds[0])};")
            last = f"from{i} + ({bounds[1]} - {bounds[0]})"
            self.put(f"neo_uniforms(key{slot}, off{slot}, from{i}, {last}, drawn{i});")
            index = f"p{form} + {self.values.position(form, False)} - (from{i} & ~3LL)"
            self.values.given[i] = f"drawn{i}[{index}]"

    def _at_start(self, access: int, start: str) -> str:
        """Position of an access where the innermost loop begins."""
        position = f"p{access} + {self.values.position(access, False)}"
        return re.sub(rf"\br{self.values.fold[-1]}\b", start, position)

    # ---- results around the cache ------------------------------------------------------------

    def declare_streamed(self, access: int, length: int) -> None:
        """A buffer for a block of a result."""
        kind = self.values.type(self.k.accesses[access].dtype)
        self.put(f"{kind} out{access}[{length}] NEO_ALIGNED;")

    def stored(self, access: int, start: str) -> str:
        """The element that a store writes; a block of the buffer begins at `start`."""
        if access not in self.streams:
            return f"p{access}[{self.values.position(access, False)}]"
        return (
            f"out{access}[j]"
            if self.k.column
            else f"out{access}[r{self.values.fold[-1]} - {start}]"
        )

    def past_line(self, access: int) -> str:
        """Number of elements between the start of a cache line and that of a block.

        A block that is that much shorter ends with a line, and all later ones are whole lines: one
        that is stored in halves is read from memory first.
        """
        return f"neo_past_line({self._at_start(access, 'e0')}, sizeof(*b{access}))"

    def stream_block(self, access: int, bounds: tuple[str, str]) -> None:
        """Store a block of a row past the cache."""
        place = self._at_start(access, bounds[0])
        self._stream(access, place, f"({bounds[1]} - {bounds[0]})")

    def stream_columns(self, access: int) -> None:
        """Store a block of columns past the cache."""
        place = f"p{access} + {self.values.position(access, False)}"
        self._stream(access, re.sub(r"\bj\b", "0", place), "w")

    def _stream(self, access: int, place: str, count: str) -> None:
        size = f"(neo_i64)sizeof(*out{access})"
        self.put(f"neo_stream({place}, out{access}, {count} * {size});")
