"""Recording a step once and replaying its launches: no Python of the step runs at a replay.

    step = be.record(train_step)       # or: with be.record() as step: ...
    for ...:
        inputs.set(batch)
        step()

What was written into tensors outside of the step, and numbers that come from `be.number(function)`
(learning rates and step counters of the optimizers do), are new at each replay; so are the random
numbers, which gradients in the step share with the values they belong to. All else is as it was
when the step was recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Protocol, cast

from neonport.errors import RecordingError
from neonport.foundation.bounded_table import BoundedTable
from neonport.foundation.fork import call_in_child
from neonport.optree.replay_number import Origin, Traced
from neonport.tensor.storage import Storage

ATTEMPTS = 2  # the first run of a step may allocate what later runs find
MAX_RECORDINGS = 128  # of a step, for as many different arguments, in a generation


class Prepared(Protocol):
    """A bound statement, as a recording sees it."""

    launches: list[Callable[[], None]]

    @property
    def changes(self) -> bool:
        """Whether its launches take other arguments at each replay."""

    def prepare(self) -> None:
        """Compute these arguments anew."""


class Unbound(BoundedTable[Any, Any]):
    """Finds nothing and keeps nothing, so that every statement passes through the recorder."""

    def __init__(self) -> None:
        super().__init__(1)

    def keep(self, key: Any, value: Any) -> None:
        """Bind nothing."""


class Recorder:
    """The launches that one run of a step gives to the device.

    Attributes:
        parts: statements and calls, in order.
        origins: functions of numbers that are computed anew.
        reason: why the run cannot be replayed; empty if it can.
        traced: whether the statement that is being bound has such numbers.
        extra: what a backend keeps with it.
    """

    def __init__(self) -> None:
        self.parts: list[Prepared | Callable[[], None]] = []
        self.origins: list[Origin] = []
        self.reason = ""
        self.traced = False
        self.extra: Any = None
        self._keep: list[Any] = []
        self._thread = threading.get_ident()

    @property
    def here(self) -> bool:
        """Whether this thread is the one that is recorded."""
        return threading.get_ident() == self._thread

    def number(self, function: Callable[[], float]) -> Traced:
        """A number that is computed anew at each replay."""
        origin = Origin(function)
        self.origins.append(origin)
        return Traced(lambda: origin.value)

    def add(self, part: Prepared | Callable[[], None]) -> None:
        """Something was launched."""
        self.parts.append(part)

    def keep(self, storages: Iterable[Storage]) -> None:
        """Memory that a replay needs."""
        self._keep.extend(storages)

    def kept(self) -> list[Storage]:
        """The memory that a replay needs, each block once."""
        return list({id(storage): storage for storage in self._keep}.values())

    def refuse(self, reason: str) -> None:
        """Something happened that a replay would not do; the first reason is kept."""
        self.reason = self.reason or reason

    def prepare(self) -> None:
        """Compute numbers anew and draw random numbers, in the order of the step."""
        for origin in self.origins:
            origin.refresh()
        for part in self.parts:
            if not callable(part):
                part.prepare()

    @property
    def changes(self) -> bool:
        """Whether anything has to be prepared before a replay."""
        return bool(self.origins) or any(not callable(part) and part.changes for part in self.parts)

    def launches(self) -> list[Callable[[], None]]:
        """All launches in order."""
        return [
            call for part in self.parts for call in ([part] if callable(part) else part.launches)
        ]


class Step:
    """A step that is recorded when it runs first and replayed from then on.

    Called with arguments, it is recorded once for each of them; recordings for arguments that did
    not come back for long are forgotten.

    Attributes:
        reason: why it is not replayed; empty if it is, or if it has not run.
        how: "graph" or "bound calls", with the reason where a graph could not be made.
        replays: how often it was replayed.
    """

    def __init__(self, backend: Any, function: Callable[..., Any] | None) -> None:
        self.backend = backend
        self.function = function
        self.reason = self.how = ""
        self.replays = 0
        self._ready: BoundedTable[Hashable, tuple[Callable[[], None], Any]] = BoundedTable(
            MAX_RECORDINGS
        )
        self._failures = 0
        self._recorder: Recorder | None = None
        self._outer: Any = None
        self._turn: Any = None  # of the backend, held while this is recorded
        call_in_child(self, Step._abandon)

    @property
    def recorded(self) -> bool:
        """Whether there is something to replay."""
        return bool(self._ready)

    def __call__(self, *args: Hashable) -> Any:
        """Run the step, by replaying it if that is possible.

        Returns:
            What the function returned when it was recorded; tensors among it hold new values.

        Raises:
            RecordingError: a `with be.record()` block that cannot be replayed.
        """
        self.backend.check_open()
        found = self._ready.get(args) or self._ready.find(args)
        if found is not None:
            replay, result = found
            replay()
            self.replays += 1
            return result
        if self.function is None:
            raise RecordingError(
                f"record: the block cannot be replayed: {self.reason or 'it was left early'}"
            )
        if self._failures >= ATTEMPTS:
            return self.function(*args)
        with self:
            result = self.function(*args)
        self._finish(args, result)
        return result

    # ---- recording ---------------------------------------------------------------------------

    def __enter__(self) -> Step:
        backend = self.backend
        backend.check_open()
        if backend.recorder is not None and backend.recorder.here:
            raise RecordingError("record: a step is being recorded already; record one at a time")
        turn = backend.executor.recording
        turn.acquire()  # one that another thread records comes to its end first
        try:
            self._recorder = backend.recorder = Recorder()
            backend.device.start_recording(self._recorder)
        except BaseException:
            backend.recorder = self._recorder = None
            turn.release()
            raise
        self._turn = turn
        self._outer, backend.bound = backend.bound, Unbound()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.backend.recorder = None
        self.backend.bound = self._outer
        self._turn.release()
        if kind is None and self.function is None:
            self._finish((), None)

    def _abandon(self) -> None:
        """Give up what another thread of the parent was recording when the process forked."""
        recorder = self._recorder
        if recorder is not None and recorder is self.backend.recorder and not recorder.here:
            self.backend.recorder = self._recorder = None
            self.backend.bound = self._outer

    def _finish(self, args: Hashable, result: Any) -> None:
        recorder = cast(Recorder, self._recorder)
        self._recorder = None
        self.reason = recorder.reason
        if self.reason:
            self._failures += 1
            return
        replay, self.how = self.backend.device.make_replay(recorder)
        self._ready.keep(args, (replay, result))


def bound_calls(recorder: Recorder) -> Callable[[], None]:
    """A replay that makes the recorded calls one after the other."""
    launches = recorder.launches()
    changing = recorder.changes

    def replay(recorder: Recorder = recorder) -> None:
        if changing:
            recorder.prepare()
        for launch in launches:
            launch()

    return replay
