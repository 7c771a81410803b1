"""What fit returns, and what it says when it has nothing to do."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callback import StopTraining
from neonport.data import ArrayIterator
from neonport.errors import ConfigurationError
from neonport.transforms import Accuracy

Make = Callable[..., Any]


def train(p: Any, epochs: int, **options: Any) -> Any:
    callbacks = Callbacks(p.model, progress_bar=False, **options)
    return p.model.fit(p.data, p.cost, p.optimizer, epochs, callbacks), callbacks


def test_costs_losses_and_metrics_of_each_epoch(make_problem: Make) -> None:
    p = make_problem()
    held = ArrayIterator(p.x[:11], p.y[:11], nclass=3)
    costs = []

    class Watch(Callback):
        def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
            costs.append(model.total_cost.item())

    callbacks = Callbacks(
        p.model, progress_bar=False, eval_set=held, eval_freq=2, metric=Accuracy()
    )
    callbacks.add_callback(Watch())
    history = p.model.fit(p.data, p.cost, p.optimizer, 5, callbacks)
    data = callbacks.callback_data
    assert list(history) == ["epoch", "cost", "eval_cost", "Accuracy"]
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert history["cost"] == costs
    for name, records in (("eval_cost", data["cost/loss"]), ("Accuracy", data["metrics/Accuracy"])):
        assert [i for i, v in enumerate(history[name]) if not math.isnan(v)] == [1, 3]
        np.testing.assert_allclose(np.array(history[name])[[1, 3]], records[:], rtol=1e-6)
    assert history.reason == "all epochs done"


def test_a_continued_training_goes_on_counting(make_problem: Make) -> None:
    p = make_problem()
    train(p, 2)
    history, _ = train(p, 4)
    assert history["epoch"] == [3, 4]


def test_nothing_to_train_says_why(make_problem: Make, caplog: pytest.LogCaptureFixture) -> None:
    p = make_problem()
    train(p, 2)
    with caplog.at_level(logging.WARNING, "neonport"):
        history, _ = train(p, 2)
    assert history == {"epoch": [], "cost": []}
    wanted = "num_epochs=2 is a total, and 2 epochs are done; num_epochs=4 trains 2 more"
    assert wanted in history.reason
    assert caplog.text.count(wanted) == 1


def test_a_finished_model_says_how_to_go_on(
    make_problem: Make, caplog: pytest.LogCaptureFixture
) -> None:
    p = make_problem()
    p.model.finished = True
    history, _ = train(p, 2)
    assert "model.finished = False" in history.reason
    assert "model.finished = False" in caplog.text
    p.model.finished = False
    assert train(p, 2)[0]["epoch"] == [1, 2]


def test_a_callback_ends_training_after_an_epoch_or_at_once(make_problem: Make) -> None:
    class Finish(Callback):
        def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
            model.finished = True

    class Stop(Callback):
        def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
            if (epoch, mb) == (1, 1):
                raise StopTraining("enough")

        def on_train_end(self, callback_data: Any, model: Any) -> None:
            ended.append(True)

    ended: list[bool] = []
    for callback, epochs, reason in (
        (Finish(), [1], "a callback ended it"),
        (Stop(), [1], "stopped in epoch 1, minibatch 1: enough"),
    ):
        p = make_problem()
        callbacks = Callbacks(p.model, progress_bar=False)
        callbacks.add_callback(callback)
        history = p.model.fit(p.data, p.cost, p.optimizer, 5, callbacks)
        assert history["epoch"] == epochs
        assert history.reason == reason
    assert ended == [True]


def test_plot(make_problem: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    p = make_problem()
    held = ArrayIterator(p.x[:11], p.y[:11], nclass=3)
    history, _ = train(p, 3, eval_set=held, eval_freq=2, metric=Accuracy())
    figure = history.plot()
    costs, metrics = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in costs.lines + metrics.lines}
    assert list(lines) == ["cost", "eval_cost", "Accuracy"]
    assert lines["cost"] == [[epoch, history["cost"][epoch - 1]] for epoch in (1, 2, 3)]
    assert lines["Accuracy"] == [[2, history["Accuracy"][1]]]
    assert len(history.plot(["Accuracy"]).axes) == 1
    with pytest.raises(ConfigurationError, match="no numbers called 'loss'; there are cost, eval"):
        history.plot(["loss"])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError, match=r"pip install neonport\[plot\]"):
        history.plot()
