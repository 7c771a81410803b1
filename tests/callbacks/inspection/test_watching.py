"""Callbacks that show in the log what the model makes of data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.callbacks.callbacks import MultiLabelStatsCallback, WatchTickerCallback
from neonport.errors import ConfigurationError
from neonport.transforms import Accuracy, PrecisionRecall

Make = Callable[..., Any]
LABELS = ["a", "b", "c"]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_a_label(make_problem: Make, fit: Make, lines: Any) -> None:
    p = make_problem(held=11)
    watched = MultiLabelStatsCallback(p.held, LABELS, PrecisionRecall(3), epoch_freq=2)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(watched)
    fit(p, 2, callbacks)
    metric, rows = PrecisionRecall(3), []
    p.held.reset()
    for x, t in p.held:
        metric(p.model.fprop(x, inference=True), t)
        rows.append(metric.outputs.get())
    wanted = np.mean(rows, axis=0) * 100
    assert lines() == [
        f"{label}: Precision: {precision:.2f}% Recall: {recall:.2f}%"
        for label, (precision, recall) in zip(LABELS, wanted, strict=True)
    ]


def test_mistakes_with_labels(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match="Accuracy has no outputs with a row a label"):
        MultiLabelStatsCallback(p.held, LABELS, _no_outputs())
    with pytest.raises(ConfigurationError, match=r"labels is .*no list of names"):
        MultiLabelStatsCallback(p.held, "abc", PrecisionRecall(3))
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(MultiLabelStatsCallback(p.held, LABELS[:2], PrecisionRecall(3)))
    with pytest.raises(ConfigurationError, match="2 labels, but PrecisionRecall has 3 rows"):
        fit(p, 1, callbacks)


def _no_outputs() -> Any:
    metric = Accuracy()
    if hasattr(metric, "outputs"):
        del metric.outputs
    return metric


class Echo:
    """A ticker: 3 steps for each of 8 samples, of which 2 count."""

    def __init__(self, p: Any) -> None:
        rng = np.random.RandomState(3)
        self.x = rng.rand(4, 24).astype("f4")
        self.t = rng.rand(3, 24).astype("f4")
        mask = np.zeros((3, 24), "f4")
        mask[:, 8:16] = 1  # the second step
        self.batch = p.be.array(self.x), (p.be.array(self.t), p.be.array(mask))
        self.task = None

    def __iter__(self) -> Iterator[Any]:
        yield self.batch


def test_a_sample_of_a_ticker(make_problem: Make, lines: Any) -> None:
    p = make_problem()
    p.model.initialize((4, 3))
    echo = Echo(p)
    callback = WatchTickerCallback(p.model, echo)
    callback.on_train_begin({}, p.model, 1)
    callback.on_epoch_end({}, p.model, 0)
    shown = lines()
    assert [line.partition(" (")[0] for line in shown] == ["inputs", "outputs", "targets"]
    for line, wanted in ((shown[0], echo.x), (shown[2], echo.t)):
        numbers = np.array(line.partition(":")[2].replace("[", "").replace("]", "").split(), float)
        np.testing.assert_allclose(numbers.reshape(-1, 2), wanted[:, [0, 8]], atol=0.006)


def test_what_is_no_ticker_is_refused(make_problem: Make) -> None:
    p = make_problem()
    with pytest.raises(ValueError, match=r"yields no .*give a Ticker"):
        WatchTickerCallback(p.model, p.held)
    echo = Echo(p)
    echo.batch = echo.batch[0], echo.batch[1][0]
    callback = WatchTickerCallback(p.model, echo)
    with pytest.raises(ValueError, match=r"Echo.* yields no .*give a Ticker"):
        callback.on_train_begin({}, p.model, 1)


def test_the_ticker_is_found_by_its_class(make_problem: Make) -> None:
    p = make_problem()
    echo = Echo(p)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_watch_ticker_callback(echo)
    description = callbacks.serialize()
    assert description["callbacks"][-1]["config"] == {
        "model": {"type": "Model"},
        "valid_set": {"type": "Data", "name": "Echo"},
    }
    again = Callbacks.load_callbacks(description, p.model, data=[echo])
    assert again.callbacks[-1].valid_set is echo
