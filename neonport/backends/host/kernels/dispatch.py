"""Calls that are no product: which file binds which op, the NumPy meaning for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.host.kernels import convolution as conv
from neonport.backends.host.kernels import pooling as pool
from neonport.backends.host.workspace import Workspace
from neonport.conversion import cast
from neonport.ops.op import OPS

Bound = Callable[[], None]

ROOMS: dict[str, Callable[..., Bound]] = {
    **dict.fromkeys(("conv", "conv_data", "conv_filter"), conv.bind),
    **dict.fromkeys(("pool", "pool_index", "unpool", "pool_pick", "spread"), pool.bind),
}


def bind(op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any],
         workspace: Workspace) -> Bound:  # fmt: skip
    """A call without arguments that does target = op(operands)."""
    room = ROOMS.get(op)
    call = _meaning(op, operands, target, params) if room is None else room(
        op, operands, target, params, workspace
    )  # fmt: skip

    def run() -> None:
        with np.errstate(all="ignore"):  # infinities and nan are results
            call()

    return run


def _meaning(
    op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any]
) -> Bound:
    meaning = OPS[op].numpy

    def run() -> None:
        target[...] = cast(meaning(*operands, **params), target.dtype)

    return run
