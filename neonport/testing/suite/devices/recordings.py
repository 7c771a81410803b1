"""Recorded steps: a replay does what the step does, or the step says why it is not replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.errors import RecordingError
from neonport.testing.cases import Case, Outcome, compare, exactly

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
STEPS = 5


def _steps(be: Backend, recorded: bool) -> tuple[list[Array], Any]:
    """Some steps of a small regression: what it gives after each, and the recorded step."""
    be.rng_reset()
    rng = np.random.RandomState(2)
    w, slope = be.array(rng.uniform(-1, 1, (3, 5))), be.zeros((3, 5))
    x, y, mask = be.zeros((5, 4)), be.zeros((3, 4)), be.zeros((3, 4))
    rate = [0.1]

    def step() -> None:
        be.compound_dot(w, x, y)
        mask[:] = be.rand() < 0.5
        y[:] = be.tanh(y) * mask
        be.compound_dot(y, x.T, slope)
        w[:] = w - be.number(lambda: rate[0]) * slope + 0.01 * be.sum(y, axis=1)

    run = be.record(step) if recorded else step
    found = []
    for number in range(STEPS):
        x.set(rng.uniform(-1, 1, (5, 4)).astype(np.float32))
        rate[0] = 0.1 if number < 3 else 0.01
        run()
        found += [w.get(), y.get(), mask.get()]
    return found, run


def _same(be: Backend) -> Outcome:
    """New inputs, numbers and random numbers are read at each replay."""
    wanted, _ = _steps(be, False)
    found, step = _steps(be, True)
    if not step.replays:
        return Outcome(message=f"the step is never replayed: {step.reason}")
    for index, (got, values) in enumerate(zip(found, wanted, strict=True)):
        outcome = compare(got, exactly(values))
        if outcome.message:
            what = ("a parameter", "a result", "a random mask")[index % 3]
            return outcome._replace(message=f"{what} of step {index // 3}: {outcome.message}")
    return Outcome()


def _refused(be: Backend) -> Outcome:
    """What a replay would not do is not recorded; the reason is given."""
    x = be.array(np.ones((3, 4)))
    seen = []

    def step() -> None:
        x[:] = x * 2
        seen.append(float(x.get()[0, 0]))

    run = be.record(step)
    for _ in range(3):
        run()
    if seen != [2, 4, 8]:
        return Outcome(message=f"a step that reads a tensor on the host saw {seen}, not 2, 4, 8")
    if run.replays or not run.reason:
        return Outcome(message="a step that reads a tensor on the host was replayed")
    with be.record() as block:
        x.get()
    try:
        block()
    except RecordingError:
        return Outcome()
    return Outcome(message="a block that reads a tensor on the host was replayed")


def _kept(be: Backend) -> Outcome:
    """A replay keeps the memory that it writes, and sees what others wrote."""
    x, y = be.array(np.ones((3, 4))), be.zeros((3, 4))
    step = be.record(lambda: y.__setitem__(slice(None), x + y))
    step()
    step()
    others = [be.array(np.full((3, 4), -1.0)) for _ in range(20)]
    y[:] = 10
    step()
    right = np.array_equal(y.get(), np.full((3, 4), 11)) and len(others) == 20
    return Outcome(message="" if right else f"10 + 1 is replayed as {y.get()[0, 0]}")


CASES: dict[str, Callable[[Backend], Outcome]] = {
    "replays equal steps": _same,
    "what cannot be replayed is refused": _refused,
    "between replays tensors can be written": _kept,
}


def cases() -> Iterator[Case]:
    """All cases of recorded steps."""
    for label, run in CASES.items():
        yield Case("recording", label, run, frozenset(["recording"]))
