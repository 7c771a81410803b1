"""Training with recorded steps is training without them, to the bit, or says why it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.data import ArrayIterator
from neonport.layers import Dropout, GeneralizedCostMask, Linear
from neonport.layers.base import Layer
from neonport.transforms import CrossEntropyMulti

Make = Callable[..., Any]
OPTIMIZERS = (
    "plain", "momentum", "scheduled", "adam", "rmsprop", "adagrad", "adadelta", "shiftadamax",
    "adamw", "nadam", "lion", "multi",
)  # fmt: skip


@pytest.fixture
def train(weights: Make) -> Make:
    """Train a problem; returns its arrays, the last cost among them."""

    def run(p: Any, record: bool, epochs: int = 3, callbacks: Any = ()) -> dict[str, Any]:
        told = Callbacks(p.model, progress_bar=False)
        for callback in callbacks:
            told.add_callback(callback)
        p.model.fit(p.data, p.cost, p.optimizer, epochs, told, record=record)
        return {**weights(p.model), "total cost": p.model.total_cost}

    return run


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by an entry when the Python code of a Linear layer runs forward."""
    made: list[int] = []
    fprop = Linear.fprop

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(1)
        return fprop(self, *args, **kwargs)

    monkeypatch.setattr(Linear, "fprop", counted)
    return made


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_same_seed_same_bits(
    optimizer: str, make_problem: Make, train: Make, calls: list[int]
) -> None:
    wanted = train(make_problem(optimizer, dropout=True, ndata=48), record=False)
    assert len(calls) == 2 * 3 * 6  # layers, epochs, minibatches
    calls.clear()
    found = train(make_problem(optimizer, dropout=True, ndata=48), record=True)
    assert len(calls) <= 2 * (3 + 1)  # once an epoch; the first run may allocate
    assert_same(found, wanted)


def test_continued_from_a_checkpoint(make_problem: Make, train: Make, tmp_path: Any) -> None:
    wanted = train(make_problem("adam", dropout=True), record=False, epochs=4)
    p = make_problem("adam", dropout=True)
    train(p, record=True, epochs=2)
    p.model.save_params(tmp_path / "saved")
    p = make_problem("adam", dropout=True, seed=99)
    p.model.load_params(tmp_path / "saved")
    assert_same(train(p, record=True, epochs=4), wanted)


class Momentum(Callback):
    """Another momentum from the second epoch on."""

    def on_epoch_begin(self, callback_data: Any, model: Any, epoch: int) -> None:
        model.optimizer.momentum_coef = 0.5 if epoch else 0.9


def test_what_callbacks_change_between_epochs_counts(make_problem: Make, train: Make) -> None:
    wanted = train(make_problem(), record=False, callbacks=[Momentum()])
    assert_same(train(make_problem(), record=True, callbacks=[Momentum()]), wanted)


class Buffers(ArrayIterator):
    """Minibatches in a few buffers that take turns, or in new ones each time."""

    turns: int | None = None

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        buffers: dict[int, tuple[Any, Any]] = {}
        for i, (x, t) in enumerate(super().__iter__()):
            place = i % (self.turns or self.ndata)
            if place not in buffers:
                buffers[place] = self.be.empty_like(x), self.be.empty_like(t)
            mine = buffers[place]
            mine[0][:], mine[1][:] = x, t
            yield mine


@pytest.mark.parametrize(("turns", "runs"), [(2, 2 * 2 * 2 + 2), (None, None)])
def test_data_in_other_buffers(
    turns: int | None, runs: int | None, make_problem: Make, train: Make, calls: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def problem() -> Any:
        p = make_problem(ndata=96)
        p.data = Buffers(p.x, p.y, nclass=3)
        p.data.turns = turns
        return p

    wanted = train(problem(), record=False, epochs=2)
    every = len(calls)
    calls.clear()
    with caplog.at_level(logging.WARNING, "neonport"):
        found = train(problem(), record=True, epochs=2)
    assert_same(found, wanted)
    if runs is None:
        assert len(calls) == every
        assert [r.message.count("other tensors each time") for r in caplog.records] == [1]
    else:
        assert len(calls) <= runs
        assert not caplog.records


class Looks(Layer):
    """Passes on what it gets, after a look at it on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.owns_output = False
        self.seen: list[float] = []

    def configure(self, in_obj: Any) -> Looks:
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        self.seen.append(float(inputs.get().mean()))
        self.outputs = inputs
        return inputs

    def bprop(self, error: Any) -> Any:
        return error


def test_a_step_that_cannot_be_recorded_runs_as_it_is(
    make_problem: Make, train: Make, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.models.conftest import make_layers

    looks = [Looks(), Looks()]
    first, *rest = make_layers()
    wanted = train(make_problem(layers=[first, looks[0], *rest]), record=False)
    first, *rest = make_layers()
    with caplog.at_level(logging.WARNING, "neonport"):
        found = train(make_problem(layers=[first, looks[1], *rest]), record=True)
    assert_same(found, wanted)
    assert looks[0].seen == looks[1].seen
    (line,) = caplog.records
    assert line.message == (
        "fit: the training step is not recorded: it reads a tensor on the host (get, float(t), ...)"
    )


def test_random_numbers_advance(make_problem: Make) -> None:
    p = make_problem(dropout=True, ndata=48)
    (dropout,) = [x for x in p.model.layers.layers if isinstance(x, Dropout)]
    masks: list[np.ndarray] = []

    class Look(Callback):
        def on_minibatch_end(self, *args: Any) -> None:
            masks.append(dropout.keep_mask.get())

    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(Look())
    p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks, record=True)
    assert len({m.tobytes() for m in masks}) == len(masks) == 6


class Masked(ArrayIterator):
    """Targets with a mask that leaves every third sample out."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        mask = self.be.array(np.arange(self.be.bsz)[None, :] % 3 > 0)
        for x, t in super().__iter__():
            yield x, (t, mask)


def test_targets_with_a_mask(make_problem: Make, train: Make, calls: list[int]) -> None:
    def problem() -> Any:
        p = make_problem(ndata=48)
        p.data = Masked(p.x, p.y, nclass=3)
        p.cost = GeneralizedCostMask(CrossEntropyMulti())
        return p

    wanted = train(problem(), record=False)
    calls.clear()
    assert_same(train(problem(), record=True), wanted)
    assert len(calls) <= 2 * (3 + 1)


def test_a_backend_that_cannot_record(
    make_problem: Make, train: Make, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    wanted = train(make_problem(), record=False)
    p = make_problem()
    monkeypatch.setattr(type(p.be), "record", None)
    with caplog.at_level(logging.WARNING, "neonport"):
        assert_same(train(p, record=True), wanted)
    assert [r.message.count("cannot record") for r in caplog.records] == [1]
