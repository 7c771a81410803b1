"""A cost that is nan: one warning with layer and minibatch, and a callback that ends it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import TerminateOnNaN
from neonport.callbacks.stopping import origin

Make = Callable[..., Any]


class Spoil(Callback):
    """Write nan into the weights of a layer before a minibatch."""

    def __init__(self, layer: int, epoch: int, minibatch: int) -> None:
        super().__init__()
        self.layer, self.when = layer, (epoch, minibatch)

    def on_minibatch_begin(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        if (epoch, mb) == self.when:
            model.layers_to_optimize[self.layer].W[:] = math.nan


def train(p: Any, *extra: Callback, epochs: int = 2, **options: Any) -> Any:
    callbacks = Callbacks(p.model, progress_bar=False)
    for callback in extra:
        callbacks.add_callback(callback)
    return p.model.fit(p.data, p.cost, p.optimizer, epochs, callbacks, **options)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("when", [(0, 0), (0, 3), (1, 1)])
def test_one_warning_names_layer_and_minibatch(
    make_problem: Make, caplog: pytest.LogCaptureFixture, when: tuple[int, int], record: bool
) -> None:
    p = make_problem(batch_norm=False)
    with caplog.at_level(logging.WARNING, "neonport"):
        history = train(p, Spoil(0, *when), epochs=3, record=record)
    (line,) = [r.getMessage() for r in caplog.records if "the cost is nan" in r.getMessage()]
    assert f"since epoch {when[0]}, minibatch {when[1]};" in line
    first = p.model.layers_to_optimize[0]
    assert f"layer {first.name!r} (Linear): its parameters are not finite" in line
    assert math.isnan(history["cost"][-1])


def test_finite_costs_say_nothing(make_problem: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "neonport"):
        train(make_problem())
    assert caplog.text == ""


def test_data_that_are_not_finite_are_named(
    make_problem: Make, caplog: pytest.LogCaptureFixture
) -> None:
    p = make_problem()
    x = p.x.copy()
    x[3, 1] = np.inf
    p.data = type(p.data)(x, p.y, nclass=3)
    with caplog.at_level(logging.WARNING, "neonport"):
        train(p)
    assert "minibatch 0; the data of the minibatch are not finite" in caplog.text


def test_the_first_layer_on_the_way_is_named(make_problem: Make) -> None:
    p = make_problem(batch_norm=False)
    train(p, epochs=1)
    last = p.model.layers_to_optimize[-1]
    assert "all layers give finite outputs" in origin(p.model.layers)
    last.W[:] = math.inf
    assert f"layer {last.name!r}" in origin(p.model.layers)


def test_terminate_on_nan_ends_at_the_minibatch(make_problem: Make) -> None:
    p = make_problem(batch_norm=False)
    history = train(p, Spoil(1, 1, 2), TerminateOnNaN(), epochs=5)
    assert p.model.finished
    assert p.model.epoch_index == 1
    assert p.model.minibatch_index == 3
    assert history["epoch"] == [1]
    assert history.reason.startswith("stopped in epoch 1, minibatch 2: the cost is nan; the first")


def test_terminate_on_nan_leaves_a_finite_training_alone(make_problem: Make) -> None:
    p = make_problem()
    history = train(p, TerminateOnNaN(minibatch_freq=2), epochs=2)
    assert history["epoch"] == [1, 2]
    assert history.reason == "all epochs done"
