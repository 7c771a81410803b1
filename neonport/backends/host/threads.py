"""How many threads the cpu backend uses: one number for the JIT, the BLAS and whatever comes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from neonport.errors import ConfigurationError

ENVIRONMENT = "NEONPORT_NUM_THREADS"

_lock = threading.RLock()
_count: int | None = None
_listeners: list[Callable[[int], None]] = []


def usable_cores() -> int:
    """Count the cores this process may run on (its affinity mask, not the whole machine)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def num_threads() -> int:
    """Return the number of threads: `set_num_threads`, else NEONPORT_NUM_THREADS, else the cores.

    Raises:
        ConfigurationError: NEONPORT_NUM_THREADS is not a positive integer.
    """
    global _count
    if _count is None:
        with _lock:
            if _count is None:
                _count = _from_environment()
    return _count


def set_num_threads(count: int) -> None:
    """Set the number of threads of everything in the cpu backend that has threads.

    Args:
        count: at least 1.

    Raises:
        ConfigurationError: count is not a positive integer.
    """
    global _count
    checked = _positive(count, "set_num_threads(count)")
    with _lock:
        _count = checked
        for listener in _listeners:
            listener(checked)


def on_change(listener: Callable[[int], None]) -> None:
    """Call `listener` with the number of threads now and whenever it is set."""
    with _lock:
        listener(num_threads())
        _listeners.append(listener)


def _from_environment() -> int:
    text = os.environ.get(ENVIRONMENT, "").strip()
    return _positive(text, ENVIRONMENT) if text else usable_cores()


def _positive(value: int | str, name: str) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = 0
    if count < 1:
        raise ConfigurationError(f"{name} must be a positive integer, got {value!r}")
    return count


def _reset_lock_after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_lock_after_fork)
