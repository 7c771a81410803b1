"""Let no product be under way in another thread while the process forks.

OpenBLAS ends its helper threads before a fork, which strands a product of another thread, and a
lock held by that product stays locked in the child for ever: both hang. Counting the products under
way would cost each of them a sixth of its overhead. Instead, only when a fork is due, the BLAS
functions get a Python hook that makes every thread wait as it comes out of its product, and the
fork waits until no thread is inside one.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])

_POLL_SECONDS = 1e-4
_LIMIT_SECONDS = 30.0  # a thread that stays longer is stuck in something else: fork all the same

_functions: list[Any] = []
_callers: set[CodeType] = set()
_forking = threading.Lock()  # one fork at a time
_open = threading.Event()
_open.set()


def guard_function(function: Any) -> None:
    """Watch a ctypes function."""
    if function not in _functions:
        _functions.append(function)


def calls_blas(caller: _F) -> _F:
    """Mark a Python function that calls guarded functions itself; returns it."""
    _callers.add(caller.__code__)
    return caller


def _wait_outside(result: Any, function: Any, arguments: Any) -> Any:
    """Stand between a product and its caller while another thread forks."""
    _open.wait(_LIMIT_SECONDS)
    return result


def _somebody_is_inside() -> bool:
    mine = threading.get_ident()
    frames = sys._current_frames()
    return any(frame.f_code in _callers for thread, frame in frames.items() if thread != mine)


def _before_fork() -> None:
    _forking.acquire()
    if not _functions or len(sys._current_frames()) == 1:
        return
    _open.clear()
    for function in _functions:
        function.errcheck = _wait_outside
    limit = time.monotonic() + _LIMIT_SECONDS
    while _somebody_is_inside() and time.monotonic() < limit:
        time.sleep(_POLL_SECONDS)


def _after_in_parent() -> None:
    _release()
    _forking.release()


def _after_in_child() -> None:
    global _open, _forking
    was_open, _open = _open.is_set(), threading.Event()  # nobody of those who wait is here
    if was_open:
        _open.set()
    _forking = threading.Lock()
    _release()


def _release() -> None:
    if not _open.is_set():
        for function in _functions:
            del function.errcheck
        _open.set()


if hasattr(os, "register_at_fork") and hasattr(sys, "_current_frames"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
