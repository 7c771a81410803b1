"""The graph of a statement: distinct values over views of memory, and what is stored where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from neonport.shape import Shape, contiguous_strides
from neonport.tensor.storage import Layout


class MemoryView(NamedTuple):
    """A view of memory: which storage (a slot of the graph), dtype and layout."""

    slot: int
    dtype: np.dtype
    layout: Layout


class Value(NamedTuple):
    """A distinct value of the graph.

    Attributes:
        op: name in the op table, or "leaf", "scalar", "iota".
        args: indices of operand values.
        shape: shape of the value.
        dtype: compute dtype.
        attr: hashable extras: MemoryView of a leaf, slot of a scalar, axes of a reduction, ...
    """

    op: str
    args: tuple[int, ...]
    shape: Shape
    dtype: np.dtype
    attr: Any = None


@dataclass(frozen=True)
class Graph:
    """Values in dependency order, what is stored where, and what fills the slots.

    Attributes:
        values: distinct values, operands first.
        outputs: (value, target) pairs.
        storages: number of storage slots.
        rands: number of random sources.
    """

    values: tuple[Value, ...]
    outputs: tuple[tuple[int, MemoryView], ...]
    storages: int
    rands: int


def contiguous_leaf(slot: int, dtype: np.dtype, shape: Shape) -> MemoryView:
    """A leaf over the beginning of a storage of its own."""
    return MemoryView(slot, dtype, (shape, contiguous_strides(shape), 0))
