"""A kernel bound to memory: arguments packed once, a call hands them to the driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.backends.cuda.stream import Queue
from neonport.tensor.storage import Storage


class KernelLaunch:
    """An entry of a module with its arguments in the form that the driver reads.

    Args:
        queue: where it goes; asked at every call, so that it follows `be.use_stream`.
        function: CuPy's function object.
        groups, group: blocks, and threads in each.
        arguments: a Storage stands for its address, all others are NumPy scalars.
        keep: what must live as long as the launch.
    """

    __slots__ = (
        "_bytes",
        "_function",
        "_group",
        "_groups",
        "_launch",
        "_places",
        "_pointers",
        "_queue",
        "_table",
        "keep",
    )

    def __init__(
        self,
        queue: Queue,
        function: Any,
        groups: int,
        group: int,
        arguments: Sequence[Any],
        keep: Any,
    ) -> None:
        from cupy_backends.cuda.api import driver

        self._queue = queue
        self._function = function.ptr
        self._launch = driver.launchKernel
        self._groups = groups
        self._group = group
        self.keep = (keep, function)
        words = [np.uint64(a.address) if isinstance(a, Storage) else a for a in arguments]
        self._places = list(range(0, 8 * len(words), 8))  # no argument is larger than 8 bytes
        self._bytes = np.zeros(8 * len(words), np.uint8)
        self._table = (self._bytes.ctypes.data + np.array(self._places, np.uint64)).astype(
            np.uint64
        )
        self._pointers = self._table.ctypes.data
        self.set_arguments(0, words)

    def __call__(self) -> None:
        """Hand it to the stream."""
        try:
            self._enqueue()
        except RuntimeError as error:
            self._queue.retry(error, self._enqueue)

    def _enqueue(self) -> None:
        self._launch(
            self._function, self._groups, 1, 1, self._group, 1, 1, 0, self._queue.ptr,
            self._pointers, 0,
        )  # fmt: skip

    def set_arguments(self, first: int, values: Sequence[Any]) -> None:
        """Replace arguments from position `first` on by NumPy scalars of the same types."""
        for i, value in enumerate(values, first):
            data = value.tobytes()
            place = self._places[i]
            self._bytes.data[place : place + len(data)] = data
