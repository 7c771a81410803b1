"""A thread that makes the next minibatches while the current one is in use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

from neonport.errors import ConfigurationError

T = TypeVar("T")


class _End:
    """The last thing that the thread says: nothing comes any more, or why.

    Args:
        error: what stopped it.
    """

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def check_prefetch(label: str, prefetch: Any) -> int:
    """Return how many minibatches are made ahead.

    Raises:
        ConfigurationError: it is no whole number from 0.
    """
    if isinstance(prefetch, bool) or not isinstance(prefetch, int) or prefetch < 0:
        raise ConfigurationError(
            f"{label}: prefetch={prefetch!r} must be a whole number of minibatches; 0 makes each "
            "one when it is needed"
        )
    return prefetch


def ahead(items: Iterator[T], count: int, done: Callable[[T], None]) -> Generator[T, None, None]:
    """Yield what an iterator gives, of which up to `count` items are made in advance.

    The iterator runs in a thread of its own, which ends with this generator: when it is exhausted,
    closed or garbage. What it raises is raised here, with the traceback of the thread.

    Args:
        items: used by the thread only.
        count: 0 uses no thread.
        done: called with each item when the next one is asked for, on the caller's thread. There
            are never more than `count` + 1 items that are not done.
    """
    if count == 0:
        for item in items:
            yield item
            done(item)
        return
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    permits = threading.Semaphore(count + 1)
    stop = threading.Event()
    thread = threading.Thread(
        target=_produce, args=(items, ready, permits, stop), name="neonport-prefetch", daemon=True
    )
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            done(item)
            permits.release()
    finally:
        stop.set()
        permits.release()
        if thread is not threading.current_thread():  # which may collect garbage
            thread.join()


def _produce(
    items: Iterator[Any],
    ready: queue.SimpleQueue[Any],
    permits: threading.Semaphore,
    stop: threading.Event,
) -> None:
    """What the thread does."""
    error = None
    try:
        while True:
            permits.acquire()
            if stop.is_set():
                break
            try:
                ready.put(next(items))
            except StopIteration:
                break
    except BaseException as caught:
        error = caught
    try:
        close = getattr(items, "close", None)
        if close is not None:
            close()
    except BaseException as caught:
        error = error or caught
    finally:
        ready.put(_End(error))
