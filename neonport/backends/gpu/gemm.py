"""Matrix products on the device: our tiled kernel, for any strides, one launch for a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonport.backends.gpu.gemm_tiles import Tile, pieces
from neonport.backends.gpu.kernel_text import (
    bind,
    in_fours,
    kernel_text,
    position_type,
    real_of,
)
from neonport.dtypes import is_float
from neonport.errors import DtypeError
from neonport.tensor.tensor import Tensor

FILES = ("tile.h", "gemm.h")
CHUNK = 512  # depth of a chunk, at least
COMBINE_GROUP = 64


def check(a: Tensor, b: Tensor, c: Tensor) -> None:
    """Raise DtypeError unless the operands have one float dtype."""
    if not (a.dtype == b.dtype == c.dtype) or not is_float(a.dtype):
        raise DtypeError(
            f"dot: needs three tensors of one float dtype, not {a.dtype}, {b.dtype}, {c.dtype}"
        )


def bind_product(
    be: Any,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    alpha: float,
    beta: float,
    tile: Tile,
) -> Callable[[], None]:
    """A call that does `c = alpha * a @ b + beta * c`; `c` shares no memory with `a` and `b`.

    Args:
        a, b: matrices, or 3-D with a batch in front.
        c: a matrix (with a batch in `a` or `b`: the sum of all products), or 3-D.
        tile: as it fits the sizes and the device.
    """
    (m, k), n = a.shape[-2:], b.shape[-1]
    batch = max([t.shape[0] for t in (a, b) if t.ndim == 3], default=1)
    folded = batch if c.ndim == 2 else 1
    chunks, chunk = (
        (1, k) if folded > 1 else pieces(m, n, k, batch, be.traits.units, CHUNK)
    )  # fmt: skip
    results = batch // folded
    whole = position_type((a, b, c), results * chunks * m * n)
    real = real_of(a.dtype)
    macros = _macros(tile, a, b)
    text = kernel_text(
        be.dialect, FILES, a.dtype, whole,
        **macros, PARTIAL=int(chunks > 1), RESULT="REAL" if chunks > 1 else "STORED",
    )  # fmt: skip
    numbers = [real(alpha), real(beta)]
    sizes = [m, n, k, chunk, chunks, folded]
    shape = (tile.count(m, n) * chunks * results, tile.group)
    words = [*sizes, *_place(a), *_place(b), *_place(c), *numbers]
    if chunks == 1:
        return bind(be, text, "neo_gemm", shape, [a, b, c, *words], whole)
    parts = be.scratch(results * chunks * m * n * real().itemsize)
    first = bind(be, text, "neo_gemm", shape, [a, b, parts, *words], whole)
    last = bind_combine(be, parts, c, (results, chunks, m, n), _place(c), numbers, whole)
    return be.together([first, last])


def bind_combine(
    be: Any,
    parts: Any,
    c: Tensor,
    sizes: tuple[int, int, int, int],
    layout: list[int],
    numbers: list[Any],
    whole: type,
) -> Callable[[], None]:
    """The second stage of a product that was cut into chunks.

    Args:
        sizes: batch, chunks, rows, columns.
        layout: offset in `c`, strides of rows, columns and batch.
        numbers: alpha and beta.
    """
    text = kernel_text(be.dialect, ("combine.h",), c.dtype, whole, GROUP=COMBINE_GROUP)
    batch, _, m, n = sizes
    shape = (-(-batch * m * n // COMBINE_GROUP), COMBINE_GROUP)
    return bind(be, text, "neo_combine", shape, [parts, c, *sizes, *layout, *numbers], whole)


def _macros(tile: Tile, a: Tensor, b: Tensor) -> dict[str, Any]:
    """Macros of `tile.h` for the layout of operands: axis of neighbours, elements a fetch."""
    a_rows, b_rows = a.strides[-1] == 1, b.strides[-1] == 1 or b.strides[-2] != 1
    left, right = tile.vectors(
        in_fours(a, a.ndim - 1 if a_rows else a.ndim - 2),
        in_fours(b, b.ndim - 1 if b_rows else b.ndim - 2),
    )
    return {
        **tile.macros(),
        "LEFT_ROWS": int(a_rows), "RIGHT_ROWS": int(b_rows),
        "LEFT_VEC": left, "RIGHT_VEC": right,
    }  # fmt: skip


def _place(t: Tensor) -> list[int]:
    """Offset, strides of rows and columns, stride of the batch (0: one matrix for all)."""
    return [t.offset, *t.strides[-2:], t.strides[0] if t.ndim == 3 else 0]
