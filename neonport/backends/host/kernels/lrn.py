"""Local response normalisation on the host: compiled C over blocks of columns, see `lrn.c`."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from neonport.backends.host.kernels import library as native
from neonport.backends.host.workspace import Carver, Workspace, staged
from neonport.ops.op import OPS

Bound = Callable[[], None]

SERIAL_WORK = 1 << 15  # elements below which waking other threads costs more than it gains


def bind(
    op: str,
    operands: list[np.ndarray],
    target: np.ndarray,
    params: dict[str, Any],
    workspace: Workspace,
) -> Bound:
    """Prepare an op; without a compiler its NumPy definition runs.

    Args:
        op: lrn_denominator, lrn or lrn_backward.
        operands: as in the op table, any strides.
        target: receives the result; shares no memory with the operands.
        params: of the op.
        workspace: for what lies between.
    """
    compiled = native.library("lrn.c", REAL=target.dtype.name)
    if compiled is None:

        def run() -> None:
            target[...] = OPS[op].numpy(*operands, **params)

        return run
    library = compiled

    def prepare(carver: Carver) -> Bound:
        shape = target.shape if op == "lrn_backward" else (0,)
        shares = carver.array(shape, target.dtype)
        return staged(
            operands, target, carver, lambda x, y: _columns(library, op, x, y, shares, params)
        )

    return workspace.bind(prepare)


def _columns(
    library: native.Library,
    op: str,
    operands: list[np.ndarray],
    target: np.ndarray,
    shares: np.ndarray,
    params: dict[str, Any],
) -> Bound:
    """Compiled C, a task a block of columns."""
    maps, n, width = target.shape[0], prod(target.shape[1:]), params["width"]
    numbers = np.array([params["ascale"] / width, params.get("bpower", 0.0)], np.float64)
    arrays = [operands[0], operands[-1], target, shares]
    words = [*(a.ctypes.data for a in arrays), maps, n, width, *numbers.view(np.int64).tolist()]
    tasks = -(-n // library.constant("neo_lrn_block"))
    grain = 1 if maps * n >= SERIAL_WORK else 0
    return library.bind(f"neo_{op}", words, tasks, grain, arrays)
