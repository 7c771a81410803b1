"""When a call of a BLAS may begin that does not come from the pool, which has a gate of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap

BUFFER_BYTES = 64 << 20  # twice what a call of OpenBLAS may map for its copies


def room_for(nbytes: int) -> bool:
    """Whether the system would map so many bytes."""
    try:
        mmap(-1, nbytes).close()
    except (OSError, MemoryError):
        return False
    return True


class Gate:
    """Lets calls of OpenBLAS in while there is memory for them and no fork is due.

    A lock of OpenBLAS that another thread holds while the process forks stays locked in the child;
    and OpenBLAS ends the process if it cannot map memory for one more thread.
    """

    def __init__(self) -> None:
        self._reset()
        self.most = 1
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._close, after_in_parent=self._open, after_in_child=self._reset
            )

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    def _close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._inside)

    def _open(self) -> None:
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def _admits(self) -> bool:
        if self._closed:
            return False
        if self._inside == self.most and room_for(BUFFER_BYTES):
            self.most += 1
        return self._inside < self.most

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Wait for admission; leave at the end."""
        with self._changed:
            self._changed.wait_for(self._admits)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()
