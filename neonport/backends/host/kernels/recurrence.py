"""Recurrences over sequences on the host: compiled C over blocks of columns, see `recurrence.c`.

What a column becomes does not depend on its block: equal bits with any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.host import threads
from neonport.backends.host.cpu_info import last_level_cache
from neonport.backends.host.kernels import library as native
from neonport.backends.host.workspace import Carver, Workspace, staged
from neonport.ops.op import OPS
from neonport.ops.recurrence import ACTIVATIONS, GATES

Bound = Callable[[], None]

CACHE_SHARE = 8  # a result that needs more than this part of the cache is written past it
SERIAL_WORK = 1 << 16  # multiplications below which waking other threads costs more than it gains
SHARING = 8  # words in which threads share the columns: more than `sharing_t` has
AHEAD = 7  # blocks of rows that the adjoint of an LSTM copies before it reads them


def bind(
    op: str,
    operands: list[np.ndarray],
    target: np.ndarray,
    params: dict[str, Any],
    workspace: Workspace,
) -> Bound:
    """Prepare a recurrence or its adjoint; without a compiler its NumPy definition runs.

    Args:
        op: rnn, lstm, gru, or one of these with `_backward`.
        operands: as in the op table, any strides.
        target: receives the result; shares no memory with the operands.
        params: of the op.
        workspace: for packed weights and what passes from step to step.
    """
    compiled = native.library("recurrence.c", REAL=target.dtype.name)
    if compiled is None:

        def run() -> None:
            target[...] = OPS[op].numpy(*operands, **params)

        return run
    library = compiled
    return workspace.bind(
        lambda carver: staged(
            operands,
            target,
            carver,
            lambda inputs, out: _call(library, op, inputs, out, params, carver),
            _rows,
        )
    )


def _rows(array: np.ndarray) -> bool:
    """Whether the numbers of each row lie side by side."""
    return array.shape[1] == 1 or array.strides[1] == array.itemsize


def _call(
    library: native.Library,
    op: str,
    operands: list[np.ndarray],
    target: np.ndarray,
    params: dict[str, Any],
    carver: Carver,
) -> Bound:
    """A launch that packs the weights, and one with a task for each block of columns."""
    family = op.removesuffix("_backward")
    backward, gates = family != op, GATES[family]
    if backward:
        first, states, weights, *last = operands
        bias, initial = weights, [weights, *last] if family == "lstm" else last
    else:
        first, weights, bias, *initial = operands
        states = first
    units, steps = weights.shape[1], params["steps"]
    samples, (lanes, panel) = (
        states.shape[1] // steps,
        map(library.constant, ("neo_lanes", "neo_panel")),
    )
    vectors = 2 if samples > lanes * threads.num_threads() else 1
    tasks = -(-samples // (vectors * lanes))
    padded = -(-units // panel) * panel
    packed = carver.array((gates * padded * units,), target.dtype)
    blocks = gates + 2 + (AHEAD if op == "lstm_backward" else 0)
    room = carver.array((tasks, blocks * padded * vectors * lanes), target.dtype)
    sharing = carver.array((SHARING,), np.dtype(np.int64))
    names = list(ACTIVATIONS)
    kinds = [
        names.index(params[k]) if k in params else 0 for k in ("activation", "gate_activation")
    ]
    arrays = [first, states, target, weights, bias, *initial, weights, weights][:7]
    large = target.nbytes > last_level_cache() // CACHE_SHARE
    words = [
        units, steps, samples, int(params["reverse"]), gates, vectors, *kinds,
        first.shape[0] // units, int(large), *(word for a in arrays for word in _place(a)),
        packed.ctypes.data, room.ctypes.data, room.shape[1], sharing.ctypes.data,
    ]  # fmt: skip
    grain = int(samples * steps * weights.size >= SERIAL_WORK)
    panels = padded // panel if backward else gates * padded // panel
    launches = [
        ("neo_pack_back" if backward else "neo_pack", words, panels, grain),
        (f"neo_{op}", words, tasks, grain),
    ]
    return library.bind_all(launches, (operands, target, packed, room, sharing))


def _place(a: np.ndarray) -> list[int]:
    """Address, steps of rows and columns in numbers; one number stands for all."""
    if a.size == 1:
        return [a.ctypes.data, 0, 0]
    return [a.ctypes.data, *(step // a.itemsize for step in a.strides)]
