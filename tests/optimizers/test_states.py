"""States: order and count, continuing to the same bits, one assignment a parameter."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from neonport import optimizers
from neonport.errors import CheckpointError
from neonport.foundation.descriptions import Builder
from neonport.optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    GradientDescentMomentum,
    RMSProp,
    Schedule,
    ShiftAdaMax,
)
from neonport.optimizers import optimizer as neon_path

ALL = {
    "momentum": (lambda: GradientDescentMomentum(0.1, 0.9, wdecay=0.01), 1),
    "plain": (lambda: GradientDescentMomentum(0.1, 0.0), 0),
    "nesterov": (lambda: GradientDescentMomentum(0.1, 0.9, nesterov=True), 1),
    "rmsprop": (lambda: RMSProp(gradient_clip_norm=0.5), 1),
    "adagrad": (lambda: Adagrad(gradient_clip_value=0.5), 1),
    "adadelta": (lambda: Adadelta(), 3),
    "adam": (lambda: Adam(), 2),
    "shift": (lambda: ShiftAdaMax(), 3),
}


@pytest.mark.parametrize("case", ALL)
def test_a_resumed_training_continues_to_the_same_bits(be: Any, make_layer: Any, case: str) -> None:
    make, count = ALL[case]
    rng = np.random.RandomState(0)
    p, gradients = rng.normal(size=(5, 6)), rng.normal(size=(6, 5, 6))

    def train(layer: Any, optimizer: Any, steps: range) -> None:
        for i in steps:
            layer.dW[:] = gradients[i]
            optimizer.optimize([layer], epoch=i // 2)

    whole = make_layer(be, (p, gradients[0]))
    train(whole, make(), range(6))

    first, before = make_layer(be, (p, gradients[0])), make()
    train(first, before, range(3))
    second, after = make_layer(be, (first.W.get(), gradients[0])), make()
    second.states.extend(be.array(s.get()) for s in first.states)
    after.set_state(json.loads(json.dumps(before.get_state())))
    train(second, after, range(3, 6))
    np.testing.assert_array_equal(second.W.get(), whole.W.get())
    assert len(second.states) == count


@pytest.mark.parametrize("case", ALL)
def test_states_are_the_layers_list_and_stay_the_same_tensors(
    be: Any, make_layer: Any, case: str
) -> None:
    make, count = ALL[case]
    layer, optimizer = make_layer(be, (np.ones((2, 3)), np.ones((2, 3)))), make()
    states = layer.states
    optimizer.optimize([layer], 0)
    assert layer.states is states
    first = list(states)
    optimizer.optimize([layer], 0)
    assert len(states) == count
    assert all(a is b for a, b in zip(first, states, strict=True))


@pytest.mark.parametrize("case", ALL)
def test_one_assignment_a_parameter(
    be: Any, make_layer: Any, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, count = ALL[case]
    pair = (np.ones((2, 3)), np.ones((2, 3)))
    layers, optimizer = [make_layer(be, pair), make_layer(be, pair, pair)], make()
    calls: list[list[Any]] = []
    original = be.assign_many

    def spy(pairs: Any) -> None:
        pairs = list(pairs)
        calls.append(pairs)
        original(pairs)

    optimizer.optimize(layers, 0)
    monkeypatch.setattr(be, "assign_many", spy)
    optimizer.optimize(layers, 0)
    params = [entry for layer in layers for entry in layer.entries]
    updates = [c for c in calls if any(t is e[0][0] for t, _ in c for e in params)]
    assert len(updates) == len(params)
    for update, ((param, _), states) in zip(updates, params, strict=True):
        assert [t for t, _ in update] == [*states, param]
        assert len(update) == count + 1


def test_rounding_is_handed_to_the_parameter(be: Any, make_layer: Any) -> None:
    layer = make_layer(be, (np.ones((2, 3)), np.ones((2, 3))))
    RMSProp(stochastic_round=10).optimize([layer], 0)
    assert layer.W.rounding == 10


@pytest.mark.parametrize("state", [{}, {"t": 1.5}, {"t": -1}, {"t": True}, {"t": 1, "m": 2}])
def test_a_foreign_state_is_refused(state: Any) -> None:
    adam = Adam()
    adam.t = 3
    with pytest.raises(CheckpointError, match="Adam"):
        adam.set_state(state)
    assert adam.t == 3


def test_others_have_no_state_of_their_own() -> None:
    rms = RMSProp()
    assert rms.get_state() == {}
    rms.set_state({})
    with pytest.raises(CheckpointError, match="RMSProp"):
        rms.set_state({"t": 1})


@pytest.mark.parametrize(
    "optimizer",
    [
        GradientDescentMomentum(0.1, 0.9, wdecay=0.1, schedule=Schedule([2], 0.5), nesterov=True),
        RMSProp(decay_rate=0.5, schedule=optimizers.ExpSchedule(0.1)),
        Adagrad(gradient_clip_norm=3.0),
        Adadelta(param_clip_value=1.0),
        Adam(beta_1=0.8),
        ShiftAdaMax(schedule=optimizers.ShiftSchedule(3)),
    ],
    ids=lambda o: o.classnm,
)
def test_description_round_trip(optimizer: Any) -> None:
    desc = optimizer.get_description()
    assert desc["type"] == f"neon.optimizers.optimizer.{optimizer.classnm}"
    twin = Builder().build(None, desc)
    assert twin.get_description() == desc


def test_neons_module_path_has_every_public_name() -> None:
    for name in optimizers.__all__:
        assert getattr(neon_path, name) is getattr(optimizers, name)
