"""Learning rates over epochs against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.optimizers import (
    ExpSchedule,
    GradientDescentMomentum,
    PolySchedule,
    PowerSchedule,
    Schedule,
    ShiftSchedule,
    StepSchedule,
)

EPOCHS = range(12)


@pytest.mark.parametrize(
    ("schedule", "rate"),
    [
        (Schedule(), lambda e: 0.1),
        (Schedule([2, 6], 0.5), lambda e: 0.1 * 0.5 ** ((e >= 2) + (e >= 6))),
        (Schedule((6, 2, 6), 0.5), lambda e: 0.1 * 0.5 ** ((e >= 2) + 2 * (e >= 6))),
        (Schedule(np.array([3]), 0.1), lambda e: 0.1 * 0.1 ** (e >= 3)),
        (PowerSchedule(2, 0.5), lambda e: 0.1 * 0.5 ** (e // 2)),
        (Schedule(2, 0.5), lambda e: 0.1 * 0.5 ** (e // 2)),
        (StepSchedule([2, 5], [0.3, 0.0]), lambda e: 0.1 if e < 2 else 0.3 if e < 5 else 0.0),
        (Schedule([2, 5], [0.3, 0.2]), lambda e: 0.1 if e < 2 else 0.3 if e < 5 else 0.2),
        (ExpSchedule(0.2), lambda e: 0.1 / (1 + 0.2 * e)),
        (PolySchedule(10, 2), lambda e: 0.1 * max(0, 1 - e / 10) ** 2),
        (ShiftSchedule(3, 2), lambda e: 0.1 / 4 ** (e // 3)),
        (ShiftSchedule(4), lambda e: 0.1 / 2 ** (e // 4)),
    ],
)
def test_rates(schedule: Any, rate: Any) -> None:
    for epoch in EPOCHS:
        for _ in range(2):  # asking again within an epoch changes nothing
            result = schedule.get_learning_rate(learning_rate=0.1, epoch=epoch)
            assert result == pytest.approx(rate(epoch), rel=1e-12)
            assert type(result) is float


@pytest.mark.parametrize("schedule", [Schedule([2, 6], 0.5), StepSchedule([2, 6], [0.05, 0.025])])
def test_a_training_resumed_past_a_step_has_its_rate(schedule: Any) -> None:
    assert schedule.get_learning_rate(0.1, 8) == pytest.approx(0.025)
    assert schedule.get_learning_rate(0.1, 3) == pytest.approx(0.05)


def test_steps_tells_what_was_applied() -> None:
    schedule = Schedule([2, 6], 0.5)
    schedule.get_learning_rate(0.1, 6)
    assert schedule.steps == 2
    step = StepSchedule([2], [0.3])
    step.get_learning_rate(0.1, 2)
    assert step.steps == 0.3


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: StepSchedule([1, 2], [0.1]), "equal length"),
        (lambda: StepSchedule(1, 0.1), "equal length"),  # type: ignore[arg-type]
        (lambda: StepSchedule([2, 1], [0.1, 0.2]), "ascend"),
        (lambda: StepSchedule([1, 1], [0.1, 0.2]), "ascend"),
        (lambda: StepSchedule([1, 2], [0.1, -0.2]), "change"),
        (lambda: Schedule([1, 2], [0.1]), "equal length"),
        (lambda: Schedule(0, 0.5), "step_config"),
        (lambda: Schedule("often", 0.5), "step_config"),
        (lambda: Schedule([1, "two"], 0.5), "step_config"),
        (lambda: Schedule([1], None), "change"),
        (lambda: PowerSchedule(2.5, 0.5), "step_config"),  # type: ignore[arg-type]
        (lambda: PowerSchedule(2, [0.5]), "change"),  # type: ignore[arg-type]
        (lambda: ExpSchedule(-0.1), "decay"),
        (lambda: PolySchedule(0, 1), "total_epochs"),
        (lambda: PolySchedule(5, -1), "power"),
        (lambda: ShiftSchedule(0), "interval"),
        (lambda: ShiftSchedule(1, float("nan")), "shift_size"),
    ],
)
def test_mistakes_are_named(make: Any, argument: str) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        make()


def test_each_optimizer_has_its_own_default() -> None:
    a, b = GradientDescentMomentum(0.1, 0.9), GradientDescentMomentum(0.1, 0.9)
    assert a.schedule is not b.schedule


@pytest.mark.parametrize("schedule", [0.1, Schedule, "step"])
def test_what_is_no_schedule_is_refused(schedule: Any) -> None:
    with pytest.raises(ConfigurationError, match="schedule="):
        GradientDescentMomentum(0.1, 0.9, schedule=schedule)


def test_older_forms_are_deprecated(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="neonport"):
        Schedule([1], [0.1])
        Schedule(2, 0.5)
        Schedule([1], 0.5)
    assert ["StepSchedule" in m or "PowerSchedule" in m for m in caplog.messages] == [True, True]


def test_a_rate_that_overflows_is_infinite() -> None:
    assert PowerSchedule(1, 10.0).get_learning_rate(0.1, 400) == np.inf
    assert PowerSchedule(1, 10.0).get_learning_rate(0.0, 400) == 0
