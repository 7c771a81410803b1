"""Launches: what a device gives for one entry of a program, and rendered kernels made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class NativeLaunch(Protocol):
    """An entry of a program with its arguments."""

    def __call__(self) -> None:
        """Hand it to the device's queue."""

    def set_arguments(self, first: int, values: Sequence[Any]) -> None:
        """Replace arguments from position `first` on by NumPy scalars of the same types."""


class RenderedLaunch:
    """The entries of a rendered kernel in order.

    Args:
        entries: launches with the same arguments.
        numbers: position of the first number argument.
        real: its type.
        rands: position of the first random argument.
    """

    __slots__ = ("_entries", "_numbers", "_rands", "_real")

    def __init__(self, entries: list[NativeLaunch], numbers: int, real: type, rands: int) -> None:
        self._entries = entries
        self._numbers = numbers
        self._real = real
        self._rands = rands

    def __call__(self) -> None:
        """Launch the entries."""
        for entry in self._entries:
            entry()

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        with np.errstate(over="ignore"):
            values = [self._real(number) for number in numbers]
        for entry in self._entries:
            entry.set_arguments(self._numbers, values)

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        words = [np.uint64(word) for source in sources for word in source]
        for entry in self._entries:
            entry.set_arguments(self._rands, words)
