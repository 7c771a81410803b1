"""Tiles of products: what a work-group computes, and which tile fits which product."""

from __future__ import annotations

from dataclasses import dataclass

from neonport.backends.gpu.kernel_text import FOUR


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


def pieces(m: int, n: int, depth: int, batch: int, units: int, least: int) -> tuple[int, int]:
    """Chunks of the depth of a product, and the depth of each, so that a device has enough to do.

    They depend on the sizes and the device, not on the tile: the same sums whatever was measured.

    Args:
        units: work-groups that the device has room for.
        least: depth of a chunk, at least.
    """
    groups = SQUARE.count(m, n) * batch
    chunks = max(1, min(units // groups, depth // least, MAX_CHUNKS))
    chunk = -(-depth // chunks)
    chunk += -chunk % SQUARE.depth
    return max(1, -(-depth // max(1, chunk))), max(1, chunk)
