"""How tests of recurrent layers make one, with weights large enough to tell formulas apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.initializers import Uniform
from neonport.transforms import Logistic, Tanh

N = 4  # samples in a batch


@pytest.fixture
def be(make_backend: Callable[..., Any]) -> Any:
    return make_backend(batch_size=N, rng_seed=0)


@pytest.fixture
def make(tools: Any) -> Callable[..., Any]:
    """Make and allocate a layer: `make(LSTM, in_shape, units, **arguments)`."""

    def build(kind: type, in_shape: Any, units: int = 3, *, first: bool = False, **kwargs: Any):
        allocate = {k: kwargs.pop(k) for k in ("accumulate_updates",) if k in kwargs}
        kwargs.setdefault("activation", Tanh())
        if kind.__name__ in ("LSTM", "GRU", "BiLSTM"):
            kwargs.setdefault("gate_activation", Logistic())
        layer = kind(units, kwargs.pop("init", Uniform(-0.8, 0.8)), **kwargs)
        tools.drive(layer, in_shape, first=first, **allocate)
        bias = layer.W[-len(layer.suffixes) :]
        bias[:] = layer.be.array(np.random.RandomState(9).uniform(-0.5, 0.5, bias.shape))
        return layer

    return build
