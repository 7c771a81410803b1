"""Which of many tensors may share memory with one: by address, not one by one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from neonport.tensor.storage import byte_range


class MemoryIndex:
    """Tensors in the order of their addresses.

    Args:
        tensors: any number of them.
    """

    def __init__(self, tensors: Sequence[Any]) -> None:
        spaces: dict[Any, list[tuple[int, int, int]]] = {}
        for place, t in enumerate(tensors):
            low, high = byte_range(t.storage, t.dtype, t.layout)
            if low < high:
                spaces.setdefault(t.storage.space, []).append((low, high, place))
        self._spaces = {space: _Ranges(ranges) for space, ranges in spaces.items()}

    def near(self, tensor: Any) -> list[int]:
        """Places of the tensors whose range of addresses meets that of `tensor`, in order."""
        found = self._spaces.get(tensor.storage.space)
        low, high = byte_range(tensor.storage, tensor.dtype, tensor.layout)
        return found.meeting(low, high) if found is not None and low < high else []


class _Ranges:
    """Half-open ranges by where they begin."""

    def __init__(self, ranges: list[tuple[int, int, int]]) -> None:
        ranges.sort()
        self._ranges = ranges
        self._starts = [low for low, _, _ in ranges]
        # where the ranges so far end: nothing before one that ends early can meet what comes later
        self._ends: list[int] = []
        for _, high, _ in ranges:
            self._ends.append(max(high, self._ends[-1]) if self._ends else high)

    def meeting(self, low: int, high: int) -> list[int]:
        found = []
        at = bisect_left(self._starts, high) - 1
        while at >= 0 and self._ends[at] > low:
            _, end, place = self._ranges[at]
            if end > low:
                found.append(place)
            at -= 1
        return sorted(found)
