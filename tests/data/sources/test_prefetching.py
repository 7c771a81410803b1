"""The thread that makes minibatches ahead: order, limits, errors, its end."""

from __future__ import annotations

import gc
import threading
import time
import traceback
from collections.abc import Iterator

import pytest

from neonport.data.sources.prefetching import ahead, check_prefetch
from neonport.errors import ConfigurationError


def threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "neonport-prefetch"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_everything_comes_in_order_and_no_more_than_allowed_is_open(count: int) -> None:
    opened, closed, most = 0, 0, 0

    def items() -> Iterator[int]:
        nonlocal opened, most
        for n in range(20):
            opened += 1
            most = max(most, opened - closed)
            yield n

    def done(item: int) -> None:
        nonlocal closed
        assert item == closed
        closed += 1

    assert list(ahead(items(), count, done)) == list(range(20))
    assert closed == 20
    assert most <= count + 1
    assert not threads()


def test_the_next_ones_are_made_before_they_are_asked_for() -> None:
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        yield 2
        made.set()
        yield 3

    found = ahead(items(), 2, lambda item: None)
    assert next(found) == 1
    assert made.wait(20)  # while we still have the first one
    found.close()


def failing() -> Iterator[int]:
    yield 1
    raise OSError("the disk is gone")


@pytest.mark.parametrize("count", [0, 2])
def test_an_error_surfaces_with_the_traceback_of_the_thread(count: int) -> None:
    found = ahead(failing(), count, lambda item: None)
    assert next(found) == 1
    with pytest.raises(OSError, match="the disk is gone") as caught:
        next(found)
    assert "failing" in "".join(traceback.format_tb(caught.value.__traceback__))
    assert not threads()


def test_the_thread_ends_with_a_pass_that_is_left() -> None:
    ended = []

    def endless() -> Iterator[int]:
        try:
            n = 0
            while True:
                yield n
                n += 1
        finally:
            time.sleep(0.05)  # the pass is over when this is
            ended.append(threading.current_thread().name)

    for n in ahead(endless(), 2, lambda item: None):
        if n == 3:
            break
    gc.collect()
    assert ended == ["neonport-prefetch"]
    assert not threads()

    def use() -> None:
        for n in ahead(endless(), 2, lambda item: None):
            1 / (n - 2)

    with pytest.raises(ZeroDivisionError):
        use()
    gc.collect()
    assert not threads()


def test_prefetch_is_a_number() -> None:
    for wrong in (-1, 1.5, True, "2"):
        with pytest.raises(ConfigurationError, match="prefetch="):
            check_prefetch("X", wrong)
