"""Dispatch of library calls other than matrix products: op name to C kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.host.kernels import convolution as conv
from neonport.backends.host.kernels import lrn, scatter
from neonport.backends.host.kernels import pooling as pool
from neonport.backends.host.kernels import recurrence as sequences
from neonport.backends.host.workspace import Workspace
from neonport.ops.op import Kind, of_kind

Bound = Callable[[], None]

ROOMS: dict[str, Callable[..., Bound | None]] = {
    **dict.fromkeys(("conv", "conv_backward_data", "conv_backward_filter"), conv.bind),
    **dict.fromkeys(
        ("pool", "pool_index", "max_pool_backward", "max_pool_gather", "avg_pool_backward"),
        pool.bind,
    ),
    **dict.fromkeys(("lrn_denominator", "lrn", "lrn_backward"), lrn.bind),
    **dict.fromkeys(of_kind(Kind.SEQUENCE), sequences.bind),
    "scatter_add": scatter.bind,
}


def bind(
    op: str,
    operands: list[np.ndarray],
    target: np.ndarray,
    params: dict[str, Any],
    workspace: Workspace,
) -> Bound | None:
    """A call without arguments that does `target = op(operands)`; None without a kernel for it."""
    room = ROOMS.get(op)
    if room is None:
        return None
    call = room(op, operands, target, params, workspace)
    if call is None:
        return None

    def run() -> None:
        with np.errstate(all="ignore"):  # infinities and nan are results
            call()

    return run
