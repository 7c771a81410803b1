"""The least a layer must be for an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


class FakeLayer:
    """Parameters, gradients and the list of states, which the optimizer fills."""

    def __init__(self, be: Any, *pairs: Any, name: str = "layer") -> None:
        self.name = name
        self.entries: list[Any] = [((be.array(p), be.array(g)), []) for p, g in pairs]
        self.W, self.dW = self.entries[0][0]
        self.states: list[Any] = self.entries[0][1]

    def get_params(self) -> Any:
        return self.entries[0] if len(self.entries) == 1 else self.entries


@pytest.fixture
def make_layer() -> Callable[..., Any]:
    """Factory: `make_layer(be, (param, grad), ..., name=...)`."""
    return FakeLayer


@pytest.fixture
def make_kind() -> Callable[[str], Any]:
    """Factory of layer classes by name, for optimizers that look at it."""
    return lambda name: type(name, (FakeLayer,), {})


@pytest.fixture
def operands() -> tuple[Any, Any]:
    """A parameter and a gradient (a sum over the batch) of the size that neon tests."""
    rng = np.random.RandomState(0)
    return rng.normal(size=(200, 128)), rng.normal(size=(200, 128)) * 128
