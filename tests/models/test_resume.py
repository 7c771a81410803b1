"""Stopped and continued is the same, to the bit, as never stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import ReduceOnPlateau

Make = Callable[..., Any]

OPTIMIZERS = [
    "plain",
    "momentum",
    "scheduled",
    "adam",
    "rmsprop",
    "adagrad",
    "adadelta",
    "shiftadamax",
    "adamw",
    "nadam",
    "lion",
    "multi",
]


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert list(a) == list(b)
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", [1, 3])
def test_resumed_training_gives_the_same_bits(
    make_problem: Make, fit: Make, weights: Make, tmp_path: Path, optimizer: str, stop: int
) -> None:
    straight = make_problem(optimizer, dropout=True)
    fit(straight, 4)
    wanted, cost = weights(straight.model), straight.model.total_cost
    first = make_problem(optimizer, dropout=True)
    fit(first, stop, save_path=str(tmp_path / "m.prm"))
    second = make_problem(optimizer, dropout=True, seed=12345)
    second.model.load_params(tmp_path / "m.prm")
    second.be.rng.uniform(size=5)  # work in between draws numbers, on host and device
    second.be.make_binary_mask(second.be.empty((3, 5)))
    fit(second, 4)
    assert second.model.epoch_index == 4
    assert_same(weights(second.model), wanted)
    np.testing.assert_array_equal(second.model.total_cost, cost)
    assert second.data.get_state() == straight.data.get_state()


def test_a_reduced_rate_is_resumed(make_problem: Make, weights: Make, tmp_path: Path) -> None:
    def train(p: Any, epochs: int, **options: Any) -> None:
        callbacks = Callbacks(p.model, progress_bar=False, **options)
        callbacks.add_callback(ReduceOnPlateau("cost"))
        p.model.fit(p.data, p.cost, p.optimizer, epochs, callbacks)

    straight = make_problem("plateau")
    train(straight, 5)
    wanted, scale = weights(straight.model), straight.optimizer.schedule.scale
    assert scale < 1e-3
    first = make_problem("plateau")
    train(first, 3, save_path=str(tmp_path / "m.prm"))
    second = make_problem("plateau", seed=5)
    second.model.load_params(tmp_path / "m.prm")
    train(second, 5)
    assert_same(weights(second.model), wanted)
    assert second.optimizer.schedule.scale == scale


def test_noise_in_expressions_continues(
    make_problem: Make, fit: Make, weights: Make, tmp_path: Path
) -> None:
    from neonport.initializers import Gaussian
    from neonport.layers import Affine, OpTreeLayer
    from neonport.models import Model
    from neonport.transforms import Softmax

    class Drop(OpTreeLayer):
        def forward(self, x: Any) -> Any:
            return x * (self.be.rand() < 0.7)

    def problem(seed: int = 7) -> Any:
        made = make_problem(seed=seed)
        init = Gaussian(scale=0.3)
        made.model = Model([Affine(8, init), Drop(), Affine(3, init, activation=Softmax())])
        return made

    straight = problem()
    fit(straight, 3)
    wanted = weights(straight.model)
    fit(problem(), 1, save_path=str(tmp_path / "m.prm"))
    second = problem(12345)
    second.model.load_params(tmp_path / "m.prm")
    fit(second, 3)
    assert_same(weights(second.model), wanted)


def test_model_file_of_the_callbacks(
    make_problem: Make, fit: Make, weights: Make, tmp_path: Path
) -> None:
    straight = make_problem("adam")
    fit(straight, 4)
    wanted = weights(straight.model)
    fit(make_problem("adam"), 2, save_path=str(tmp_path / "m.prm"))
    second = make_problem("adam", seed=3)
    fit(second, 4, model_file=str(tmp_path / "m.prm"))
    assert_same(weights(second.model), wanted)


def test_saved_after_fit_is_as_good_as_inside(
    make_problem: Make, fit: Make, weights: Make, tmp_path: Path
) -> None:
    straight = make_problem()
    fit(straight, 4)
    wanted = weights(straight.model)
    first = make_problem()
    fit(first, 2)
    first.model.save_params(tmp_path / "m.prm")
    second = make_problem(seed=3)
    second.model.load_params(tmp_path / "m.prm")
    fit(second, 4)
    assert_same(weights(second.model), wanted)


class SaveAt(Callback):
    """Save in the middle of an epoch, as Ctrl-C does, and go on or stop."""

    def __init__(self, path: Path, epoch: int, minibatch: int, stop: bool) -> None:
        super().__init__()
        self.path, self.when, self.stop = path, (epoch, minibatch), stop

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        if (epoch, mb) == self.when:
            model.save_params(self.path)
            if self.stop:
                raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("minibatch", [0, 1, -1])
@pytest.mark.parametrize("restart", ["process", "same objects"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_stopped_inside_an_epoch(
    make_problem: Make,
    fit: Make,
    weights: Make,
    tmp_path: Path,
    epoch: int,
    minibatch: int,
    restart: str,
    shuffle: bool,
) -> None:
    straight = make_problem("adam", dropout=True, shuffle=shuffle)
    counts = []

    class Count(Callback):
        def on_epoch_begin(self, callback_data: Any, model: Any, epoch: int) -> None:
            counts.append(model.nbatches)

    callbacks = Callbacks(straight.model, progress_bar=False)
    callbacks.add_callback(Count())
    straight.model.fit(straight.data, straight.cost, straight.optimizer, 4, callbacks)
    wanted, cost = weights(straight.model), straight.model.total_cost
    minibatch %= counts[epoch]

    first = make_problem("adam", dropout=True, shuffle=shuffle)
    callbacks = Callbacks(first.model, progress_bar=False)
    callbacks.add_callback(SaveAt(tmp_path / "m.prm", epoch, minibatch, stop=True))
    with pytest.raises(KeyboardInterrupt):
        first.model.fit(first.data, first.cost, first.optimizer, 4, callbacks)
    if restart == "same objects":
        second = first
    else:
        second = make_problem("adam", dropout=True, seed=77, shuffle=shuffle)
        second.model.load_params(tmp_path / "m.prm")
        assert second.model.epoch_index == epoch
        assert second.model.minibatch_index == minibatch + 1
    fit(second, 4)
    assert_same(weights(second.model), wanted)
    np.testing.assert_array_equal(second.model.total_cost, cost)


def test_other_data_start_an_epoch_anew(
    make_problem: Make, fit: Make, weights: Make, tmp_path: Path
) -> None:
    from neonport.data import ArrayIterator

    p = make_problem()
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(SaveAt(tmp_path / "m.prm", 0, 1, stop=True))
    with pytest.raises(KeyboardInterrupt):
        p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    assert p.model.minibatch_index == 2
    p.data = ArrayIterator(p.x[:8], p.y[:8], nclass=3)
    before = weights(p.model)
    fit(p, 1)
    after = weights(p.model)
    assert any((before[name] != after[name]).any() for name in before)  # trained, not skipped


PROCESS = """
import sys, numpy as np
from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import Gaussian
from neonport.layers import Affine, Dropout, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Rectlin, Softmax

backend, path, epochs, resume = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "resume"
gen_backend(backend, batch_size=8, rng_seed=None if resume else 7)
rng = np.random.RandomState(0)
x, y = rng.normal(size=(27, 6)).astype("f4"), rng.randint(0, 3, 27)
layers = [Affine(8, Gaussian(), batch_norm=True, activation=Rectlin()), Dropout(0.7),
          Affine(3, Gaussian(), activation=Softmax())]
model = Model(path) if resume else Model(layers)
model.fit(ArrayIterator(x, y, nclass=3), GeneralizedCost(CrossEntropyMulti()), Adam(), epochs,
          Callbacks(model, save_path=path))
"""


def test_new_processes(backend_name: str, make_problem: Make, tmp_path: Path) -> None:
    make_problem()  # skips where this backend has no device

    def run(path: str, epochs: int, mode: str) -> None:
        subprocess.run(
            [sys.executable, "-c", PROCESS, backend_name, str(tmp_path / path), str(epochs), mode],
            check=True,
        )

    from neonport.io import checkpoint
    from neonport.io.json_encoding import encode

    run("straight.prm", 5, "new")
    run("parts.prm", 2, "new")
    run("parts.prm", 3, "resume")
    run("parts.prm", 5, "resume")
    straight = encode(checkpoint.load(tmp_path / "straight.prm"))
    parts = encode(checkpoint.load(tmp_path / "parts.prm"))
    assert_same(parts[1], straight[1])
    for values in (straight[0], parts[0]):
        values["backend"].pop("rng_seed")
    assert parts[0] == straight[0]


class Samples(Callback):
    """Counts how often each sample was trained, by its first feature."""

    def __init__(self, problem: Any, counts: dict[float, int]) -> None:
        super().__init__()
        self.problem, self.counts = problem, counts

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        for value in self.problem.data.Xbuf[0].get()[0]:
            self.counts[float(value)] = self.counts.get(float(value), 0) + 1


@pytest.mark.parametrize("batch_size", [4, 16])
def test_another_batch_size_starts_the_epoch_again(
    make_problem: Make, tmp_path: Path, batch_size: int
) -> None:
    p = make_problem(ndata=48)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(SaveAt(tmp_path / "m.prm", 0, 3, stop=True))
    with pytest.raises(KeyboardInterrupt):
        p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    q = make_problem(ndata=48, batch_size=batch_size)
    q.model.load_params(tmp_path / "m.prm")
    counts: dict[float, int] = {}
    callbacks = Callbacks(q.model, progress_bar=False)
    callbacks.add_callback(Samples(q, counts))
    words = rf"batch size of 8, now it is {batch_size}: epoch 0, of which 4 minibatches.*again"
    with pytest.warns(UserWarning, match=words):
        q.model.fit(q.data, q.cost, q.optimizer, 1, callbacks)
    assert len(counts) == 48
    assert set(counts.values()) == {1}
    assert q.model.epoch_index == 1


def test_another_batch_size_of_the_second_fit_starts_the_epoch_again(
    make_problem: Make, tmp_path: Path
) -> None:
    p = make_problem(ndata=48)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(SaveAt(tmp_path / "m.prm", 0, 3, stop=True))
    with pytest.raises(KeyboardInterrupt):
        p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    p.model.state.batch_size = 6  # as if be.bsz and all buffers had been changed since
    counts: dict[float, int] = {}
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(Samples(p, counts))
    words = "batch size of 6, now it is 8: epoch 0, of which 4 minibatches.*again"
    with pytest.warns(UserWarning, match=words):
        p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    assert len(counts) == 48
    assert set(counts.values()) == {1}


def test_other_data_of_a_checkpoint_start_the_epoch_again(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    p = make_problem(ndata=48)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(SaveAt(tmp_path / "m.prm", 0, 3, stop=True))
    with pytest.raises(KeyboardInterrupt):
        p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks)
    q = make_problem(ndata=16)
    q.model.load_params(tmp_path / "m.prm")
    with pytest.warns(UserWarning, match="48 samples, now there are 16: epoch 0"):
        fit(q, 1)


def test_another_batch_size_between_epochs_is_said(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    fit(make_problem(), 1, save_path=str(tmp_path / "m.prm"))
    q = make_problem(batch_size=9)
    q.model.load_params(tmp_path / "m.prm")
    with pytest.warns(UserWarning, match="batch size of 8, now it is 9: training goes on"):
        fit(q, 2)


@pytest.mark.parametrize("where", ["optimizer_state", "data_state"])
@pytest.mark.parametrize("state", [{"t": None}, {"start": "x"}, {"start": -1}, 7, ["x"]])
def test_states_that_are_none_leave_optimizer_and_data(
    make_problem: Make, fit: Make, where: str, state: Any
) -> None:
    from neonport.errors import NeonportError

    p = make_problem("adam")
    fit(p, 1)
    d = p.model.serialize()
    d["resume"][where] = state
    q = make_problem("adam")
    try:
        q.model.deserialize(d)
        with pytest.raises(NeonportError):
            fit(q, 2)
    except NeonportError:
        assert q.model.epoch_index == 0
    assert q.optimizer.get_state() == {"t": 0}
    if where == "data_state":
        assert q.data.get_state() == {"start": 0}
