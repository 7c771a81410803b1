"""Networks of these layers: gradients as a whole, training, saved files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport import layers
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import Constant, Gaussian, Kaiming
from neonport.io.json_encoding import encode
from neonport.layers import (
    LRN,
    Affine,
    BranchNode,
    Conv,
    Convolution,
    Deconv,
    Dropout,
    GeneralizedCost,
    LocallyConnected,
    Pooling,
    Sequential,
    Upsample,
)
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Logistic, Rectlin, Softmax, Tanh
from tests.layers.windows.definitions import randn

Make = Callable[..., Any]
INIT = Gaussian(scale=0.5)

STACKS: dict[str, tuple[Any, Callable[[], list[Any]]]] = {
    "picture": (
        (2, 5, 4),
        lambda: [
            Conv((3, 2, 3), INIT, padding=1, bias=Gaussian(), activation=Tanh()),
            Pooling(2, "avg", strides=1),
            Conv((2, 2, 2), INIT, strides=2, batch_norm=True, activation=Logistic()),
            LRN(3, ascale=0.5),
            Deconv((2, 3, 2), INIT, strides=2, bias=Gaussian(), activation=Tanh()),
            Pooling((2, 3), "max", strides=2, padding=1),
            Affine(2, INIT, bias=Gaussian()),
        ],
    ),
    "volume": (
        (1, 3, 3, 2),
        lambda: [
            Conv((2, 2, 2, 2), INIT, padding=(1, 0, 0), bias=Gaussian(), activation=Tanh()),
            Pooling((2, 1, 1), "avg"),
            Deconv((1, 2, 2, 1), INIT, batch_norm=True, activation=Tanh()),
            Pooling("all", "max"),
        ],
    ),
    "larger again": (
        (2, 3, 2),
        lambda: [
            Pooling((2, 1), "max", strides=1),
            Upsample(2),
            LocallyConnected((2, 2, 1), strides=2, init=INIT),
            Upsample(2, "bilinear"),
            Convolution((2, 2, 2), init=INIT),
        ],
    ),
}


@pytest.mark.parametrize("name", STACKS)
def test_gradients(be64: Any, tools: Any, name: str) -> None:
    in_shape, make = STACKS[name]
    net = tools.drive(Sequential(make()), in_shape)
    x = randn(*be64.iobuf(in_shape).shape)
    assert tools.check_gradients(be64, net, x) < 1e-7


class Problem:
    """A model that has seen nothing yet, and images of three classes."""

    def __init__(self, be: Any, samples: int = 12) -> None:
        self.be = be
        rng = np.random.RandomState(3)
        labels = rng.randint(3, size=samples)
        images = rng.normal(size=(samples, 60)) + labels[:, None]
        self.data = ArrayIterator(images.astype("f4"), labels, nclass=3, lshape=(2, 5, 6))
        init = Kaiming(local=True)
        self.model = Model(
            [
                Conv((3, 3, 4), init, padding=1, batch_norm=True, activation=Rectlin()),
                Pooling(2, strides=2, padding=1),
                LRN(3, ascale=0.1),
                Dropout(0.8),
                Conv((2, 2, 3), init, bias=Constant(0.1), activation=Rectlin()),
                Deconv((2, 2, 2), init, strides=2, bias=Constant(0)),
                Upsample(2),
                LocallyConnected((3, 3, 2), strides=3, init=INIT, bias=Constant(0)),
                Pooling("all", "avg"),
                Affine(3, Gaussian(), activation=Softmax()),
            ]
        )
        self.cost = GeneralizedCost(CrossEntropyMulti())
        self.optimizer = Adam(learning_rate=0.01)

    def fit(self, epochs: int, record: bool = False, **kwargs: Any) -> dict[str, np.ndarray]:
        """Train; returns parameters and states."""
        callbacks = Callbacks(self.model, progress_bar=False, **kwargs)
        self.model.fit(self.data, self.cost, self.optimizer, epochs, callbacks, record=record)
        found = self.model.layers.get_description(get_weights=True, keep_states=True)
        return {**encode(found)[1], "cost": self.model.total_cost}


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_recorded_and_resumed_training_gives_the_same_bits(
    make_backend: Make,
    tmp_path: Any,
    caplog: pytest.LogCaptureFixture,
    pytestconfig: pytest.Config,
) -> None:
    def problem(seed: int = 1) -> Problem:
        return Problem(make_backend(batch_size=4, rng_seed=seed))

    wanted = problem().fit(3)
    with caplog.at_level(logging.WARNING, "neonport"):  # a step that allocates gives a warning
        found = problem().fit(3, record=True)
    if not pytestconfig.getoption("--cuda-texts"):  # which runs nothing compiled
        assert not caplog.records
    assert_same(found, wanted)
    problem().fit(1, save_path=str(tmp_path / "saved"))
    p = problem(seed=99)
    p.model.load_params(tmp_path / "saved")
    assert_same(p.fit(3), wanted)


def test_a_saved_model_is_built_from_its_file(make_backend: Make, tmp_path: Any) -> None:
    p = Problem(make_backend(batch_size=4, rng_seed=0), samples=10)  # the last batch is not full
    p.fit(1)
    p.model.save_params(tmp_path / "saved")
    wanted = p.model.get_outputs(p.data)
    again = Model(tmp_path / "saved")
    np.testing.assert_array_equal(again.get_outputs(p.data), wanted)
    assert str(again) == str(p.model)


@pytest.mark.parametrize(
    ("kind", "rows"), [("Recurrent", 5), ("LSTM", 5), ("GRU", 5), ("BiRNN", 10), ("BiLSTM", 10)]
)
def test_columns_of_maps_are_time_steps(make_backend: Make, kind: str, rows: int) -> None:
    """A recurrent layer reads images from left to right, without a copy."""
    be = make_backend(batch_size=2, rng_seed=0)
    gates = {"gate_activation": Logistic()} if kind in ("LSTM", "GRU", "BiLSTM") else {}
    front = Conv((3, 3, 2), INIT, padding=1, batch_norm=True, activation=Rectlin())
    sequence = getattr(layers, kind)(5, INIT, activation=Tanh(), **gates)
    model = Model([front, Pooling(2), sequence, layers.RecurrentMean(), Affine(2, INIT)])
    model.initialize((1, 4, 6))
    assert model.layers.layers[4].in_shape == (2, 2, 3)
    assert model.layers.layers[4].out_shape == (rows, 3)
    y = model.fprop(be.array(randn(24, 2)))
    model.bprop(y)
    assert np.isfinite(front[0].dW.get()).all()
    assert front[0].dW.get().any()


def test_a_branch_below_a_convolution(make_backend: Make, tools: Any) -> None:
    """A BranchNode's error buffer is where the layer after it adds its own."""
    be = make_backend(batch_size=2, rng_seed=0)
    branch = BranchNode("b")
    net = Sequential([Convolution((2, 2, 2), init=INIT), branch, Convolution((1, 1, 1), init=INIT)])
    tools.drive(net, (1, 3, 3))
    assert net.layers[2].deltas is branch.deltas
    net.fprop(be.array(randn(9, 2)))
    error = be.array(randn(4, 2))
    first = net.layers[2].bprop(error).get()
    np.testing.assert_allclose(
        net.layers[2].bprop(error, alpha=1.0, beta=1.0).get(), 2 * first, rtol=1e-5
    )
