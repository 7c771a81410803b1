"""Models that are saved and loaded again and again, and on another backend, keep their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.callbacks import Callbacks
from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    LSTM,
    Affine,
    Conv,
    Dropout,
    GeneralizedCost,
    MergeMultistream,
    Pooling,
    RecurrentSum,
)
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Logistic, Rectlin, Softmax, Tanh
from tests.models.test_checkpoint_generations import numbers

Make = Callable[..., Any]
INIT = Gaussian(scale=0.3)
TOP = {"init": INIT, "bias": Constant(0.1), "activation": Softmax()}
RNG = np.random.RandomState(0)
IMAGES = RNG.normal(size=(24, 2, 6, 6)).astype("f4")
FEATURES = RNG.normal(size=(24, 5)).astype("f4")
TEXTS = RNG.normal(size=(24, 4, 3)).astype("f4")  # samples, steps, features
LABELS = np.arange(24) % 3


def image_net() -> list[Any]:
    """Convolutions with bias and with batch norm, and dropout."""
    return [
        Conv((3, 3, 4), INIT, bias=Constant(0.1), activation=Rectlin()),
        Conv((1, 1, 3), INIT, batch_norm=True, activation=Rectlin()),
        Pooling(2),
        Dropout(0.7),
        Affine(3, **TOP),
    ]


def streams() -> list[Any]:
    gates = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}
    paths = [[Affine(4, INIT, activation=Tanh())], [LSTM(3, INIT, **gates), RecurrentSum()]]
    return [MergeMultistream(paths, merge="stack"), Affine(3, **TOP)]


NETS: dict[str, tuple[Any, Any]] = {
    "images": (image_net, IMAGES),
    "several inputs": (streams, [FEATURES, TEXTS]),
}


def trained(net: str, epochs: int, model: Model | None = None, **callbacks: Any) -> Model:
    """A model that has trained so many epochs in all."""
    make, x = NETS[net]
    model = Model(make()) if model is None else model
    quiet = Callbacks(model, progress_bar=False, **callbacks)
    optimizer = model.optimizer or Adam(learning_rate=0.01)
    model.fit(x, LABELS, GeneralizedCost(CrossEntropyMulti()), optimizer, epochs, quiet)
    return model


@pytest.mark.parametrize("net", NETS)
def test_what_is_saved_and_built_from_its_file_is_the_same(
    net: str, make_backend: Make, tmp_path: Path
) -> None:
    """Parameters, states and outputs, as neon's own tests ask for."""
    make_backend(batch_size=8, rng_seed=3)
    model, path = trained(net, 2), tmp_path / "model.prm"
    model.save_params(path)
    again = Model(path)
    x = NETS[net][1]
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert numbers(again) == numbers(model)
    assert len(numbers(model)) > 10


def test_two_hundred_round_trips_keep_every_bit(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=8, rng_seed=3)
    model, path = trained("images", 1), tmp_path / "model.prm"
    before = numbers(model)
    model.save_params(path)
    model.load_params(path)
    file = path.read_bytes()
    for _ in range(200):
        model.load_params(path)
        model.save_params(path)
    assert numbers(model) == before
    assert path.read_bytes() == file


def test_saved_on_one_backend_and_resumed_on_the_cpu(
    make_backend: Make, backend_name: str, tmp_path: Path
) -> None:
    """What was saved is there bit for bit; training goes on, in the rounding of the other one."""
    path = tmp_path / "model.prm"
    make_backend(batch_size=8, rng_seed=3)
    saved = trained("images", 1, save_path=str(path), serialize=1)
    there = numbers(saved)
    outputs = saved.predict(IMAGES)
    gone_on = trained("images", 3, saved).predict(IMAGES)
    gen_backend("cpu", batch_size=8, rng_seed=9)
    model = Model(image_net())
    model.load_params(path)
    model.initialize((2, 6, 6))
    assert numbers(model) == there
    np.testing.assert_allclose(model.predict(IMAGES), outputs, rtol=1e-5, atol=1e-6)
    trained("images", 3, model)
    assert model.epoch_index == 3
    exact = {"rtol": 0, "atol": 0} if backend_name == "cpu" else {"rtol": 2e-3, "atol": 2e-4}
    np.testing.assert_allclose(model.predict(IMAGES), gone_on, **exact)
