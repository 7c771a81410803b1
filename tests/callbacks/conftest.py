"""A model and data that train in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def make_problem(make_backend: Callable[..., Any]) -> Callable[..., SimpleNamespace]:
    """Factory: backend, model, data for training and evaluation, cost, optimizer."""

    def make(ndata: int = 24, held: int = 11, batch_size: int = 8) -> SimpleNamespace:
        from neonport.data import ArrayIterator
        from neonport.initializers import Gaussian
        from neonport.layers import Affine, GeneralizedCost
        from neonport.models import Model
        from neonport.optimizers import GradientDescentMomentum
        from neonport.transforms import CrossEntropyMulti, Softmax

        be = make_backend(batch_size=batch_size, rng_seed=0)
        rng = np.random.RandomState(1)
        x, y = rng.normal(size=(ndata + held, 4)).astype("f4"), rng.randint(0, 3, ndata + held)
        return SimpleNamespace(
            be=be,
            held_x=x[ndata:],
            held_y=y[ndata:],
            model=Model([Affine(3, Gaussian(scale=0.5), activation=Softmax())]),
            data=ArrayIterator(x[:ndata], y[:ndata], nclass=3, name="train"),
            held=ArrayIterator(x[ndata:], y[ndata:], nclass=3, name="held"),
            cost=GeneralizedCost(CrossEntropyMulti()),
            optimizer=GradientDescentMomentum(0.2, 0.9),
        )

    return make


@pytest.fixture
def fit() -> Callable[..., Any]:
    """Train with the callbacks given, or with new ones; returns the callbacks."""

    def run(problem: SimpleNamespace, epochs: int, callbacks: Any = None, **kwargs: Any) -> Any:
        from neonport.callbacks import Callbacks

        if callbacks is None:
            callbacks = Callbacks(problem.model, **{"progress_bar": False, **kwargs})
        problem.model.fit(problem.data, problem.cost, problem.optimizer, epochs, callbacks)
        return callbacks

    return run
