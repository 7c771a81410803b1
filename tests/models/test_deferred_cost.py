"""Training does not wait for the device in each minibatch, and reports the same costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.layers import GeneralizedCost
from neonport.layers.deferred_cost import PLACES, DeferredCosts
from neonport.transforms import CrossEntropyMulti

Make = Callable[..., Any]
BATCHES = 40


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by an entry whenever costs are read from the device."""
    made: list[int] = []
    read = DeferredCosts.read

    def counted(self: Any) -> None:
        made.append(len(self._waiting))
        read(self)

    monkeypatch.setattr(DeferredCosts, "read", counted)
    return made


def numpy_cost(y: np.ndarray, t: np.ndarray) -> float:
    return float(np.mean(-np.sum(t * np.log(y), axis=0, dtype=np.float64)))


class Judge(CrossEntropyMulti):
    """Keeps what NumPy makes of each minibatch's outputs and targets."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[float] = []

    def __call__(self, y: Any, t: Any) -> Any:
        self.wanted.append(numpy_cost(y.get(), np.asarray(t.get())))
        return super().__call__(y, t)


def problem(make_problem: Make, cost: Any = None) -> Any:
    p = make_problem(ndata=8 * BATCHES)
    p.cost = cost or GeneralizedCost(Judge())
    return p


def test_costs_are_read_a_few_times_in_an_epoch(make_problem: Make, reads: list[int]) -> None:
    p = problem(make_problem)
    callbacks = Callbacks(p.model, progress_bar=False)
    p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    wanted = p.cost.costfunc.wanted
    assert len(wanted) == BATCHES
    # soon at the start, where trainings fail; a full memory reads from then on
    assert reads == [1, 2, 4, 8, PLACES, BATCHES - PLACES - 15]
    np.testing.assert_allclose(p.model.total_cost, [[np.mean(wanted)]], rtol=1e-5)
    np.testing.assert_allclose(p.cost.cost, [[wanted[-1]]], rtol=1e-5)
    windows = [np.mean(wanted[max(0, i - 9) : i + 1]) for i in range(BATCHES)]
    np.testing.assert_allclose(callbacks.callback_data["cost/train"][:], windows, rtol=1e-5)


class Reader(Callback):
    """Looks at the record of each minibatch as soon as it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        self.seen.append(callback_data["cost/train"][minibatch])


def test_a_callback_that_looks_at_the_records_finds_them(make_problem: Make) -> None:
    p = problem(make_problem)
    callbacks = Callbacks(p.model, progress_bar=False)
    reader = Reader()
    callbacks.add_callback(reader)
    p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    wanted = p.cost.costfunc.wanted
    windows = [np.mean(wanted[max(0, i - 9) : i + 1]) for i in range(BATCHES)]
    np.testing.assert_allclose(reader.seen, windows, rtol=1e-5)


class Halved(GeneralizedCost):
    """A cost layer of a user's, with a `get_cost` of its own."""

    def get_cost(self, inputs: Any, targets: Any) -> np.ndarray:
        self.cost = super().get_cost(inputs, targets) / 2
        return self.cost


def test_a_get_cost_of_its_own_counts(make_problem: Make) -> None:
    p = problem(make_problem, Halved(Judge()))
    callbacks = Callbacks(p.model, progress_bar=False)
    p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    wanted = p.cost.costfunc.wanted
    np.testing.assert_allclose(p.model.total_cost, [[np.mean(wanted) / 2]], rtol=1e-5)
    first = callbacks.callback_data["cost/train"][0]
    np.testing.assert_allclose(first, wanted[0] / 2, rtol=1e-5)


def test_a_step_with_a_measured_cost_is_not_recorded(make_problem: Make) -> None:
    p = problem(make_problem, GeneralizedCost(CrossEntropyMulti()))
    p.model.initialize(p.data, p.cost)
    x, t = next(iter(p.data))
    with p.be.record() as step:
        p.cost.measure(p.model.fprop(x), t)
    assert "keeps the cost" in step.reason
