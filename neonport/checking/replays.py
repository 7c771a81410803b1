"""Whether a replay of a recorded step does what the step did: both run from the same start."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import numpy as np

from neonport.checking.memory_checks import bytes_of, draw_start

WINDOW = 1 << 12  # bytes of a block that nobody writes, which are looked at


class Replayed:
    """A replay, and the launches that were recorded for it, one after the other.

    Args:
        be: the backend.
        replay: what the device made of them.
        recorder: what was recorded.
        launches: of the recording, before the device made something of it.
        stored: blocks of memory that its statements write, the others of the recording are not
            copied; None where that is not known.
        random: draws what is looked at of those others.
    """

    def __init__(
        self,
        be: Any,
        replay: Callable[[], None],
        recorder: Any,
        launches: Sequence[Callable[[], None]],
        stored: Container[int] | None = None,
        random: Random | None = None,
    ) -> None:
        self.be = be
        self.replay = replay
        self.recorder = recorder
        self.launches = launches
        self.stored = stored
        self.random = random

    def problems(self) -> Iterator[str]:
        """Replay, go back to the start, run the launches, and say in words what differs."""
        be = self.be
        blocks = [bytes_of(be, storage) for storage in self._kept(written=True)]
        others = [self._window(storage) for storage in self._kept(written=False)]
        before = [be.device.copy_out(window) for window in others]
        start, state = [be.device.copy_out(block) for block in blocks], be.philox.get_state()
        with _same_numbers(self.recorder.origins):
            self.replay()
            got = [be.device.copy_out(block) for block in blocks]
            for block, values in zip(blocks, start, strict=True):
                be.device.copy_in(block, values)
            be.philox.set_state(state)
            self.recorder.prepare()
            for launch in self.launches:
                launch()
        want = [be.device.copy_out(block) for block in blocks]
        pairs = list(zip(got, want, strict=True))
        changed = [0 if np.array_equal(a, b) else int(np.sum(a != b)) for a, b in pairs]
        if any(changed):
            yield (
                f"a replay left {sum(changed)} bytes in {sum(map(bool, changed))} of "
                f"{len(blocks)} blocks of memory that the recorded launches do not leave there"
            )
        after = [be.device.copy_out(window) for window in others]
        if any(np.any(a != b) for a, b in zip(before, after, strict=True)):
            yield "a replay writes memory that no statement of the step writes"

    def _kept(self, written: bool) -> list[Any]:
        """The blocks of the recording that its statements write, or the others."""
        kept = self.recorder.kept()
        if self.stored is None:
            return kept if written else []
        return [storage for storage in kept if (id(storage) in self.stored) is written]

    def _window(self, storage: Any) -> Any:
        """A part of a block that is drawn."""
        size = min(WINDOW, storage.nbytes)
        assert self.random is not None
        start = draw_start(self.random, storage.nbytes, size)
        return bytes_of(self.be, storage, start, size)


class Stores:
    """Notes what the statements of a recording write."""

    def __init__(self) -> None:
        self._recorder: Any = None
        self._blocks: dict[int, Any] = {}
        self._calls = 0

    def note(self, recorder: Any, targets: Iterable[Any], call: bool = False) -> None:
        """Something is recorded.

        Args:
            recorder: by whom.
            targets: tensors that it writes.
            call: whether it is a call, which is no statement.
        """
        if recorder is not self._recorder:
            self._recorder, self._blocks, self._calls = recorder, {}, 0
        self._blocks |= {id(t.storage): t.storage for t in targets}
        self._calls += call

    def of(self, recorder: Any) -> Container[int] | None:
        """Ids of the blocks that a recording writes; None where a call may write others."""
        calls = sum(callable(part) for part in recorder.parts)
        known = recorder is self._recorder and calls == self._calls
        self._recorder = None
        return frozenset(self._blocks) if known else None


@contextmanager
def _same_numbers(origins: Sequence[Any]) -> Iterator[None]:
    """Inside, numbers that are computed anew at each replay are computed once."""
    functions = [origin.function for origin in origins]
    for origin, function in zip(origins, functions, strict=True):
        origin.function = _constant(float(function()))
    try:
        yield
    finally:
        for origin, function in zip(origins, functions, strict=True):
            origin.function = function


def _constant(value: float) -> Callable[[], float]:
    return lambda: value
