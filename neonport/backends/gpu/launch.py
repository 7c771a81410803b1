"""Launches: what a device gives for one entry of a program, and rendered kernels made of them.

A captured CUDA graph holds the arguments of its launches by value. So what changes from replay to
replay (a learning rate, a step counter in it, key and offset of random numbers) lies in a `Box`:
words of 8 bytes on the host and on the device, copied over before a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from neonport.dtypes import whole_number
from neonport.errors import RecordingError
from neonport.tensor.storage import Storage


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
        types: their types.
    """

    __slots__ = ("_entries", "_numbers", "_rands", "_types")

    def __init__(self, entries: list[NativeLaunch], numbers: int, types: Sequence[type]) -> None:
        self._entries = entries
        self._numbers = numbers
        self._types = types
        self._rands = numbers + len(types)

    def __call__(self) -> None:
        """Launch the entries."""
        for entry in self._entries:
            entry()

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        values = typed(numbers, self._types)
        for entry in self._entries:
            entry.set_arguments(self._numbers, values)

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        words = [np.uint64(word) for source in sources for word in source]
        for entry in self._entries:
            entry.set_arguments(self._rands, words)


def typed(numbers: Sequence[float], types: Sequence[type]) -> list[Any]:
    """Numbers as NumPy scalars of some types.

    Raises:
        DtypeError: one does not fit into the integer type that it has to have.
    """
    with np.errstate(over="ignore"):
        return [
            kind(whole_number(number) if kind is np.int64 else number)
            for number, kind in zip(numbers, types, strict=True)
        ]


WORDS = 1 << 14


class Box:
    """Words on the host and on the device.

    Args:
        storage: memory for WORDS words.
        upload: copies words to its beginning, in the order of the device's queue.
    """

    def __init__(self, storage: Storage, upload: Callable[[np.ndarray], None]) -> None:
        self.storage = storage
        self.words = np.zeros(WORDS, np.uint64)
        self.used = 0
        self._changed = False
        self._upload = upload

    def take(self, count: int) -> int:
        """Position of `count` words that nobody else uses.

        Raises:
            RecordingError: the box is full.
        """
        at, self.used = self.used, self.used + count
        if self.used > WORDS:
            raise RecordingError(
                f"record: the step has more than {WORDS} numbers that change; record smaller steps"
            )
        return at

    def put(self, at: int, words: np.ndarray) -> None:
        """Replace words."""
        self.words[at : at + len(words)] = words
        self._changed = True

    def settle(self) -> None:
        """Copy the words to the device if any has changed."""
        if self._changed:
            self._changed = False
            self._upload(self.words[: self.used])


class BoxedLaunch:
    """The entries of a rendered kernel, with numbers and random sources in a box.

    Args:
        entries: launches with the same arguments.
        box: where the words are.
        at: position of the first one.
        types: of the number arguments; words of random sources follow.
    """

    def __init__(
        self, entries: list[NativeLaunch], box: Box, at: int, types: Sequence[type]
    ) -> None:
        self._entries = entries
        self._box = box
        self._at = at
        self._rands = at + len(types)
        self._types = types

    def __call__(self) -> None:
        """Launch the entries."""
        self._box.settle()
        for entry in self._entries:
            entry()

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the numbers."""
        words = np.zeros(len(numbers), np.uint64)
        for i, value in enumerate(typed(numbers, self._types)):
            words[i : i + 1].view(value.dtype)[0] = value
        self._box.put(self._at, words)

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        self._box.put(self._rands, np.array(sources, np.uint64).reshape(-1))
