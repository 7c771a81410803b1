"""Kernel: the frozen description of one fused loop nest; its hash is the cache key.

A kernel runs over an index space of a few loop axes. Some are folded by reductions. Values are
computed at one of two levels: per element of the space, or per *row*, that is once for all
positions of the folded axes. Reductions come in phases: a phase may use the results of earlier
ones. Sizes, strides and numbers are arguments; which strides are 0 or 1 is part of the kernel.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from neonport.shape import Shape

# stride classes of an access along a loop axis
ZERO, UNIT, ANY = "0", "1", "n"
POSITIONS = frozenset({"argmax", "argmin"})  # reductions whose result is a position
TWICE = frozenset({"var"})  # reductions that look at each element twice


class Access(NamedTuple):
    """Addressing of a buffer.

    Attributes:
        buffer: index of the buffer argument.
        dtype: stored dtype name.
        strides: stride class per loop axis.
    """

    buffer: int
    dtype: str
    strides: tuple[str, ...]


class Node(NamedTuple):
    """A value inside a kernel.

    Attributes:
        op: op name, or load, scalar, iota, rand, gather, result (of a reduction).
        args: node indices.
        dtype: compute dtype name.
        attr: access index (load, gather), slot (scalar, rand), stride list (iota), ...
        row: computed once a row, not once an element.
        phase: first phase after which a row value is known; -1 needs no reduction.
    """

    op: str
    args: tuple[int, ...]
    dtype: str
    attr: Any
    row: bool
    phase: int


@dataclass(frozen=True)
class Reduction:
    """Fold `source` over the folded axes in a phase; node `result` is its value.

    `index` is the access that numbers the folded positions, where the result is one of them.
    """

    op: str
    source: int
    result: int
    phase: int
    index: int | None = None

    @property
    def twice(self) -> bool:
        """Whether host code looks at each element twice."""
        return self.op in TWICE


class Store(NamedTuple):
    """Write node `source` through an access: in a phase, or (row level) after all of them."""

    access: int
    source: int
    phase: int
    row: bool


@dataclass(frozen=True)
class Kernel:
    """A fused loop nest.

    Attributes:
        axes: one entry a loop axis, outermost first: True where it is folded (or, without
            reductions, the innermost axis, which is chunked).
        accesses, nodes, reductions, stores: see their classes; nodes in dependency order.
        phases: how often the folded axes are walked.
        scalars: number of number arguments.
        rands: number of random sources.
    """

    axes: tuple[bool, ...]
    accesses: tuple[Access, ...]
    nodes: tuple[Node, ...]
    reductions: tuple[Reduction, ...]
    stores: tuple[Store, ...]
    phases: int
    scalars: int
    rands: int

    @cached_property
    def _hash(self) -> int:
        return hash((self.axes, self.accesses, self.nodes, self.reductions, self.stores))

    def __hash__(self) -> int:  # a new statement looks its kernels up in several tables
        return self._hash

    @cached_property
    def key(self) -> str:
        """Hash of the description, equal in every process."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:24]

    @cached_property
    def whole_scalars(self) -> tuple[bool, ...]:
        """For each number argument whether it is an integer, of 64 bits."""
        found = {n.attr for n in self.nodes if n.op == "scalar" and n.dtype == "int64"}
        return tuple(i in found for i in range(self.scalars))

    @property
    def column(self) -> bool:
        """Whether the innermost axis is kept: reductions run over rows of a block of columns."""
        return not self.axes[-1]

    @property
    def buffers(self) -> int:
        """Number of buffer arguments."""
        return 1 + max((a.buffer for a in self.accesses), default=-1)


class BoundKernel(NamedTuple):
    """A kernel with everything but addresses and numbers.

    Attributes:
        kernel: the description.
        sizes: per loop axis.
        buffers: storage slot and dtype of each buffer argument.
        strides: per access, per loop axis, in elements.
        offsets: per access, first element within its buffer's storage.
        scalars: graph slot of each number argument.
        rands: graph slot of each random source.
        bytes_moved: each input read once, each output written once.
    """

    kernel: Kernel
    sizes: Shape
    buffers: tuple[Any, ...]
    strides: tuple[Shape, ...]
    offsets: tuple[int, ...]
    scalars: tuple[int, ...]
    rands: tuple[int, ...]
    bytes_moved: int
