"""A block of memory of one backend, shared by all tensors that view it."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.errors import FrozenError
from neonport.foundation.bounded_table import BoundedTable
from neonport.optree.signature import fresh_token
from neonport.shape import Shape, layouts_overlap, span

MAX_TOKENS = 1 << 14  # views of a generation whose tokens a storage knows

Layout = tuple[Shape, Shape, int]

_FIXED = frozenset({"native", "nbytes", "address", "readonly", "owner", "serial"})


class Storage:
    """Memory that tensors view; which memory that is cannot be changed afterwards.

    Args:
        native: what the backend needs to find the memory (an ndarray, a buffer object, ...).
        nbytes: size in bytes.
        space: hashable name of the address space; addresses compare only within one.
        address: position of the first byte in that space.
        readonly: whether writes are refused.
        owner: whatever must stay alive as long as the memory is used.

    Attributes:
        bound: statements bound to this memory, by key, and where they are kept.
        attached: objects that live as long as this memory, by key.
        serial: grows from one block to the next.
        overlapping: whether elements of a tensor over it may share memory, as sliding windows do.
    """

    __slots__ = (
        "__weakref__",
        "_tokens",
        "address",
        "attached",
        "bound",
        "native",
        "nbytes",
        "overlapping",
        "owner",
        "readonly",
        "serial",
        "space",
    )

    def __init__(
        self,
        native: Any,
        nbytes: int,
        space: Any,
        address: int,
        readonly: bool = False,
        owner: Any = None,
    ) -> None:
        self.native = native
        self.nbytes = nbytes
        self.space = space
        self.address = address
        self.readonly = readonly
        self.owner = owner
        self._tokens: BoundedTable[Any, int] = BoundedTable(MAX_TOKENS)
        self.attached: dict[Any, Any] = {}
        self.bound: dict[Any, BoundedTable[Any, Any]] = {}
        self.serial = fresh_token()
        self.overlapping = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and hasattr(self, name):
            raise FrozenError(f"storage: {name} is read-only; it says where the memory is")
        object.__setattr__(self, name, value)

    def __del__(self) -> None:
        # a bound statement may hold views of the memory: without tensors nobody can run it again
        for key, kept in getattr(self, "bound", {}).items():  # an interrupt may leave none
            kept.pop(key, None)

    def token(self, dtype: np.dtype, layout: Layout) -> int:
        """Identity of a view: equal views of this storage have equal tokens, no others ever do.

        A view that came before so many others that it was forgotten gets a new one.
        """
        key = (dtype, layout)
        found = self._tokens.get(key) or self._tokens.find(key)
        if found is None:
            found = fresh_token()
            self._tokens.keep(key, found)
        return found


def array_over(block: np.ndarray, dtype: np.dtype, layout: Layout) -> np.ndarray:
    """An array over a layout of some bytes of the host; strides and offset in elements."""
    shape, strides, offset = layout
    if 0 in shape:
        return np.empty(shape, dtype)
    step = dtype.itemsize
    return np.ndarray(shape, dtype, block, offset * step, tuple(s * step for s in strides))


def byte_range(storage: Storage, dtype: np.dtype, layout: Layout) -> tuple[int, int]:
    """Half-open range of addresses that a view touches."""
    low, high = span(*layout)
    return storage.address + low * dtype.itemsize, storage.address + high * dtype.itemsize


def views_overlap(a: Any, b: Any) -> bool:
    """Whether two tensors share memory; exact for slices of one array, else by bounds."""
    if a.storage.space != b.storage.space:
        return False
    if a.storage is b.storage and a.dtype.itemsize == b.dtype.itemsize:
        return layouts_overlap(a.layout, b.layout)
    (low_a, high_a) = byte_range(a.storage, a.dtype, a.layout)
    (low_b, high_b) = byte_range(b.storage, b.dtype, b.layout)
    return low_a < high_b and low_b < high_a and low_a < high_a and low_b < high_b
