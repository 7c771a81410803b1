"""Cases of small recurrent networks: outputs and gradients of layers on a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.layers import GRU, LSTM, Sequential
from neonport.layers.deltas import DeltasTree
from neonport.testing.cases import Case, Outcome, Want, compare
from neonport.testing.tolerances import Allowance
from neonport.transforms import Explin, Logistic, Tanh

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
# relative to values and gradients near 1, that pass through two layers and five steps
TOLERANCE = {"float16": 2e-2, "bfloat16": 1.5e-1, "float32": 2e-5, "float64": 1e-7}
INPUTS, MEMORY, UNITS, STEPS = 3, 5, 4, 5
STEP = 1e-6  # of central differences
ACTIVATIONS: dict[str, tuple[Any, Callable[[Array], Array]]] = {
    "one call a sequence": (Tanh, np.tanh),
    "step by step": (Explin, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
}


def _logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _draw(seed: int, *shape: int) -> Array:
    """Multiples of 1/16, exact in every dtype."""
    return np.rint(np.random.RandomState(seed).uniform(-8, 8, shape)) / 16


def _weights() -> list[Array]:
    sizes = ((INPUTS, MEMORY, 4), (MEMORY, UNITS, 3))
    return [
        _draw(k, below + units + 1, gates * units) for k, (below, units, gates) in enumerate(sizes)
    ]


def _parts(w: Array, below: int, units: int, gates: int) -> tuple[Array, Array, Array]:
    size = gates * units
    blocks = (w[:below], below), (w[below:-1], units), (w[-1:], 1)
    first, second, third = (block.reshape(size, rows) for block, rows in blocks)
    return first, second, third


def _network(weights: list[Array], x: Array, act: Callable[[Array], Array]) -> Array:
    """Outputs of an LSTM and a GRU above it, from zero, for all steps."""
    w_input, w_recur, b = _parts(weights[0], INPUTS, MEMORY, 4)
    u_input, u_recur, d = _parts(weights[1], MEMORY, UNITS, 3)
    batch = x.shape[1] // STEPS
    h, c, s = np.zeros((MEMORY, batch)), np.zeros((MEMORY, batch)), np.zeros((UNITS, batch))
    out = []
    for t in range(STEPS):
        a = w_input @ x[:, t * batch : (t + 1) * batch] + w_recur @ h + b
        i, f, o = (_logistic(part) for part in np.split(a, 4)[:3])
        c = f * c + i * act(a[3 * MEMORY :])
        h = o * act(c)
        a = u_input @ h + d
        both = _logistic(a[: 2 * UNITS] + u_recur[: 2 * UNITS] @ s)
        r, z = both[:UNITS], both[UNITS:]
        s = (1 - z) * s + z * act(a[2 * UNITS :] + u_recur[2 * UNITS :] @ (r * s))
        out.append(s)
    return np.concatenate(out, axis=1)


@lru_cache(maxsize=8)
def _wanted(kind: str, batch: int) -> tuple[Array, ...]:
    """Outputs, and gradients of both W and of the inputs by central differences in float64."""
    act, x = ACTIVATIONS[kind][1], _draw(7, INPUTS, STEPS * batch)
    error, variables = _draw(8, UNITS, STEPS * batch), [*_weights(), x]
    gradients = []
    for values in variables:
        gradient = np.zeros_like(values)
        for i, value in enumerate(values.flat):
            ends = []
            for moved in (value + STEP, value - STEP):
                values.flat[i] = moved
                ends.append(np.sum(_network(variables[:2], x, act) * error))
            values.flat[i] = value
            gradient.flat[i] = (ends[0] - ends[1]) / (2 * STEP)
        gradients.append(gradient)
    return _network(variables[:2], x, act), *gradients


def _run(kind: str, be: Backend) -> Outcome:
    activation, dtype = ACTIVATIONS[kind][0], np.dtype(be.default_dtype).name
    first, second = _weights()
    gates: dict[str, Any] = {"gate_activation": Logistic(), "reset_cells": True}
    layers = [
        LSTM(MEMORY, first, activation=activation(), **gates),
        GRU(UNITS, second, activation=activation(), **gates),
    ]
    net = Sequential(layers)
    net.set_backend(be)
    net.configure((INPUTS, STEPS))
    layers[0].prev_layer = True  # an input gradient is wanted too
    net.allocate()
    tree = DeltasTree()
    net.allocate_deltas(tree)
    tree.allocate_buffers()
    net.set_deltas(tree)
    batch = be.bsz
    x, error = _draw(7, INPUTS, STEPS * batch), _draw(8, UNITS, STEPS * batch)
    outputs = net.fprop(be.array(x)).get()
    deltas = net.bprop(be.array(error)).get()
    found = [outputs, *(layer.dW.get() for layer in layers), deltas]
    names = "outputs", "gradient of the LSTM", "gradient of the GRU", "gradient of the inputs"
    worst = Outcome()
    for name, got, wanted in zip(names, found, _wanted(kind, batch), strict=True):
        bound = TOLERANCE[dtype]
        allowed = Allowance(bound * (1 + np.abs(wanted)), bound)
        outcome = compare(got, Want(wanted, allowed))
        if outcome.message:
            return outcome._replace(message=f"{name}: {outcome.message}")
        if (outcome.max_error or 0) >= (worst.max_error or 0):
            worst = outcome
    return worst


def cases() -> Iterator[Case]:
    """All cases of networks, in the default dtype of the backend."""
    for kind in ACTIVATIONS:
        yield Case("networks", f"LSTM and GRU, {kind}", partial(_run, kind))
