"""Cosine, warm-up, one cycle and plateau by their formulas; figures checked with PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import CheckpointError
from neonport.foundation.descriptions import load_class
from neonport.optimizers import (
    Adam,
    CosineSchedule,
    GradientDescentMomentum,
    MultiOptimizer,
    Nadam,
    OneCycleSchedule,
    PlateauSchedule,
    Schedule,
    WarmupSchedule,
)


def rates(schedule: Any, epochs: int, rate: float = 0.5) -> list[float]:
    return [schedule.get_learning_rate(rate, epoch) for epoch in range(epochs)]


def test_cosine() -> None:
    wanted = [0.1 + 0.4 * (1 + np.cos(np.pi * e / 8)) / 2 for e in range(9)] + [0.1, 0.1]
    np.testing.assert_allclose(rates(CosineSchedule(8, floor=0.1), 11), wanted)


def test_warm_up_then_another() -> None:
    schedule = WarmupSchedule(4, after=Schedule([2], 0.1), start=0.2)
    wanted = [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.05, 0.05]
    np.testing.assert_allclose(rates(schedule, 8), wanted)
    np.testing.assert_allclose(rates(WarmupSchedule(2), 4), [0.05, 0.275, 0.5, 0.5])


def test_one_cycle() -> None:
    def between(a: float, b: float, share: float) -> float:
        return float(b + (a - b) * (1 + np.cos(np.pi * share)) / 2)

    top, end = 0.3 * 20 - 1, 19
    wanted = [
        between(0.02, 0.5, e / top) if e <= top else between(0.5, 2e-6, (e - top) / (end - top))
        for e in range(20)
    ]
    np.testing.assert_allclose(rates(OneCycleSchedule(20), 20), wanted, rtol=1e-12)
    np.testing.assert_allclose(rates(OneCycleSchedule(20), 25)[20:], [2e-6] * 5)
    assert rates(OneCycleSchedule(3, warm=0), 1) == [0.5]


def test_plateau() -> None:
    schedule = PlateauSchedule(factor=0.5, patience=2, min_delta=0.1, floor=0.2)
    seen = []
    for loss in (1.0, 0.95, 0.8, 0.8, 0.75, 0.79, 0.5, np.inf, 0.6, 0.6, 0.6):
        lower = schedule.observe(loss)
        seen.append((lower, schedule.get_learning_rate(1.0, 0)))
    wanted = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2]
    np.testing.assert_allclose([rate for _, rate in seen], wanted)
    assert [i for i, (lower, _) in enumerate(seen) if lower] == [4, 8, 10]


@pytest.mark.parametrize(
    "make",
    [
        lambda: GradientDescentMomentum(0.1, 0.9, schedule=PlateauSchedule(patience=1)),
        lambda: Adam(schedule=WarmupSchedule(2, after=PlateauSchedule(patience=1))),
        lambda: Nadam(schedule=PlateauSchedule(patience=1)),
        lambda: MultiOptimizer({"default": Adam(schedule=PlateauSchedule(patience=1))}),
    ],
)
def test_what_it_remembers_is_state_of_the_optimizer(make: Any) -> None:
    one, other = make(), make()
    inner = one.optimizer_mapping["default"] if isinstance(one, MultiOptimizer) else one
    plateau = getattr(inner.schedule, "after", inner.schedule)
    for loss in (1.0, 2.0, 3.0):
        plateau.observe(loss)
    assert plateau.scale == pytest.approx(0.01)
    other.set_state(one.get_state())
    assert other.get_state() == one.get_state()
    inner = other.optimizer_mapping["default"] if isinstance(other, MultiOptimizer) else other
    assert inner.rate(5) == pytest.approx(0.01 * inner.learning_rate)


@pytest.mark.parametrize(
    "state", [{}, {"scale": -1.0, "best": 0.0, "waited": 0}, {"scale": 1, "best": "a", "waited": 0}]
)
def test_a_foreign_state_is_refused(state: Any) -> None:
    schedule = PlateauSchedule()
    with pytest.raises(CheckpointError, match="is not its state"):
        schedule.set_state(state)
    assert schedule.scale == 1


def test_descriptions_come_back() -> None:
    for optimizer in (
        Adam(schedule=WarmupSchedule(2, CosineSchedule(5)), wdecay=0.1),
        Nadam(schedule=OneCycleSchedule(5)),
        GradientDescentMomentum(0.1, 0.9, schedule=PlateauSchedule(patience=3)),
    ):
        description = optimizer.get_description()
        again = load_class(description["type"]).gen_class(description["config"])
        assert again.get_description() == description
