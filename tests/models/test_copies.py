"""Copied and pickled models: the same numbers, and nothing shared."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest

from neonport.data import ArrayIterator
from neonport.errors import DtypeError
from neonport.initializers import Gaussian
from neonport.layers import GRU, LSTM, Affine, GeneralizedCost, OpTreeLayer, RecurrentLast
from neonport.models import Model
from neonport.optimizers import Adam, get_param_list
from neonport.transforms import Logistic, Rectlin, SumSquared, Tanh

X = np.random.RandomState(0).randn(12, 5)
Y = X[:, :2] ** 2


class Squared(OpTreeLayer):
    def forward(self, x):
        return x * x


def make():
    draw = Gaussian(scale=0.3)
    return Model(
        [Affine(6, draw, batch_norm=True, activation=Rectlin()), Squared(), Affine(2, draw)]
    )


def train(model, num_epochs):
    model.fit(
        X, Y, cost=GeneralizedCost(costfunc=SumSquared()),
        optimizer=model.optimizer or Adam(learning_rate=0.01),
        num_epochs=num_epochs, progress_bar=False, shuffle=False,
    )  # fmt: skip
    return model


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.fixture(autouse=True)
def backend(be):
    be.bsz = 4
    return be


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_trains_on_by_itself(make_copy):
    model = train(make(), 2)
    before = model.predict(X)
    other = make_copy(model)
    np.testing.assert_array_equal(other.predict(X), before)
    train(other, 4)
    assert other.epoch_index == 4
    assert np.abs(other.predict(X) - before).max() > 1e-3
    np.testing.assert_array_equal(model.predict(X), before)
    np.testing.assert_array_equal(train(model, 4).predict(X), other.predict(X))


@pytest.mark.parametrize("make_copy", [copy.deepcopy, pickled])
def test_a_model_without_buffers_is_copied_too(make_copy):
    other = train(make_copy(make()), 1)
    assert other.predict(X).shape == (12, 2)


def test_a_deep_copy_is_ready_and_draws_no_numbers(be):
    model = train(make(), 2)
    state = be.rng_get_state()
    other = copy.deepcopy(model)
    assert other.evaluate(X, Y) == model.evaluate(X, Y)
    assert other.cost is not model.cost
    train(other, 3)
    assert pickle.dumps(be.rng_get_state()) == pickle.dumps(state)


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize("make_copy", [copy.deepcopy, pickled])
def test_recurrent_models_go_on_from_their_states(be, kind, make_copy):
    draw = Gaussian(scale=0.3)
    model = Model([kind(3, draw, activation=Tanh(), gate_activation=Logistic()), RecurrentLast()])
    model.initialize((5, 6))
    x = be.array(np.random.RandomState(1).randn(5, 24))
    model.fprop(x)
    other = make_copy(model)
    other.initialize((5, 6))
    for _ in range(2):
        np.testing.assert_array_equal(other.fprop(x).get(), model.fprop(x).get())


def test_layers_with_buffers_are_copied_with_the_views_of_them(be):
    layer = LSTM(3, Gaussian(), activation=Tanh(), gate_activation=Logistic(), reset_cells=True)
    model = Model([layer])
    model.initialize((5, 6))
    x = be.array(np.random.RandomState(1).randn(5, 24))
    before = model.fprop(x).get()
    other = copy.deepcopy(model.layers)
    np.testing.assert_array_equal(other.fprop(x).get(), before)
    for (weights, _), _ in get_param_list(other.layers_to_optimize):
        weights[:] = 0
    assert not other.fprop(x).get().any()
    np.testing.assert_array_equal(model.fprop(x).get(), before)


def test_an_iterator_and_its_copy_do_not_share_buffers():
    data = ArrayIterator(X, Y, make_onehot=False)
    other = copy.deepcopy(data)
    for _ in range(2):
        for (x, t), (x2, t2) in zip(data, other, strict=True):
            assert x.storage is not x2.storage
            np.testing.assert_array_equal(x2.get(), x.get())
            np.testing.assert_array_equal(t2.get(), t.get())


def test_what_cannot_be_pickled_says_what_can(be):
    for value in (be, ArrayIterator(X, Y, make_onehot=False)):
        with pytest.raises(DtypeError, match="models can be pickled"):
            pickle.dumps(value)
    assert copy.deepcopy(be) is be


def predict_in_child(model, results):
    """What a process computes that was started with a model as its argument."""
    results.put(model.predict(X))


def test_a_process_that_is_started_with_a_model_as_its_argument(be, monkeypatch):
    if be.backend_name != "cpu":
        pytest.skip("one backend will do")
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where the child finds this module
    model = train(make(), 1)
    start = multiprocessing.get_context("spawn")
    results = start.Queue()
    child = start.Process(target=predict_in_child, args=(model, results))
    child.start()
    found = results.get(timeout=120)
    child.join()
    np.testing.assert_array_equal(found, model.predict(X))
