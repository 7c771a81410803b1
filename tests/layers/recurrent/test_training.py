"""Recurrent layers in models: recorded steps, steps that allocate nothing, layers below."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import Gaussian, Uniform
from neonport.layers import (
    GRU,
    LSTM,
    Affine,
    BatchNorm,
    BiBNRNN,
    BiLSTM,
    BiRNN,
    Convolution,
    DeepBiRNN,
    GeneralizedCost,
    GeneralizedCostMask,
    LookupTable,
    Pooling,
    Recurrent,
    RecurrentLast,
    RecurrentMean,
    RecurrentSum,
    Sequential,
)
from neonport.layers.recurrent import BiSum
from neonport.models import Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import Explin, Logistic, SumSquared, Tanh

F, H, T, N = 2, 3, 3, 4
INIT = Uniform(-0.5, 0.5)
GATES = {"activation": Tanh(), "gate_activation": Logistic()}


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


class Evaluates(Callback):
    """Looks at other data in the middle of an epoch."""

    def __init__(self, data):
        super().__init__(minibatch_freq=2)
        self.data = data

    def on_minibatch_end(self, callback_data, model, epoch, minibatch):
        for x, _ in self.data:
            model.fprop(x, inference=True)


def data(seed=0):
    x, y = randn(6 * N, F * T, seed=seed), randn(6 * N, 2 * T, seed=seed + 1)
    return ArrayIterator(x, y, lshape=(F, T), target_shape=(2, T), make_onehot=False)


def train(make_backend, layers, record):
    make_backend(batch_size=N, rng_seed=0)
    model = Model([*layers(), Affine(2, INIT)])
    callbacks = Callbacks(model, progress_bar=False)
    callbacks.add_callback(Evaluates(data(7)))
    optimizer = GradientDescentMomentum(0.05, 0.9)
    model.fit(data(), GeneralizedCost(SumSquared()), optimizer, 2, callbacks, record=record)
    return [p.get() for layer in model.layers_to_optimize for p in (layer.W,)]


@pytest.mark.parametrize("strict", [False, True])
def test_recorded_steps_are_those_that_are_not_also_with_carried_states(make_backend, strict):
    def layers():
        return [LSTM(H, INIT, **GATES, strict=strict), GRU(H, INIT, **GATES, strict=strict)]

    wanted, found = (train(make_backend, layers, record) for record in (False, True))
    for a, b in zip(wanted, found, strict=True):
        assert a.tobytes() == b.tobytes()


class Predicts(Callback):
    """Predicts in the middle of an epoch."""

    def __init__(self):
        super().__init__(minibatch_freq=2)
        self.found = []

    def on_minibatch_end(self, callback_data, model, epoch, minibatch):
        x = randn(N + 2, F * T, seed=3)
        values = model.predict(x)
        np.testing.assert_array_equal(values[1:4], model.predict(x[1:4]))
        self.found.append(values)


def test_predictions_stand_for_themselves_and_leave_no_trace(make_backend):
    def run(callback):
        make_backend(batch_size=N, rng_seed=0)
        model = Model([LSTM(H, INIT, **GATES), GRU(H, INIT, **GATES), Affine(2, INIT)])
        callbacks = Callbacks(model, progress_bar=False)
        if callback is not None:
            callbacks.add_callback(callback)
        optimizer = GradientDescentMomentum(0.05, 0.9)
        model.fit(data(), GeneralizedCost(SumSquared()), optimizer, 2, callbacks)
        return [layer.W.get() for layer in model.layers_to_optimize]

    curious = Predicts()
    for a, b in zip(run(None), run(curious), strict=True):
        assert a.tobytes() == b.tobytes()
    assert curious.found


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bits_come_near_thirty_two(make_backend, precision):
    def cost(precision):
        be = make_backend(batch_size=N, rng_seed=0)
        if precision not in be.default_dtypes:
            pytest.skip(f"{be} does not store {precision}")
        layers = [BiLSTM(H, INIT, **GATES), GRU(H, INIT, **GATES), BiBNRNN(H, INIT, None, Tanh())]
        model = Model([*layers, Affine(2, INIT)])
        callbacks, optimizer = (
            Callbacks(model, progress_bar=False),
            GradientDescentMomentum(0.02, 0.9),
        )
        model.fit(
            data(), GeneralizedCost(SumSquared()), optimizer, 2, callbacks, precision=precision
        )
        assert all(layer.W.dtype == np.float32 for layer in model.layers_to_optimize)
        return float(model.total_cost[0, 0])

    assert cost(precision) == pytest.approx(cost("float32"), rel=0.05)


def test_gradients_of_shorter_sequences_through_a_network_with_a_masked_cost(be64):
    layers = [LookupTable(5, F, INIT), LSTM(H, INIT, **GATES), BiLSTM(H, INIT, **GATES)]
    model, cost = Model([*layers, Affine(2, INIT)]), GeneralizedCostMask(SumSquared())
    model.initialize((T, 1), cost)
    model.set_seq_len(2)
    x = be64.array(np.random.RandomState(0).randint(0, 5, (T, N)))
    mask = np.ones((2, T * N))
    mask[:, 2 * N :] = 0
    targets = be64.array(randn(2, T * N)), be64.array(mask)

    def run():
        layers[1].reset_state()
        y = model.fprop(x)
        model.bprop(cost.get_errors(y, targets))
        return float(cost.get_cost(y, targets)[0, 0]) * T * N

    for layer in model.layers_to_optimize:
        run()
        gradient, values = layer.dW.get(), layer.W.get()
        direction = randn(*values.shape, seed=1)
        ends = []
        for step in (1e-5, -1e-5):
            layer.W.set(values + step * direction)
            ends.append(run())
        layer.W.set(values)
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx((gradient * direction).sum(), abs=1e-8)


NETWORKS = {
    "one call": lambda: [
        LookupTable(5, F, INIT, pad_idx=0),
        LSTM(H, INIT, **GATES),
        GRU(H, INIT, **GATES, reset_cells=True),
        BiLSTM(H, INIT, **GATES),
        BiSum(),
        RecurrentMean(),
    ],
    "step by step": lambda: [
        LookupTable(5, F, INIT),
        LSTM(H, INIT, activation=Explin(), gate_activation=Logistic()),
        BiBNRNN(H, INIT, activation=Explin()),
        RecurrentLast(),
    ],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_warm_step_allocates_nothing_and_can_be_recorded(
    be, tools, monkeypatch, pytestconfig, name
):
    net = tools.drive(Sequential(NETWORKS[name]()), T, first=True)
    x = be.array(np.random.RandomState(0).randint(0, 5, (T, N)))
    error = be.array(randn(*net.layers[-1].outputs.shape))

    def step():
        y = net.fprop(x)
        net.bprop(error)
        return y

    step()
    step()
    taken = []
    allocate = be.device.allocate
    monkeypatch.setattr(be.device, "allocate", lambda n: taken.append(n) or allocate(n))
    step()
    assert taken == []
    monkeypatch.undo()
    run = be.record(step)
    assert all(np.isfinite(run().get()).all() for _ in range(3))
    if not pytestconfig.getoption("--cuda-texts"):  # which runs nothing compiled
        assert run.replays >= 1


@pytest.mark.parametrize(
    "above",
    [
        lambda: [Recurrent(H, INIT, activation=Tanh()), RecurrentSum()],
        lambda: [LSTM(H, INIT, **GATES), RecurrentMean()],
        lambda: [GRU(H, INIT, **GATES), RecurrentLast()],
        lambda: [BiRNN(H, INIT, activation=Tanh()), BiSum(), RecurrentSum()],
        lambda: [DeepBiRNN(H, INIT, activation=Tanh(), depth=2, batch_norm=True), RecurrentLast()],
        lambda: [BiLSTM(H, INIT, **GATES), RecurrentSum()],
    ],
)
def test_every_type_runs_behind_a_convolution(be, tools, above):
    below = [Convolution((2, 2, 3), init=Gaussian(scale=0.1)), BatchNorm(), Pooling(2)]
    net = tools.drive(Sequential([*below, *above()]), (2, 5, 7), first=True)
    assert net.layers[3].in_shape == (3, 2, 3)
    y = net.fprop(be.array(randn(2 * 5 * 7, N)))
    net.bprop(be.array(randn(*y.shape)))
    assert np.isfinite(net.layers[0].dW.get()).all()
    assert net.layers[0].dW.get().any()
