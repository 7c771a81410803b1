"""NumPy definitions of the recurrent layers, written as their formulas are, and their layouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # float64 arrays


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def blocks(w: Array, nin: int, nout: int, gates: int, directions: int = 1) -> list[list[Array]]:
    """[W_input, W_recur, b] of each direction: rows of W, their memory read row by row."""
    found: list[list[Array]] = [[] for _ in range(directions)]
    first = 0
    for rows in (nin, nout, 1):
        for parts in found:
            parts.append(w[first : first + rows].reshape(gates * nout, rows))
            first += rows
    return found


def steps_of(x: Array, steps: int) -> list[Array]:
    return [x.reshape(len(x), steps, -1)[:, t] for t in range(steps)]


def joined(steps: list[Array]) -> Array:
    return np.concatenate(steps, axis=1)


def rnn(x: list[Array], parts: list[Array], h: Array, act: Callable[[Array], Array]) -> list[Array]:
    w_input, w_recur, b = parts
    out = []
    for x_t in x:
        h = act(w_input @ x_t + w_recur @ h + b)
        out.append(h)
    return out


def lstm(
    x: list[Array], parts: list[Array], h: Array, c: Array, act: Callable[[Array], Array]
) -> tuple[list[Array], list[Array]]:
    w_input, w_recur, b = parts
    out, cells = [], []
    for x_t in x:
        i, f, o, g = np.split(w_input @ x_t + w_recur @ h + b, 4)
        c = logistic(f) * c + logistic(i) * act(g)
        h = logistic(o) * act(c)
        out.append(h)
        cells.append(c)
    return out, cells


def gru(x: list[Array], parts: list[Array], h: Array, act: Callable[[Array], Array]) -> list[Array]:
    w_input, w_recur, b = parts
    n = len(h)
    out = []
    for x_t in x:
        a = w_input @ x_t + b
        r, z = np.split(logistic(a[: 2 * n] + w_recur[: 2 * n] @ h), 2)
        candidate = act(a[2 * n :] + w_recur[2 * n :] @ (r * h))
        h = (1 - z) * h + z * candidate
        out.append(h)
    return out


class Runner:
    """A sequence after the other through one direction of a layer, as NumPy defines it."""

    def __init__(self, kind: str, parts: list[Array], act: Callable[[Array], Array] = np.tanh):
        self.kind, self.parts, self.act = kind, parts, act
        self.reset(1)

    def reset(self, batch: int) -> None:
        units = self.parts[1].shape[1]
        self.h = self.c = np.zeros((units, batch))

    def __call__(self, x: Array, steps: int) -> Array:
        """Outputs for x; the state is kept for the next call."""
        xs = steps_of(x, steps)
        if self.kind == "LSTM":
            out, cells = lstm(xs, self.parts, self.h, self.c, self.act)
            self.c = cells[-1]
        else:
            out = (rnn if self.kind == "Recurrent" else gru)(xs, self.parts, self.h, self.act)
        self.h = out[-1]
        return joined(out)
