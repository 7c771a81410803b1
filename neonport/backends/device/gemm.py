"""Matrix products on the device: our tiled kernel, for any strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.device.sources import kernel_text
from neonport.errors import DtypeError
from neonport.tensor import Tensor

TILE = 64  # rows and columns of a work-group of 16 x 16 items
GROUP = 256


def check(a: Tensor, b: Tensor, c: Tensor) -> None:
    """Raise DtypeError unless the operands have one float dtype."""
    if not (a.dtype == b.dtype == c.dtype) or a.dtype.kind != "f":
        raise DtypeError(
            f"dot: needs three tensors of one float dtype, not {a.dtype}, {b.dtype}, {c.dtype}"
        )


def bind(be: Any, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Callable[[], None]:
    """A call that does c = alpha * a @ b + beta * c; `c` shares no memory with `a` and `b`."""
    (m, k), n = a.shape, b.shape[1]
    rows = {"A_ROWS": int(a.strides[1] == 1), "B_ROWS": int(b.strides[1] == 1)}
    program = be.compile(kernel_text(be.dialect, "gemm.h", a.dtype, rows))
    real = np.float64 if a.dtype == np.float64 else np.float32
    words: list[Any] = [a.storage, b.storage, c.storage]
    words += [np.int64(v) for v in (m, n, k)]
    for t in (a, b, c):
        words += [np.int64(t.offset), np.int64(t.strides[0]), np.int64(t.strides[1])]
    words += [real(alpha), real(beta)]
    groups = -(-m // TILE) * -(-n // TILE)
    keep = [t.storage for t in (a, b, c) if t.storage.space == "arena"]
    call: Callable[[], None] = be.bind_launch(program, "neo_gemm", groups, GROUP, words, keep)
    return call
