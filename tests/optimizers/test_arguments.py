"""Wrong hyper-parameters, shapes and states are refused before any parameter changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ReadOnlyError, ShapeError
from neonport.optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    CosineSchedule,
    GradientDescentMomentum,
    Lion,
    Nadam,
    OneCycleSchedule,
    Optimizer,
    PlateauSchedule,
    RMSProp,
    ShiftAdaMax,
    WarmupSchedule,
)

ALL = [
    lambda: GradientDescentMomentum(0.1, 0.9),
    lambda: GradientDescentMomentum(0.1, 0.0),
    RMSProp,
    Adagrad,
    Adadelta,
    Adam,
    AdamW,
    Nadam,
    Lion,
    ShiftAdaMax,
]


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: GradientDescentMomentum(-0.1, 0.9), "learning_rate"),
        (lambda: GradientDescentMomentum("fast", 0.9), "learning_rate"),
        (lambda: GradientDescentMomentum(0.1, 1.0), "momentum_coef"),
        (lambda: GradientDescentMomentum(0.1, -0.1), "momentum_coef"),
        (lambda: GradientDescentMomentum(0.1, 0.9, wdecay=-1), "wdecay"),
        (lambda: GradientDescentMomentum(0.1, 0.0, nesterov=True), "nesterov"),
        (lambda: GradientDescentMomentum(0.1, 0.9, gradient_clip_norm="x"), "gradient_clip_norm"),
        (lambda: RMSProp(decay_rate=1.0), "decay_rate"),
        (lambda: RMSProp(learning_rate=float("nan")), "learning_rate"),
        (lambda: RMSProp(epsilon=-1e-6), "epsilon"),
        (lambda: Adagrad(learning_rate=-1), "learning_rate"),
        (lambda: Adagrad(param_clip_value=float("inf")), "param_clip_value"),
        (lambda: Adadelta(decay=-0.5), "decay"),
        (lambda: Adam(beta_1=1.0), "beta_1"),
        (lambda: Adam(beta_2=2.0), "beta_2"),
        (lambda: Adam(gradient_clip_value=[1]), "gradient_clip_value"),
        (lambda: Adam(0.01), r"stochastic_round=0.01 .* write Adam\(learning_rate=0.01\)"),
        (lambda: Adam(wdecay=-1), "wdecay=-1"),
        (lambda: AdamW(wdecay="a"), "wdecay='a'"),
        (lambda: Nadam(momentum_decay=-1), "momentum_decay=-1"),
        (lambda: Lion(beta_2=1), "beta_2=1"),
        (lambda: Lion(schedule=CosineSchedule), "schedule=<class"),
        (lambda: CosineSchedule(0), "total_epochs=0"),
        (lambda: CosineSchedule(3, floor=-1), "floor=-1"),
        (lambda: WarmupSchedule(0), "epochs=0"),
        (lambda: WarmupSchedule(2, start=1), "start=1"),
        (lambda: WarmupSchedule(2, after="cosine"), "schedule='cosine'"),
        (lambda: OneCycleSchedule(1), "total_epochs=1 must be 2 or more"),
        (lambda: OneCycleSchedule(5, warm=1), "warm=1"),
        (lambda: OneCycleSchedule(5, div=0), "div=0"),
        (lambda: PlateauSchedule(factor=1), "factor=1"),
        (lambda: PlateauSchedule(patience=0), "patience=0"),
        (lambda: Adam(param_clip_value=-1), "param_clip_value=-1 must be .* not negative"),
        (lambda: RMSProp(gradient_clip_norm=-1), "gradient_clip_norm=-1"),
        (lambda: Adagrad(gradient_clip_value=-0.5), "gradient_clip_value=-0.5"),
        (lambda: ShiftAdaMax(beta_1=-0.1), "beta_1"),
    ],
)
def test_hyper_parameters(make: Any, argument: str) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        make()


@pytest.mark.parametrize("make", ALL)
def test_a_wrong_gradient_changes_nothing(be: Any, make_layer: Any, make: Any) -> None:
    good = make_layer(be, (np.ones((2, 3)), np.ones((2, 3))))
    bad = make_layer(be, (np.ones((2, 3)), np.ones((3, 2))))
    with pytest.raises(ShapeError, match=r"\(3, 2\).*\(2, 3\)"):
        make().optimize([good, bad], 0)
    np.testing.assert_array_equal(good.W.get(), np.ones((2, 3)))
    assert good.states == []


@pytest.mark.parametrize("make", [make for make in ALL if make is not ALL[1]])
def test_states_of_another_optimizer_change_nothing(be: Any, make_layer: Any, make: Any) -> None:
    optimizer = make()
    layer = make_layer(be, (np.ones((2, 3)), np.ones((2, 3))))
    layer.states.extend(be.zeros((2, 3)) for _ in range(4))
    with pytest.raises(ConfigurationError, match=r"comes with 4.*load_states"):
        optimizer.optimize([layer], 0)
    np.testing.assert_array_equal(layer.W.get(), np.ones((2, 3)))


@pytest.mark.parametrize("make", ALL)
def test_without_a_batch_size(make_backend: Any, make_layer: Any, make: Any) -> None:
    be = make_backend(batch_size=0)
    layer = make_layer(be, (np.ones((2, 3)), np.ones((2, 3))))
    with pytest.raises(ConfigurationError, match="batch_size"):
        make().optimize([layer], 0)
    np.testing.assert_array_equal(layer.W.get(), np.ones((2, 3)))


def test_a_failed_step_of_adam_is_not_counted(be: Any, make_layer: Any) -> None:
    adam = Adam()
    bad = make_layer(be, (np.ones((2, 3)), np.ones((3, 2))))
    with pytest.raises(ShapeError):
        adam.optimize([bad], 0)
    assert adam.t == 0


def test_read_only_parameters_change_nothing(be: Any, make_layer: Any) -> None:
    good = make_layer(be, (np.ones((2, 3)), np.ones((2, 3))))
    frozen = make_layer(be, (np.ones((2, 3)), np.ones((2, 3))))
    object.__setattr__(frozen.W.storage, "readonly", True)
    with pytest.raises(ReadOnlyError):
        Adam().optimize([good, frozen], 0)
    np.testing.assert_array_equal(good.W.get(), np.ones((2, 3)))


@pytest.mark.parametrize("make", ALL)
def test_no_parameters_no_step(make: Any, be: Any) -> None:
    make().optimize([], 0)


def test_the_base_class_names_the_missing_method() -> None:
    with pytest.raises(NotImplementedError, match="optimize"):
        Optimizer().optimize([], 0)
