"""scatter_add on the host, the gradient of a lookup: compiled C over columns, see `scatter.c`."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from neonport.backends.host.kernels import library as native
from neonport.backends.host.workspace import Carver, Workspace

Bound = Callable[[], None]

SERIAL_WORK = 1 << 16  # additions below which waking other threads costs more than it gains


def bind(
    op: str,
    operands: list[np.ndarray],
    target: np.ndarray,
    params: dict[str, Any],
    workspace: Workspace,
) -> Bound | None:
    """Prepare scatter_add along the first axis of a matrix; None where there is no kernel for it.

    Args:
        op: scatter_add.
        operands: entries, of any strides, and indices.
        target: receives the sums; shares no memory with the operands.
        params: axis and size.
        workspace: for the indices as int64, and for sums of a target that is not contiguous.
    """
    g, indices = operands
    kinds = g.dtype == target.dtype and target.dtype.kind == "f" and indices.dtype.kind in "iu"
    if not (kinds and g.ndim == 2 and params["axis"] == 0 and g.size and target.size):
        return None
    library = native.library("scatter.c", REAL=target.dtype.name)
    if library is None:
        return None
    compiled = library

    def prepare(carver: Carver) -> Bound:
        at = carver.array((g.shape[0],), np.dtype(np.int64))
        near = target.flags.c_contiguous
        sums = target if near else carver.array(target.shape, target.dtype)
        strides = [stride // g.itemsize for stride in g.strides]
        words = [g.ctypes.data, at.ctypes.data, sums.ctypes.data, *g.shape, len(target), *strides]
        tasks = -(-g.shape[1] // compiled.constant("neo_scatter_block"))
        grain = 1 if prod(g.shape) >= SERIAL_WORK else 0
        call = compiled.bind("neo_scatter_add", words, tasks, grain, (g, at, sums))

        def run() -> None:
            np.copyto(at, indices.reshape(-1), casting="unsafe")
            call()
            if not near:
                np.copyto(target, sums)

        return run

    return workspace.bind(prepare)
