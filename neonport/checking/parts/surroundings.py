"""Memory around targets: all of it, or a window that is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.checking.memory_checks import bytes_of
from neonport.shape import span

Array = npt.NDArray[Any]
AROUND = 1 << 26  # bytes of a block of which views are written, beyond which nobody looks around
WINDOW = 1 << 12  # bytes of a window
PLACES = 64  # of windows in a block, at most: each is a view that its memory remembers


class Surroundings:
    """Bytes of one block before a statement, some of whose targets are views of it.

    Args:
        be: the backend.
        views: those targets.
        random: draws a window; None: all of the block.
    """

    def __init__(self, be: Any, views: Sequence[Any], random: Random | None) -> None:
        self.be = be
        self.views = views
        storage = views[0].storage
        self.start, size = 0, storage.nbytes
        if random is not None and size > WINDOW:
            self.start, size = _window(views, size, random), WINDOW
        self._bytes = bytes_of(be, storage, self.start, size)
        self._before = self._read()

    def _read(self) -> Array:
        found: Array = self.be.device.copy_out(self._bytes)[0]
        return found

    def written(self) -> Array:
        """Bytes of the block that have changed and are not of a target: their places."""
        changed: Array = np.flatnonzero(self._read() != self._before) + self.start
        for view in self.views:
            if not changed.size:
                break
            changed = changed[~_belongs(changed, view)]
        return changed


def around(be: Any, targets: Sequence[Any], random: Random | None) -> Iterator[Surroundings]:
    """Memory that targets are views of.

    Args:
        be: the backend.
        targets: of a statement.
        random: draws windows of that memory; None: all of it, unless it is very large.
    """
    blocks: dict[int, list[Any]] = {}
    for target in targets:
        blocks.setdefault(id(target.storage), []).append(target)
    for views in blocks.values():
        size = views[0].storage.nbytes
        if sum(t.nbytes for t in views) < size and (random is not None or size <= AROUND):
            yield Surroundings(be, views, random)


def _window(views: Sequence[Any], size: int, random: Random) -> int:
    """Where a window begins: at an end of a target, among its elements, or anywhere."""
    view = random.choice(views)
    low, high = (at * view.dtype.itemsize for at in span(*view.layout))
    where = random.randrange(4)
    if where < 2:
        start = (low - WINDOW, high)[where]
    else:
        low, high = (low, high) if where == 2 else (0, size)
        step = max((high - low) // PLACES, WINDOW)
        start = min(low + random.randrange((high - low) // step + 1) * step, high - WINDOW)
    return max(min(start, size - WINDOW), 0)


def _belongs(places: Array, view: Any) -> Array:
    """Whether bytes of a block are among the elements of a view of it.

    The strides of a view are taken from the largest to the smallest, as the digits of a number.
    Where that says nothing, because elements share memory, everything between the first and the
    last element counts.
    """
    axes = [(abs(s), n) for n, s in zip(view.shape, view.strides, strict=True) if n > 1 and s]
    axes.sort(reverse=True)
    low, high = span(*view.layout)
    left = places // view.dtype.itemsize - low
    inside: Array = (left >= 0) & (left < high - low)
    reach = 0
    for stride, n in reversed(axes):
        if stride <= reach:
            return inside
        reach += (n - 1) * stride
    for stride, n in axes:
        left = left - np.minimum(left // stride, n - 1) * stride
    return inside & (left == 0)
