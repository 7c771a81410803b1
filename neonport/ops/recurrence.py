"""Recurrences over the steps of sequences and their adjoints: rows, shape rules, NumPy definitions.

Sequences lie as in neon: column `t * N + n` of a matrix is step t of sample n. z is what the inputs
of all steps give to the gates (a product, made before), w the recurrent weights, b the bias, h0 and
c0 the initial states; b, h0 and c0 may be numbers. Of the results of `lstm` and `gru`, and of z,
blocks of n rows stand for the n units:

    rnn            h                            z: one block
    lstm           h, c, act(c), i, f, o, g     z: i, f, o, g
    gru            h, r, z, g, r * h'           z: r, z, g

h' is the state of the step before (with `reverse` of the step after). An adjoint gives the
gradients of z, and after the last step N columns with those of the initial states: h0 in the first
block, c0 in the second, zeros below. The recurrence runs in float64 and is rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.errors import ShapeError
from neonport.ops.op import Accuracy, Array, Kind, Op, register, require_same, wide
from neonport.shape import Shape

ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "rectlin": (lambda x: np.maximum(x, 0), lambda y: (y > 0).astype(y.dtype)),
    "identity": (lambda x: x, np.ones_like),
}
"""Name to the function, and to its derivative as a function of its result."""

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
"""Blocks of rows of z."""
BLOCKS = {"rnn": 1, "lstm": 7, "gru": 5}
"""Blocks of rows of the result."""
STATES = {"rnn": 1, "lstm": 2, "gru": 1}
"""Initial states."""


def in_order(steps: int, reverse: bool) -> range:
    """The steps as a recurrence takes them."""
    return range(steps)[::-1] if reverse else range(steps)


def _columns(x: Array, steps: int) -> Array:
    """A matrix as (rows, step, sample), in the dtype in which sums are made."""
    return x.astype(wide(x)).reshape(len(x), steps, -1)


def _like(state: Array, units: int, samples: int) -> Array:
    """An initial state, written out."""
    return np.broadcast_to(state.astype(wide(state)), (units, samples))


def rnn(
    z: Array, w: Array, b: Array, h0: Array, activation: str, steps: int, reverse: bool
) -> Array:
    """h of each step: act(z + w @ h' + b)."""
    act, _ = ACTIVATIONS[activation]
    inputs = _columns(z, steps) + b[:, None]
    weights, out = w.astype(inputs.dtype), np.empty_like(inputs)
    h = _like(h0, len(w), inputs.shape[2])
    for t in in_order(steps, reverse):
        h = out[:, t] = act(inputs[:, t] + weights @ h)
    return out.reshape(z.shape).astype(z.dtype)


def rnn_backward(e: Array, h: Array, w: Array, activation: str, steps: int, reverse: bool) -> Array:
    """Gradients of z and h0, from the gradient e of h."""
    _, slope = ACTIVATIONS[activation]
    values, errors, weights = _columns(h, steps), _columns(e, steps), w.astype(wide(w)).T
    out = np.zeros_like(values, shape=(len(h), steps + 1, values.shape[2]))
    carry = out[:, steps]
    for t in in_order(steps, not reverse):
        out[:, t] = slope(values[:, t]) * (errors[:, t] + carry)
        carry = weights @ out[:, t]
    out[:, steps] = carry
    return out.reshape(len(h), -1).astype(h.dtype)


def lstm(
    z: Array,
    w: Array,
    b: Array,
    h0: Array,
    c0: Array,
    activation: str,
    gate_activation: str,
    steps: int,
    reverse: bool,
) -> Array:
    """c = f * c' + i * g, h = o * act(c); the gates i, f, o and g are act(z + w @ h' + b)."""
    (act, _), (gate, _) = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]
    inputs, weights = _columns(z, steps) + b[:, None], w.astype(wide(w))
    units, samples = w.shape[1], inputs.shape[2]
    out = np.empty_like(inputs, shape=(7, units, steps, samples))
    h, c = (_like(state, units, samples) for state in (h0, c0))
    for t in in_order(steps, reverse):
        a = (inputs[:, t] + weights @ h).reshape(4, units, samples)
        (i, f, o), g = gate(a[:3]), act(a[3])
        c = f * c + i * g
        bent = act(c)
        h = o * bent
        for block, values in enumerate((h, c, bent, i, f, o, g)):
            out[block, :, t] = values
    return out.reshape(7 * units, -1).astype(z.dtype)


def lstm_backward(
    e: Array,
    s: Array,
    w: Array,
    c0: Array,
    activation: str,
    gate_activation: str,
    steps: int,
    reverse: bool,
) -> Array:
    """Gradients of z, h0 and c0, from the gradient e of the first blocks of s = lstm(...)."""
    (_, slope), (_, gate_slope) = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]
    units, weights = w.shape[1], w.astype(wide(w)).T
    _, c, bent, i, f, o, g = _columns(s, steps).reshape(7, units, steps, -1)
    samples = c.shape[2]
    errors = np.zeros_like(c, shape=(7 * units, steps, samples))
    errors[: len(e)] = _columns(e, steps)
    errors = errors.reshape(7, units, steps, samples)
    out = np.zeros_like(c, shape=(4, units, steps + 1, samples))
    dh, dc = np.zeros_like(c, shape=(2, units, samples))
    order = in_order(steps, reverse)
    for k in reversed(range(steps)):
        t = order[k]
        before = c[:, order[k - 1]] if k else _like(c0, units, samples)
        eh, ec, ebent, ei, ef, eo, eg = errors[:, :, t]
        dh = dh + eh
        dc = dc + ec + slope(bent[:, t]) * (o[:, t] * dh + ebent)
        out[0, :, t] = gate_slope(i[:, t]) * (dc * g[:, t] + ei)
        out[1, :, t] = gate_slope(f[:, t]) * (dc * before + ef)
        out[2, :, t] = gate_slope(o[:, t]) * (dh * bent[:, t] + eo)
        out[3, :, t] = slope(g[:, t]) * (dc * i[:, t] + eg)
        dh, dc = weights @ out[:, :, t].reshape(4 * units, samples), dc * f[:, t]
    out[0, :, steps], out[1, :, steps] = dh, dc
    return out.reshape(4 * units, -1).astype(s.dtype)


def gru(
    z: Array,
    w: Array,
    b: Array,
    h0: Array,
    activation: str,
    gate_activation: str,
    steps: int,
    reverse: bool,
) -> Array:
    """h = (1 - z) * h' + z * g, g = act(z + w @ (r * h') + b); the gates r and z as in `lstm`."""
    (act, _), (gate, _) = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]
    inputs, weights = _columns(z, steps) + b[:, None], w.astype(wide(w))
    units, samples = w.shape[1], inputs.shape[2]
    out = np.empty_like(inputs, shape=(5, units, steps, samples))
    h = _like(h0, units, samples)
    for t in in_order(steps, reverse):
        both = gate(inputs[: 2 * units, t] + weights[: 2 * units] @ h)
        r, update = both.reshape(2, units, samples)
        kept = r * h
        g = act(inputs[2 * units :, t] + weights[2 * units :] @ kept)
        h = (1 - update) * h + update * g
        for block, values in enumerate((h, r, update, g, kept)):
            out[block, :, t] = values
    return out.reshape(5 * units, -1).astype(z.dtype)


def gru_backward(
    e: Array,
    s: Array,
    w: Array,
    h0: Array,
    activation: str,
    gate_activation: str,
    steps: int,
    reverse: bool,
) -> Array:
    """Gradients of z and h0, from the gradient e of the first blocks of s = gru(...)."""
    (_, slope), (_, gate_slope) = ACTIVATIONS[activation], ACTIVATIONS[gate_activation]
    units, weights = w.shape[1], w.astype(wide(w)).T
    h, r, update, g, _ = _columns(s, steps).reshape(5, units, steps, -1)
    samples = h.shape[2]
    errors = np.zeros_like(h, shape=(5 * units, steps, samples))
    errors[: len(e)] = _columns(e, steps)
    errors = errors.reshape(5, units, steps, samples)
    out = np.zeros_like(h, shape=(3, units, steps + 1, samples))
    dh = np.zeros_like(h, shape=(units, samples))
    order = in_order(steps, reverse)
    for k in reversed(range(steps)):
        t = order[k]
        before = h[:, order[k - 1]] if k else _like(h0, units, samples)
        eh, er, eupdate, eg, ekept = errors[:, :, t]
        dh = dh + eh
        out[2, :, t] = slope(g[:, t]) * (dh * update[:, t] + eg)
        dkept = weights[:, 2 * units :] @ out[2, :, t] + ekept
        out[0, :, t] = gate_slope(r[:, t]) * (dkept * before + er)
        out[1, :, t] = gate_slope(update[:, t]) * (dh * (g[:, t] - before) + eupdate)
        both = out[:2, :, t].reshape(2 * units, samples)
        dh = dh * (1 - update[:, t]) + weights[:, : 2 * units] @ both + r[:, t] * dkept
    out[0, :, steps] = dh
    return out.reshape(3 * units, -1).astype(s.dtype)


# ---- shape rules ---------------------------------------------------------------------------------


def _family(op: Op) -> str:
    return op.name.removesuffix("_backward")


def _weights(op: Op, w: Shape) -> int:
    """Units, of the shape of the recurrent weights."""
    gates = GATES[_family(op)]
    if len(w) != 2 or w[0] != gates * w[1] or not w[1]:
        form = "(units, units)" if gates == 1 else f"({gates} * units, units)"
        raise ShapeError(
            f"{op.name}: recurrent weights of shape {w} must be {form}, of 1 unit or more"
        )
    return w[1]


def _samples(op: Op, what: str, shape: Shape, rows: Sequence[int], steps: int) -> int:
    """Samples of a sequence, which must have one of some numbers of rows and whole steps."""
    if steps < 1:
        raise ShapeError(f"{op.name}: steps {steps} must be at least 1")
    if len(shape) != 2 or shape[0] not in rows or shape[1] % steps:
        counts = " or ".join(map(str, rows))
        raise ShapeError(
            f"{op.name}: {what} of shape {shape} must be ({counts}, {steps} steps * samples), "
            "column t * samples + n being step t of sample n"
        )
    if not shape[1]:
        raise ShapeError(
            f"{op.name}: {what} of shape {shape} has no samples; give each of the {steps} steps "
            "one or more"
        )
    return shape[1] // steps


def _known(op: Op, **names: str) -> None:
    for what, name in names.items():
        if name not in ACTIVATIONS:
            raise ShapeError(
                f"{op.name}: {what} {name!r} must be one of {', '.join(ACTIVATIONS)}; write the "
                "steps as an op-tree for others"
            )


def _state(op: Op, what: str, shape: Shape, wanted: Shape) -> None:
    if prod(shape) != 1 and shape != wanted:
        raise ShapeError(f"{op.name}: {what} of shape {shape} must be {wanted}, or a number")


def _forward(
    op: Op, shapes: Sequence[Shape], steps: int, reverse: bool, **activations: str
) -> Shape:
    z, w, b, *states = shapes
    _known(op, **activations)
    family, units = _family(op), _weights(op, w)
    samples = _samples(op, "z", z, [w[0]], steps)
    _state(op, "b", b, (w[0], 1))
    for name, shape in zip(("h0", "c0"), states, strict=False):
        _state(op, name, shape, (units, samples))
    return BLOCKS[family] * units, z[1]


def _backward(
    op: Op, shapes: Sequence[Shape], steps: int, reverse: bool, **activations: str
) -> Shape:
    e, s, w, *states = shapes
    _known(op, **activations)
    family, units = _family(op), _weights(op, w)
    blocks = BLOCKS[family]
    samples = _samples(op, "the result", s, [blocks * units], steps)
    rows = [k * units for k in range(1, blocks + 1)]
    require_same(op, "the samples of e and the result", _samples(op, "e", e, rows, steps), samples)
    for shape in states:
        _state(op, "c0" if family == "lstm" else "h0", shape, (units, samples))
    return GATES[family] * units, (steps + 1) * samples


# ---- rows ----------------------------------------------------------------------------------------


def _row(
    name: str, operands: int, params: str, numpy: Callable[..., Array], summary: str, **columns: Any
) -> None:
    names = tuple(params.split())
    inside = ", ".join(f"{{{what}}}" for what in (*range(operands), *names))
    text = f"{name}({inside})"
    backward = name.endswith("_backward")
    register(
        Op(
            name, operands, Kind.SEQUENCE, numpy, text, summary, names,
            reads="v" * operands, infer=_backward if backward else _forward,
            public=(name,), work=_products_of(2 if backward else 1),
            # errors pass from step to step: for states about as large as 1
            accuracy=Accuracy(256, 256), **columns,
        )
    )  # fmt: skip


def _products_of(weights: int) -> Callable[[Sequence[Shape], dict[str, Any]], int]:
    """Operations of the products with the recurrent weights, one for each column."""
    return lambda shapes, params: 2 * prod(shapes[weights]) * shapes[0][1]


_GATED = "activation gate_activation steps reverse"
_row("rnn", 4, "activation steps reverse", rnn, "h of each step: act(z + w @ h' + b)")
_row(
    "rnn_backward",
    3,
    "activation steps reverse",
    rnn_backward,
    "gradients of z and h0, from the gradient e of h",
)
_row("lstm", 5, _GATED, lstm, "h, c, act(c), i, f, o, g of each step of a long short-term memory")
_row(
    "lstm_backward",
    4,
    _GATED,
    lstm_backward,
    "gradients of z, h0 and c0, from the gradient e of the first blocks of s = lstm(...)",
)
_row("gru", 4, _GATED, gru, "h, r, z, g, r * h' of each step of a gated recurrent unit")
_row(
    "gru_backward",
    4,
    _GATED,
    gru_backward,
    "gradients of z and h0, from the gradient e of the first blocks of s = gru(...)",
)
