"""Parameters of a short type take the steps of float32: states are kept wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.initializers import Constant
from neonport.layers import Linear
from neonport.optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    GradientDescentMomentum,
    RMSProp,
    ShiftAdaMax,
)

MAKERS = {
    "adam": lambda: Adam(learning_rate=0.01),
    "rmsprop": lambda: RMSProp(learning_rate=0.01),
    "adagrad": lambda: Adagrad(learning_rate=0.01),
    "adadelta": Adadelta,
    "momentum": lambda: GradientDescentMomentum(100.0, 0.9),
    "shift adamax": ShiftAdaMax,
}


class Short:
    """A layer of one parameter of a dtype."""

    def __init__(self, be: Any, dtype: Any, gradient: float) -> None:
        self.name = "short"
        self.W = be.array(np.full((2, 3), 0.25), dtype=dtype)
        self.dW = be.array(np.full((2, 3), gradient * be.bsz), dtype=dtype)
        self.states: list[Any] = []

    def get_params(self) -> Any:
        return (self.W, self.dW), self.states


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_small_gradients_give_the_steps_of_float32(be: Any, kind: str, dtype: str) -> None:
    if dtype not in be.default_dtypes:
        pytest.skip(f"{be} does not store {dtype}")
    be.bsz = 1
    wide, short = Short(be, "float32", 1e-4), Short(be, dtype, 1e-4)
    wide.dW[:] = short.dW  # the gradient as it is stored
    for layer in (wide, short):
        optimizer = MAKERS[kind]()
        for _ in range(3):
            optimizer.optimize([layer], 0)
    for narrow, full in zip(short.states, wide.states, strict=True):
        assert narrow.dtype == np.float32
        np.testing.assert_allclose(narrow.get(), full.get(), rtol=1e-2)
    moved = 0.25 - short.W.get().astype(np.float64)
    unit = 2.0**-12 if dtype == "float16" else 2.0**-9  # half a unit in the last place, each step
    assert np.abs(moved - (0.25 - wide.W.get())).max() <= 3 * unit


def test_states_stored_in_a_short_type_are_taken(make_backend: Any) -> None:
    be = make_backend(batch_size=2, dtype=np.float16)
    layer = Linear(nout=3, init=Constant(0.5))
    layer.configure(4)
    layer.allocate()
    old = [np.full((3, 4), 0.5, np.float16), np.full((3, 4), 2.0, np.float16)]
    layer.set_states({"states": old})
    assert [s.dtype for s in layer.states] == [np.float32, np.float32]
    assert [float(s.get()[0, 0]) for s in layer.states] == [0.5, 2.0]
    Adam().optimize([layer], 0)
    assert np.isfinite(layer.W.get()).all()
    assert be.default_dtype == np.float16
