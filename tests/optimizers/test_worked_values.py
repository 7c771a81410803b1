"""Values worked out by hand in the specification: p = 1, gradient 0.5, batch size 2."""

from __future__ import annotations

from typing import Any

import pytest

from neonport.optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    GradientDescentMomentum,
    PolySchedule,
    RMSProp,
    Schedule,
    ShiftAdaMax,
)


@pytest.fixture
def step(make_backend: Any, make_layer: Any) -> Any:
    be = make_backend(batch_size=2)

    def run(optimizer: Any, *states: float, p: float = 1.0) -> list[float]:
        layer = make_layer(be, ([[p]], [[0.5]]))
        layer.states.extend(be.array([[s]]) for s in states)
        optimizer.optimize([layer], epoch=0)
        return [float(x) for x in (layer.W, *layer.states)]

    return run


def approx(*values: float) -> Any:
    return pytest.approx(list(values), rel=0, abs=1e-6)


def test_gradient_descent(step: Any) -> None:
    gdm = GradientDescentMomentum
    assert step(gdm(0.1, 0.9, wdecay=0.01), 0.1) == approx(1.064, 0.064)
    assert step(gdm(0.1, 0.9, wdecay=0.01, nesterov=True), 0.1) == approx(1.0316, 0.064)
    assert step(gdm(0.1, 0.0, wdecay=0.01)) == approx(0.974)


def test_rmsprop(step: Any) -> None:
    assert step(RMSProp(), 0.04) == approx(0.9975345, 0.041125)


def test_adagrad(step: Any) -> None:
    assert step(Adagrad(), 0.04) == approx(0.9921913, 0.1025)


def test_adadelta(step: Any) -> None:
    result = step(Adadelta(), 0.04, 0.01, 0.0)
    assert result == approx(0.8767169, 0.041125, 0.0102599, 0.1232831)


def test_adam(step: Any) -> None:
    assert step(Adam()) == approx(0.999, 0.025, 6.25e-5)


def test_shift_adamax(step: Any) -> None:
    assert step(ShiftAdaMax(), p=0.5)[:3] == approx(0.4984375, 0.025, 0.25)


def test_norm_clip(make_backend: Any, make_layer: Any) -> None:
    be = make_backend(batch_size=2)
    layers = [make_layer(be, ([[0, 0]], [[3, 4]])), make_layer(be, ([[0]], [[12]]))]
    params = [layer.get_params() for layer in layers]
    scale = GradientDescentMomentum(0.1, 0.9).clip_gradient_norm(params, 5)
    assert scale == pytest.approx(0.7692308, abs=1e-7)


def test_schedules() -> None:
    schedule = Schedule([2, 6], 0.5)
    rates = [schedule.get_learning_rate(0.1, epoch) for epoch in (0, 2, 5, 6)]
    assert rates == approx(0.1, 0.05, 0.05, 0.025)
    assert PolySchedule(10, 2).get_learning_rate(0.1, 3) == pytest.approx(0.049)
