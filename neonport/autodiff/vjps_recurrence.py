"""Derivative rows of recurrences; `vjps.py` says how a row is made.

The adjoint op gives the gradients of z of all steps and of the initial states. What is left are
wide products: the weights met the states of the step before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonport.autodiff.simplify import (
    add,
    full,
    is_number,
    shape_of,
    swap,
    take_region,
    total,
)
from neonport.optree.node import OpTreeNode, apply
from neonport.shape import Shape

Grads = tuple[Any, ...]


def _rows(x: Any, first: int, count: int) -> Any:
    """Some rows of a matrix."""
    columns = shape_of(x)[1]
    if (first, count) == (0, shape_of(x)[0]):
        return x
    return take_region(x, (first, 0), (1, 1), (count, columns))


def _columns(x: Any, first: int, count: int) -> Any:
    """Some columns of a matrix."""
    return take_region(x, (0, first), (1, 1), (shape_of(x)[0], count))


def _first_blocks(g: Any, ans: Any, units: int) -> Any:
    """The gradient of a result, or of its first blocks if the others have none."""
    if isinstance(g, OpTreeNode) and g.op == "pad_region":
        inner, put = g.left, g.params
        rows, columns = shape_of(inner)
        plain = put["starts"] == (0, 0) and put["steps"] == (1, 1) and columns == ans.shape[1]
        if plain and rows % units == 0 and rows:
            return inner
    return full(g, ans.shape, ans)


def _weights(gates: Any, states: Any, initial: Any, steps: int, reverse: bool) -> Any:
    """The gradients of the gates times the states of the step before, summed over all columns."""
    columns = shape_of(gates)[1]
    samples = columns // steps
    early, late = (0, samples) if not reverse else (samples, 0)
    grad = None
    if steps > 1:
        later = _columns(gates, late, columns - samples)
        before = _columns(states, early, columns - samples)
        grad = apply("dot", later, swap(before))
    if is_number(initial) and initial == 0:
        return grad
    first = _columns(gates, columns - samples if reverse else 0, samples)
    initial = full(initial, (shape_of(states)[0], samples), states)
    return add(grad, apply("dot", first, swap(initial)))


def _reduced(g: Any, like: Any) -> Any:
    """The gradient of an operand that may be one number for all."""
    if is_number(like):
        return None
    shape = shape_of(like)
    return total(g, tuple(a for a in (0, 1) if shape[a] == 1))


def _common(
    ans: Any, back: Any, w: Any, b: Any, states: Grads, params: dict[str, Any]
) -> tuple[Any, Any, Grads]:
    """Gradients of z, of b, and of the initial states."""
    units, columns = shape_of(w)[1], ans.shape[1]
    gates = _columns(back, 0, columns)
    samples = columns // params["steps"]
    last = tuple(
        None if is_number(state) else _reduced(
            take_region(back, (k * units, columns), (1, 1), (units, samples)), state
        )
        for k, state in enumerate(states)
    )  # fmt: skip
    return gates, _reduced(total(gates, (1,)), b), last


def _rnn(ans: Any, g: Any, z: Any, w: Any, b: Any, h0: Any, **params: Any) -> Grads:
    back = apply("rnn_backward", full(g, ans.shape, ans), ans, w, **params)
    gates, gb, states = _common(ans, back, w, b, (h0,), params)
    return gates, _weights(gates, ans, h0, params["steps"], params["reverse"]), gb, *states


def _lstm(ans: Any, g: Any, z: Any, w: Any, b: Any, h0: Any, c0: Any, **params: Any) -> Grads:
    units = shape_of(w)[1]
    back = apply("lstm_backward", _first_blocks(g, ans, units), ans, w, c0, **params)
    gates, gb, states = _common(ans, back, w, b, (h0, c0), params)
    h = _rows(ans, 0, units)
    return gates, _weights(gates, h, h0, params["steps"], params["reverse"]), gb, *states


def _gru(ans: Any, g: Any, z: Any, w: Any, b: Any, h0: Any, **params: Any) -> Grads:
    units = shape_of(w)[1]
    back = apply("gru_backward", _first_blocks(g, ans, units), ans, w, h0, **params)
    gates, gb, states = _common(ans, back, w, b, (h0,), params)
    first = _rows(gates, 0, 2 * units)
    of_gates = _weights(first, _rows(ans, 0, units), h0, params["steps"], params["reverse"])
    candidate, kept = _rows(gates, 2 * units, units), _rows(ans, 4 * units, units)
    of_candidate = apply("dot", candidate, swap(kept))
    if of_gates is None:
        shape: Shape = shape_of(w)
        gw = apply("pad_region", of_candidate, starts=(2 * units, 0), steps=(1, 1), shape=shape)
    else:
        gw = apply("concat", of_gates, of_candidate, axis=0)
    return gates, gw, gb, *states


RECURRENCE_ROWS: dict[str, Callable[..., Grads]] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}
SECOND = {
    f"{name}_backward": "it is the gradient of a recurrence; for gradients of gradients, write the "
    "steps as op-trees"
    for name in RECURRENCE_ROWS
}
"""Adjoints, which have no derivative, with the way out."""
