"""A small problem: data, layers, cost and optimizer, made anew by each call."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


def make_data(ndata: int, features: int = 6, nclass: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Clouds around `nclass` centres."""
    rng = np.random.RandomState(42)
    labels = rng.randint(0, nclass, ndata)
    centres = rng.normal(size=(nclass, features))
    return (centres[labels] + 0.5 * rng.normal(size=(ndata, features))).astype("f4"), labels


def make_layers(dropout: bool = False, batch_norm: bool = True) -> list[Any]:
    from neonport.initializers import Constant, Gaussian
    from neonport.layers import Affine, Dropout
    from neonport.transforms import Rectlin, Softmax

    init = Gaussian(scale=0.3)
    layers = [Affine(8, init, batch_norm=batch_norm, activation=Rectlin())]
    if dropout:
        layers.append(Dropout(keep=0.7))
    return [*layers, Affine(3, init, bias=Constant(0.1), activation=Softmax())]


def make_optimizer(name: str = "momentum") -> Any:
    from neonport import optimizers as o

    makers: dict[str, Callable[[], Any]] = {
        "plain": lambda: o.GradientDescentMomentum(0.1, 0.0),
        "momentum": lambda: o.GradientDescentMomentum(0.1, 0.9, wdecay=1e-4),
        "scheduled": lambda: o.GradientDescentMomentum(
            0.1, 0.9, schedule=o.Schedule([1, 3], change=0.5)
        ),
        "adam": lambda: o.Adam(learning_rate=0.01),
        "rmsprop": lambda: o.RMSProp(learning_rate=0.01),
        "adagrad": lambda: o.Adagrad(learning_rate=0.05),
        "adadelta": lambda: o.Adadelta(),
        "shiftadamax": lambda: o.ShiftAdaMax(learning_rate=0.01),
        "adamw": lambda: o.AdamW(0.01, schedule=o.WarmupSchedule(2, o.CosineSchedule(3))),
        "nadam": lambda: o.Nadam(0.01, wdecay=1e-3, schedule=o.OneCycleSchedule(4)),
        "lion": lambda: o.Lion(0.01, wdecay=0.1),
        "plateau": lambda: o.Adam(
            learning_rate=0.01, schedule=o.PlateauSchedule(patience=1, min_delta=10)
        ),
        "multi": lambda: o.MultiOptimizer(
            {"default": o.Adam(learning_rate=0.01), "Bias": o.RMSProp()}
        ),
    }
    return makers[name]()


@pytest.fixture
def make_problem(make_backend: Callable[..., Any]) -> Callable[..., SimpleNamespace]:
    """Factory: a fresh backend, and a model on it that has seen nothing yet."""

    def make(
        optimizer: str = "momentum",
        ndata: int = 27,
        batch_size: int = 8,
        seed: int = 7,
        layers: Any = None,
        dtype: Any = np.float32,
        dropout: bool = False,
        batch_norm: bool = True,
        strict_wrap: bool = True,
        shuffle: bool = False,
    ) -> SimpleNamespace:
        from neonport.data import ArrayIterator
        from neonport.layers import GeneralizedCost
        from neonport.models import Model
        from neonport.transforms import CrossEntropyMulti

        be = make_backend(batch_size=batch_size, rng_seed=seed, dtype=dtype)
        x, y = make_data(ndata)
        layers = make_layers(dropout, batch_norm) if layers is None else layers
        return SimpleNamespace(
            be=be,
            x=x,
            y=y,
            model=Model(layers),
            data=ArrayIterator(
                x, y, nclass=3, name="train", strict_wrap=strict_wrap, shuffle=shuffle
            ),
            cost=GeneralizedCost(CrossEntropyMulti()),
            optimizer=make_optimizer(optimizer),
        )

    return make


@pytest.fixture
def fit() -> Callable[..., Any]:
    """Train a problem quietly; returns its model."""

    def run(problem: SimpleNamespace, epochs: int, **kwargs: Any) -> Any:
        from neonport.callbacks import Callbacks

        callbacks = Callbacks(problem.model, progress_bar=False, **kwargs)
        problem.model.fit(problem.data, problem.cost, problem.optimizer, epochs, callbacks)
        return problem.model

    return run


@pytest.fixture
def weights() -> Callable[[Any], dict[str, np.ndarray]]:
    """All arrays of a model's description (parameters and states), by place."""

    def collect(model: Any) -> dict[str, np.ndarray]:
        from neonport.io.json_encoding import encode

        return encode(model.layers.get_description(get_weights=True, keep_states=True))[1]

    return collect
