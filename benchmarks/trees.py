"""The workloads of `optree.py`: each formula once, over the functions of whoever computes it.

`f` offers exp, log, tanh, sqrt, maximum, minimum, where, and sum, max, mean, var with an axis (None
is all of them), which keep the folded axis with length 1. A backend of neonport is such an `f`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
CLASSES, FEATURES, ROW = 10, 50, 1000
EPS, DECAY, RATE = 1e-3, 0.9, 0.01


@dataclass(frozen=True)
class Tree:
    """A workload.

    Attributes:
        name: row of the table.
        formula: (f, inputs by name) -> outputs.
        inputs: (elements, generator) -> fresh random arrays, never zeros.
        state: names of the inputs that the first outputs replace, as an optimizer does.
        derived: (backend, inputs) -> outputs, where neonport derives what the others spell out.
        atol: tolerance of the comparison.
        strays: share of elements that it leaves out: where a formula jumps at a comparison, a
            number beside it may fall on either side.
    """

    name: str
    formula: Callable[..., tuple[Any, ...]]
    inputs: Callable[[int, np.random.Generator], Arrays]
    state: Sequence[str] = ()
    derived: Callable[..., tuple[Any, ...]] | None = None
    atol: float = 1e-3
    strays: float = 0.0


# ---- formulas ----------------------------------------------------------------------------------


def axpb(f: Any, x: Any) -> tuple[Any, ...]:
    return (x * 2.5 + 1.5,)


def logistic(f: Any, x: Any) -> tuple[Any, ...]:
    return (1.0 / (1.0 + f.exp(-x)),)


def tanh_chain(f: Any, x: Any) -> tuple[Any, ...]:
    y = f.tanh(x)
    for _ in range(3):
        y = f.tanh(y * 1.5 + 0.1)
    return (y,)


def clip_where(f: Any, x: Any, z: Any) -> tuple[Any, ...]:
    y = f.minimum(f.maximum(x * 1.5 + z, -1.0), 1.0)
    return (f.where(x > z, y, y * 0.1) + f.where(y < 0.0, z, x),)


def softmax(f: Any, x: Any) -> tuple[Any, ...]:
    e = f.exp(x - f.max(x, axis=1))
    return (e / f.sum(e, axis=1),)


def cross_entropy(f: Any, x: Any, t: Any) -> tuple[Any, ...]:
    """Log-softmax over classes (axis 0), the loss of each column, and its gradient by x."""
    shifted = x - f.max(x, axis=0)
    e = f.exp(shifted)
    total = f.sum(e, axis=0)
    loss = -f.sum(t * (shifted - f.log(total)), axis=0)
    return (loss, e / total - t)


def batch_norm(f: Any, rm: Any, rv: Any, x: Any, gamma: Any, beta: Any) -> tuple[Any, ...]:
    mean, var = f.mean(x, axis=1), f.var(x, axis=1)
    y = (x - mean) / f.sqrt(var + EPS) * gamma + beta
    return (rm * DECAY + mean * (1 - DECAY), rv * DECAY + var * (1 - DECAY), y)


def batch_norm_back(f: Any, x: Any, gamma: Any, beta: Any, d: Any) -> tuple[Any, ...]:
    inverse = 1.0 / f.sqrt(f.var(x, axis=1) + EPS)
    hat = (x - f.mean(x, axis=1)) * inverse
    dx = (d - f.mean(d, axis=1) - hat * f.mean(d * hat, axis=1)) * (gamma * inverse)
    return (dx, f.mean(d * hat, axis=1), f.mean(d, axis=1))


def batch_norm_by_autodiff(f: Any, x: Any, gamma: Any, beta: Any, d: Any) -> tuple[Any, ...]:
    """The same from the forward formula; gradients of gamma and beta as means, as above."""
    from neonport.backends import Autodiff

    y = (x - f.mean(x, axis=1)) / f.sqrt(f.var(x, axis=1) + EPS) * gamma + beta
    dx, dgamma, dbeta = Autodiff(y, f, next_error=d).get_grad_op_tree([x, gamma, beta])
    return (dx, dgamma * (1 / x.shape[1]), dbeta * (1 / x.shape[1]))


def adam(f: Any, p: Any, m: Any, v: Any, g: Any) -> tuple[Any, ...]:
    first, second = m * 0.9 + g * 0.1, v * 0.999 + g * g * 0.001
    return (p - first * RATE / (f.sqrt(second) + 1e-8), first, second)


def rmsprop(f: Any, p: Any, s: Any, g: Any) -> tuple[Any, ...]:
    square = s * 0.95 + g * g * 0.05
    return (p - g * RATE / (f.sqrt(square + 1e-6) + 1e-6), square)


def layer_norm(f: Any, x: Any, gain: Any, bias: Any) -> tuple[Any, ...]:
    centred = x - f.mean(x, axis=1)
    return (centred / f.sqrt(f.mean(centred * centred, axis=1) + 1e-5) * gain + bias,)


def variance(f: Any, x: Any) -> tuple[Any, ...]:
    return (f.var(x, axis=None),)


def sum_of_products(f: Any, x: Any, z: Any) -> tuple[Any, ...]:
    return (f.sum(x * z, axis=None),)


# ---- data --------------------------------------------------------------------------------------


def rows(n: int) -> tuple[int, int]:
    """Rows of up to 1000 elements."""
    width = min(ROW, n // 10)
    return n // width, width


def _normal(*names: str, shape: Callable[[int], tuple[int, int]] = rows) -> Callable[..., Arrays]:
    def make(n: int, rng: np.random.Generator) -> Arrays:
        return {name: rng.standard_normal(shape(n), np.float32) for name in names}

    return make


def _one_hot(n: int, rng: np.random.Generator) -> Arrays:
    labels = rng.integers(0, CLASSES, n // CLASSES)
    x = rng.standard_normal((CLASSES, n // CLASSES), np.float32)
    return {"x": x, "t": np.eye(CLASSES, dtype=np.float32)[:, labels].copy()}


def _features(*wide: str, narrow: Sequence[str]) -> Callable[..., Arrays]:
    def make(n: int, rng: np.random.Generator) -> Arrays:
        found = {name: rng.random((FEATURES, 1), np.float32) + 0.5 for name in narrow}
        shape = (FEATURES, n // FEATURES)
        return found | {name: rng.standard_normal(shape, np.float32) + 0.3 for name in wide}

    return make


def _layer(n: int, rng: np.random.Generator) -> Arrays:
    found = {name: rng.random((1, rows(n)[1]), np.float32) for name in ("gain", "bias")}
    return {"x": rng.standard_normal(rows(n), np.float32), **found}


def _optimizer(*names: str, square: str) -> Callable[..., Arrays]:
    def make(n: int, rng: np.random.Generator) -> Arrays:
        found = _normal(*names)(n, rng)
        return found | {square: rng.random(rows(n), np.float32) + 0.1}

    return make


TREES = [
    Tree("axpb", axpb, _normal("x")),
    Tree("logistic", logistic, _normal("x")),
    Tree("tanh chain", tanh_chain, _normal("x")),
    Tree("clip and where", clip_where, _normal("x", "z"), strays=1e-6),
    Tree("softmax", softmax, _normal("x")),
    Tree("cross-entropy gradient", cross_entropy, _one_hot),
    Tree(
        "batch norm",
        batch_norm,
        _features("x", narrow=("rm", "rv", "gamma", "beta")),
        state=("rm", "rv"),
    ),
    Tree(
        "batch norm gradient",
        batch_norm_back,
        _features("x", "d", narrow=("gamma", "beta")),
        derived=batch_norm_by_autodiff,
    ),
    Tree("adam", adam, _optimizer("p", "m", "g", square="v"), state=("p", "m", "v")),
    Tree("rmsprop", rmsprop, _optimizer("p", "g", square="s"), state=("p", "s")),
    Tree("layer norm", layer_norm, _layer),
    Tree("variance", variance, _normal("x")),
    Tree("sum of products", sum_of_products, _normal("x", "z"), atol=0.5),
]
