"""Matrix products on the device: our tiled kernel, for any strides, one launch for a batch.

A tile is what a work-group computes; `KINDS` says which ones fit which product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neonport.backends.gpu.device_protocol import KernelDevice
from neonport.backends.gpu.kernel_text import (
    FOUR,
    bind,
    in_fours,
    kernel_text,
    position_type,
    real_of,
)
from neonport.dtypes import is_float
from neonport.errors import DtypeError
from neonport.tensor.tensor import Tensor


@dataclass(frozen=True)
class Tile:
    """Macros of `tile.h`.

    Attributes:
        m, n: rows and columns of a work-group.
        depth: of the slices that pass through local memory.
        item_m, item_n: rows and columns of a work-item.
    """

    m: int
    n: int
    depth: int
    item_m: int
    item_n: int

    @property
    def group(self) -> int:
        """Work-items."""
        return (self.m // self.item_m) * (self.n // self.item_n)

    def count(self, m: int, n: int) -> int:
        """Tiles of a matrix."""
        return -(-m // self.m) * -(-n // self.n)

    def vectors(self, left: int, right: int) -> tuple[int, int]:
        """Elements that are fetched at a time, given what the operands allow."""
        each = (self.m * self.depth // self.group, self.n * self.depth // self.group)
        return tuple(
            FOUR if allowed == FOUR and count % FOUR == 0 else 1
            for allowed, count in zip((left, right), each, strict=True)
        )  # type: ignore[return-value]

    def macros(self) -> dict[str, int]:
        """Macros of `tile.h` that do not depend on the operands."""
        return {
            "TILE_M": self.m, "TILE_N": self.n, "DEPTH": self.depth,
            "ITEM_M": self.item_m, "ITEM_N": self.item_n,
        }  # fmt: skip


SQUARE = Tile(64, 64, 16, 4, 4)
LARGE = Tile(128, 128, 8, 8, 8)
TALL = Tile(128, 64, 16, 8, 4)
SMALL = Tile(32, 32, 16, 4, 2)
FEW_ROWS = Tile(32, 128, 16, 4, 4)
FEW_COLUMNS = Tile(128, 32, 16, 4, 4)
TILES = (SQUARE, LARGE, TALL, SMALL, FEW_ROWS, FEW_COLUMNS)

# kind of product: its tiles, the one to use unmeasured first; a product to measure them on
KINDS: dict[str, tuple[tuple[Tile, ...], tuple[int, int, int]]] = {
    "rows": ((FEW_ROWS, SMALL, SQUARE), (32, 4096, 512)),
    "columns": ((FEW_COLUMNS, SMALL, SQUARE), (4096, 32, 512)),
    "small": ((SQUARE, SMALL, TALL), (256, 256, 256)),
    "large": ((LARGE, TALL, SQUARE), (2048, 2048, 256)),
}
FEW = 32
MAX_CHUNKS = 128
WORTH = 1 << 22  # multiplications of a product for which tiles are measured


def kind_of(m: int, n: int, units: int) -> str:
    """Classify a product for a device with room for `units` work-groups."""
    if m <= FEW or n <= FEW:
        return "rows" if m <= n else "columns"
    return "large" if LARGE.count(m, n) * FOUR >= units else "small"


def pieces(
    m: int, n: int, depth: int, batch: int, units: int, least: int, rounds: int = 0
) -> tuple[int, int]:
    """Chunks of the depth of a product, and the depth of each, so that a device has enough to do.

    They depend on the sizes and the device, not on the tile: the same sums whatever was measured.

    Args:
        units: work-groups that the device has room for.
        least: depth of a chunk, at least.
        rounds: of `DeviceTraits`.
    """
    groups = SQUARE.count(m, n) * batch
    chunks = max(1, min(units // groups, depth // least, MAX_CHUNKS))
    chunk = -(-depth // chunks)
    chunk += -chunk % SQUARE.depth
    if rounds:
        chunk = min(chunk, deepest(rounds))
    return max(1, -(-depth // max(1, chunk))), max(1, chunk)


def deepest(rounds: int) -> int:
    """Return the depth to which work-items may add up products in so many rounds of their loops."""
    return rounds * SQUARE.depth // 2  # other loops turn, too


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
    be: KernelDevice,
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
        (1, k) if folded > 1 else pieces(m, n, k, batch, be.traits.units, CHUNK, be.traits.rounds)
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
    be: KernelDevice,
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
