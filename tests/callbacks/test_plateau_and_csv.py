"""ReduceOnPlateau and CSVLogger."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neonport.callbacks import Callbacks
from neonport.callbacks.callbacks import CSVLogger, ReduceOnPlateau
from neonport.errors import ConfigurationError
from neonport.optimizers import GradientDescentMomentum, MultiOptimizer, PlateauSchedule
from neonport.transforms import Accuracy

Make = Callable[..., Any]


def train(p: Any, *extra: Any, epochs: int = 4, **options: Any) -> Any:
    callbacks = Callbacks(p.model, progress_bar=False, **options)
    for callback in extra:
        callbacks.add_callback(callback)
    return p.model.fit(p.data, p.cost, p.optimizer, epochs, callbacks)


@pytest.mark.parametrize("monitor", ["eval_cost", "cost", "Accuracy"])
@pytest.mark.parametrize("larger", [False, True])
def test_the_rate_falls_when_the_number_does_not(
    make_problem: Make, monitor: str, larger: bool, caplog: pytest.LogCaptureFixture
) -> None:
    p = make_problem()
    schedule = PlateauSchedule(factor=0.5, patience=1)
    p.optimizer = GradientDescentMomentum(0.2, 0.9, schedule=schedule)
    history = train(p, ReduceOnPlateau(monitor, larger), eval_set=p.held, metric=Accuracy())
    best, falls = None, 0
    for value in history[monitor]:
        value = -value if larger else value
        if best is None or value < best:
            best = value
        else:
            falls += 1
    assert schedule.scale == 0.5**falls
    assert caplog.text.count("is on a plateau") == falls


def test_epochs_without_evaluation_are_skipped(make_problem: Make) -> None:
    p = make_problem()
    schedule = PlateauSchedule(patience=1, min_delta=100)
    p.optimizer = MultiOptimizer({"default": GradientDescentMomentum(0.2, 0.9, schedule=schedule)})
    train(p, ReduceOnPlateau(), eval_set=p.held, eval_freq=2, epochs=6)
    assert schedule.scale == pytest.approx(0.01)  # three evaluations, the first is the best


def test_mistakes_of_the_plateau(make_problem: Make) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match="schedule=PlateauSchedule"):
        train(p, ReduceOnPlateau())
    p.optimizer = GradientDescentMomentum(0.2, 0.9, schedule=PlateauSchedule())
    for monitor in ("eval_cost", "Accuracy"):
        with pytest.raises(ConfigurationError, match=f"nothing records '{monitor}'"):
            train(p, ReduceOnPlateau(monitor), epochs=9)


def test_what_a_checkpoint_holds_stands_before_it(make_problem: Make, tmp_path: Path) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model, save_path=str(tmp_path / "m.prm"))
    callbacks.add_callback(ReduceOnPlateau())
    names = [type(callback).__name__ for callback in callbacks.callbacks]
    assert names.index("ReduceOnPlateau") == names.index("SerializeModelCallback") - 1


def test_a_line_an_epoch(make_problem: Make, tmp_path: Path) -> None:
    p = make_problem()
    path = tmp_path / "log.csv"
    history = train(p, CSVLogger(path), eval_set=p.held, eval_freq=2, metric=Accuracy())
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "cost", "eval_cost", "Accuracy"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["cost"]) for row in rows] == history["cost"]
    assert [row["Accuracy"] == "" for row in rows] == [True, False, True, False]
    assert float(rows[3]["eval_cost"]) == history["eval_cost"][3]
    with pytest.raises(ConfigurationError, match="append=True"):
        train(p, CSVLogger(path), epochs=5)
    with pytest.raises(ConfigurationError, match="has the columns"):
        train(p, CSVLogger(path, append=True), epochs=5)
    train(p, CSVLogger(path, append=True), epochs=5, eval_set=p.held, metric=Accuracy())
    assert path.read_text().splitlines()[-1].startswith("5,")


def test_a_folder_that_is_not_there(make_problem: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        train(make_problem(), CSVLogger(tmp_path / "no" / "log.csv"))


def test_nothing_is_said_of_a_falling_loss(
    make_problem: Make, caplog: pytest.LogCaptureFixture
) -> None:
    p = make_problem()
    p.optimizer = GradientDescentMomentum(0.01, 0.0, schedule=PlateauSchedule(patience=50))
    with caplog.at_level(logging.WARNING, "neonport"):
        train(p, ReduceOnPlateau("cost"))
    assert caplog.text == ""
