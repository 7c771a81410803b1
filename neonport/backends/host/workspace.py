"""Memory that calls share, one at a time: it grows to what the largest of them needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import prod

import numpy as np

from neonport.backends.host import memory
from neonport.foundation.fork import call_in_child

ALIGNMENT = memory.ALIGNMENT

Prepare = Callable[["Carver"], Callable[[], None]]


class Carver:
    """Hands out arrays of a block, one after the other; without a block it only counts.

    Attributes:
        used: bytes handed out.
    """

    def __init__(self, block: np.ndarray | None = None) -> None:
        self.block = block
        self.used = 0

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array that nobody has initialised."""
        start, size = self.used, prod(shape) * dtype.itemsize
        self.used += -(-size // ALIGNMENT) * ALIGNMENT
        if self.block is None:  # only the size counts: an array of any shape that takes no memory
            return np.broadcast_to(np.zeros((), dtype), shape)
        return np.ndarray(shape, dtype, self.block, start)


class Workspace:
    """The block of one backend."""

    def __init__(self) -> None:
        self._block = np.empty(0, np.uint8)
        self._renew_lock()
        call_in_child(self, Workspace._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def _reserve(self, nbytes: int) -> None:
        if self._block.nbytes < nbytes:
            # the old block is let go first: calls that have views of it make new ones
            self._block = np.empty(0, np.uint8)
            self._block = memory.allocate(nbytes).native

    def bind(self, prepare: Prepare) -> Callable[[], None]:
        """A call that works in the block.

        Args:
            prepare: makes the call from a carver; asked first with one that only counts, and again
                when the block has been replaced.
        """
        counter = Carver()
        prepare(counter)
        if not counter.used:
            return prepare(Carver(np.empty(0, np.uint8)))
        with self._lock:
            self._reserve(counter.used)
            block = self._block
            call = prepare(Carver(block))

        def run() -> None:
            nonlocal block, call
            with self._lock:
                if block is not self._block:
                    block = self._block
                    call = prepare(Carver(block))
                call()

        return run


def _contiguous(array: np.ndarray) -> bool:
    return array.flags.c_contiguous


def staged(
    operands: list[np.ndarray],
    target: np.ndarray,
    carver: Carver,
    make: Callable[[list[np.ndarray], np.ndarray], Callable[[], None]],
    fits: Callable[[np.ndarray], bool] = _contiguous,
) -> Callable[[], None]:
    """A call on arrays of the layout it wants; others are copied before and after it.

    Args:
        operands: of any layout.
        target: of any layout; shares no memory with the operands.
        carver: where the copies lie.
        make: makes the call from operands and target.
        fits: whether an array can be used as it is; a C-contiguous one must fit.
    """

    def near(array: np.ndarray) -> np.ndarray:
        return array if fits(array) else carver.array(array.shape, array.dtype)

    inputs, out = [near(a) for a in operands], near(target)
    call = make(inputs, out)
    before = [(i, a) for i, a in zip(inputs, operands, strict=True) if i is not a]
    if not before and out is target:
        return call

    def run() -> None:
        for copy, array in before:
            np.copyto(copy, array)
        call()
        if out is not target:
            np.copyto(target, out)

    return run
