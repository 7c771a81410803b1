"""The end of the interpreter: other threads stop using OpenCL before Python and drivers are gone.

Daemon threads go on while the interpreter ends. One that comes back from a driver then finds no
Python to come back to, and one that is in a driver finds that the driver has cleaned itself up:
both end the process. So a handler refuses other threads, waits until those at work are out, and
lets only the thread that ends the interpreter go on.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from neonport.log import logger

LONGEST = 60.0  # seconds to wait for a driver; a longer call may be one that never returns
PAUSE = 1e-3
_HERE = str(Path(__file__).parent)

_leaving: int | None = None  # the thread that ends the interpreter


class Enqueues(Protocol):
    """What launches take their function from."""

    enqueue: Callable[..., Any]


_enqueuing: weakref.WeakSet[Any] = weakref.WeakSet()


def check() -> None:
    """End this thread if another one is ending the interpreter.

    Raises:
        SystemExit: which ends a thread without a word, and releases what it has locked.
    """
    if _leaving is not None and _leaving != threading.get_ident():
        raise SystemExit


def watch(user: Enqueues) -> None:
    """Have `user.enqueue` refuse other threads from the end of the interpreter on.

    It is replaced then, so that launches are not slower until then.
    """
    _enqueuing.add(user)
    if _leaving is not None:
        user.enqueue = _refusing(user.enqueue)


def _refusing(call: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*args: Any) -> Any:
        check()
        return call(*args)

    return checked


def stop_other_threads() -> None:
    """Refuse other threads from now on, and wait until none is in this folder's code."""
    global _leaving
    _leaving = threading.get_ident()
    for user in list(_enqueuing):
        user.enqueue = _refusing(user.enqueue)
    end = time.monotonic() + LONGEST
    while any(_is_inside(f) for i, f in sys._current_frames().items() if i != _leaving):
        if time.monotonic() > end:
            logger.warning("opencl: a thread is still in a driver %g s after the end", LONGEST)
            return
        time.sleep(PAUSE)


def _is_inside(frame: FrameType | None) -> bool:
    """Whether a thread runs code of this folder, or what that has called."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(_HERE):
            return True
        frame = frame.f_back
    return False
