"""Whether a replay of a recorded step does what the step did: both run from the same start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from neonport.checking.memory_checks import bytes_of


class Replayed:
    """A replay, and the launches that were recorded for it, one after the other.

    Args:
        be: the backend.
        replay: what the device made of them.
        recorder: what was recorded.
        launches: of the recording, before the device made something of it.
    """

    def __init__(
        self,
        be: Any,
        replay: Callable[[], None],
        recorder: Any,
        launches: Sequence[Callable[[], None]],
    ) -> None:
        self.be = be
        self.replay = replay
        self.recorder = recorder
        self.launches = launches

    def problems(self) -> Iterator[str]:
        """Replay, go back to the start, run the launches, and say in words what differs."""
        be = self.be
        blocks = [bytes_of(be, storage) for storage in self.recorder.kept()]
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
        changed = [int(np.sum(a != b)) for a, b in zip(got, want, strict=True)]
        if any(changed):
            yield (
                f"a replay left {sum(changed)} bytes in {sum(map(bool, changed))} of "
                f"{len(blocks)} blocks of memory that the recorded launches do not leave there"
            )


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
