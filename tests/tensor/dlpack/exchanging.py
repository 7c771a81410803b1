"""Tensors that threads hand to each other, and what many imports leave behind."""

from __future__ import annotations

import gc
import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PAGE = 4096


def resident() -> int:
    """Bytes of this process in memory, on Linux."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


def flat(call: Callable[[], Any], count: int) -> int:
    """Call often; return how much memory more there is than after the first tenth."""
    for _ in range(count // 10):
        call()
    gc.collect()
    before = resident()
    for _ in range(count):
        call()
    gc.collect()
    return resident() - before


def exchange(threads: int, seconds: float, make: Callable[[], Any]) -> list[int]:
    """Let threads, each with a backend, pass arrays around a ring, each filled with one number.

    What arrives is taken in, checked, written, handed out again by NumPy's capsule or as the tensor
    itself, and dropped by whoever is the last to have it.

    Args:
        threads: how many.
        seconds: how long.
        make: makes a backend.

    Returns:
        How many arrays each thread passed on.

    Raises:
        AssertionError: a thread found other numbers than were sent, or failed.
    """
    inboxes: list[queue.Queue[Any]] = [queue.Queue() for _ in range(threads)]
    errors: list[BaseException] = []
    done = [0] * threads
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        be, rng = make(), random.Random(number)
        be.bsz = 4
        try:
            while time.monotonic() < end and not errors:
                value, x = inboxes[number].get(timeout=30)
                t = be.from_dlpack(x, copy=rng.choice((None, True)))
                del x
                assert (t.get() == value).all(), (number, value)
                new = float(rng.randrange(1000))
                t[:] = t * 0 + new
                be.synchronize()
                view = t.T if rng.random() < 0.3 else t
                out = np.from_dlpack(view.host()) if rng.random() < 0.5 else view
                inboxes[(number + 1) % threads].put((new, out))
                done[number] += 1
        except BaseException as error:
            errors.append(error)

    for number in range(threads):
        for _ in range(3):
            inboxes[number].put((7.0, np.full((17, 5), 7, np.float32)))
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise AssertionError(f"a thread failed: {errors[0]!r}") from errors[0]
    return done
