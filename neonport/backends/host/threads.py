"""How many threads the cpu backend uses: one number for the JIT, the BLAS and whatever comes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from math import ceil

from neonport import settings
from neonport.backends.host.cpu_quota import cpu_quota
from neonport.errors import ConfigurationError

_lock = threading.RLock()
_count: int | None = None
_listeners: list[Callable[[int], None]] = []


def usable_cores() -> int:
    """Count the cores this process may use: its affinity mask, no more than its quota of time."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = (len(affinity(0)) if affinity else os.cpu_count()) or 1
    quota = cpu_quota()
    return cores if quota is None else min(cores, ceil(quota))


def num_threads() -> int:
    """Return the number of threads: `set_num_threads`, else NEONPORT_NUM_THREADS, else the cores.

    Raises:
        ConfigurationError: NEONPORT_NUM_THREADS is not a positive integer.
    """
    global _count
    if _count is None:
        with _lock:
            if _count is None:
                _count = settings.NUM_THREADS.get() or usable_cores()
    return _count


def set_num_threads(count: int) -> None:
    """Set the number of threads of everything in the cpu backend that has threads.

    Args:
        count: at least 1.

    Raises:
        ConfigurationError: count is not a positive integer.
    """
    global _count
    try:
        checked = int(count)
    except (TypeError, ValueError):
        checked = 0
    if checked < 1:
        raise ConfigurationError(
            f"set_num_threads(count): count must be a positive integer, got {count!r}"
        )
    with _lock:
        _count = checked
        for listener in _listeners:
            listener(checked)


def on_change(listener: Callable[[int], None]) -> None:
    """Call `listener` with the number of threads now and whenever it is set."""
    with _lock:
        listener(num_threads())
        _listeners.append(listener)


def _reset_lock_after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_lock_after_fork)
