"""Keep a driver's threads off the processor of the thread that calls.

Where a waking thread goes is the system's choice, and it may be the caller's processor while
another one is idle: both then wait for each other for many milliseconds. The cpu backend keeps its
own threads away (`runtime.c`); this does it for a driver whose caller works while it waits.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable

from neonport import settings

TASKS = "/proc/self/task"
LAUNCHES = 32  # from one look at the caller's processor to the next
PAUSE = 1e-3  # seconds between moves, for callers may take turns
AGAIN = 1.0  # seconds after which they are told again: Intel's runtime ties them itself, at times


def tasks() -> frozenset[int]:
    """Numbers of the threads of this process; none where the system does not list them."""
    try:
        return frozenset(int(name) for name in os.listdir(TASKS))
    except (OSError, ValueError):
        return frozenset()


def processor_reader() -> Callable[[], int] | None:
    """A call that tells on which processor the calling thread is; None if there is no such."""
    if sys.platform != "linux":
        return None
    try:
        read: Callable[[], int] = ctypes.PyDLL(None).sched_getcpu
    except (OSError, AttributeError):
        return None
    return read


class Workers:
    """Threads that a driver started for its work; none where it is not certain which they are.

    Args:
        before: threads of the process before the driver started its own; empty if they are to be
            left alone.
        most: how many a driver has that leaves one processor to the caller.
        read: tells the caller's processor.

    Attributes:
        left: launches until the next look.
        threads: their numbers.
    """

    def __init__(
        self,
        before: frozenset[int] = frozenset(),
        most: int = 0,
        read: Callable[[], int] | None = None,
    ) -> None:
        self.left = 0
        self.threads: list[int] = []
        self._off = -1  # the processor that they keep off
        self._moved = -AGAIN
        self._lock = threading.Lock()
        if not before or not settings.OPENCL_AFFINITY.get():
            return
        read = read or processor_reader()
        if read is None:
            return
        self._read = read
        self._allowed = os.sched_getaffinity(0)
        python = {t.native_id for t in threading.enumerate()}
        found = sorted(tasks() - before - python)
        if len(found) <= most and len(self._allowed) > 1:
            self.threads = found

    def look(self) -> None:
        """Move them if the caller has moved."""
        self.left = LAUNCHES
        if not self.threads:
            return
        here, now = self._read(), time.monotonic()
        if now - self._moved < (AGAIN if here == self._off else PAUSE):
            return
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._off, self._moved = here, now
            # a caller that is tied to one processor says nothing about the others
            rest = os.sched_getaffinity(0) - {here} or self._allowed
            for thread in self.threads:
                os.sched_setaffinity(thread, rest)
        except OSError:  # the driver has ended them
            self.threads = []
        finally:
            self._lock.release()
