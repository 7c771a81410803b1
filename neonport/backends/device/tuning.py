"""Which tile is fastest on a device: measured once for each kind of product, kept on disk."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.device.gemm import FILES, bind_product
from neonport.backends.device.sources import kernel_text
from neonport.backends.device.tiles import KINDS, Tile
from neonport.cache import cache_dir, read_checked, write_checked

ENVIRONMENT = "NEONPORT_TUNE"
BUDGET = 0.2  # seconds for all tiles of a kind; what is not measured by then is not chosen
REPEATS = 5


def tuned(be: Any, dtype: np.dtype, kind: str) -> Tile:
    """The tile for a kind of product: from memory, from disk, or measured now.

    NEONPORT_TUNE=0 always gives the first one.
    """
    tiles, _ = KINDS[kind]
    if os.environ.get(ENVIRONMENT, "1") == "0":
        return tiles[0]
    found: Tile | None = be.tiles.get((dtype, kind))
    if found is None:
        found = be.tiles[dtype, kind] = tiles[_known(be, dtype, kind)]
    return found


def first_tile(kind: str) -> Tile:
    """The tile for a kind of product that is not worth measuring."""
    return KINDS[kind][0][0]


def _known(be: Any, dtype: np.dtype, kind: str) -> int:
    """Number of the fastest tile, from disk or measured."""
    tiles, shape = KINDS[kind]
    macros: dict[str, Any] = dict.fromkeys(("LEFT_ROWS", "RIGHT_ROWS", "PARTIAL", "RESULT"), "")
    text = kernel_text(be.dialect, FILES, dtype, **macros)
    words = "\n".join((be.identity, repr((tiles, shape)), text))
    path = cache_dir() / "tuned" / hashlib.sha256(words.encode()).hexdigest()[:40]
    saved = read_checked(path)
    if saved is not None and saved.isdigit() and int(saved) < len(tiles):
        return int(saved)
    best = fastest(be, dtype, kind)
    write_checked(path, str(best).encode())
    return best


def fastest(be: Any, dtype: np.dtype, kind: str) -> int:
    """Measure the tiles of a kind, the first one first, until the budget is spent."""
    tiles, (m, n, k) = KINDS[kind]
    rng = np.random.RandomState(0)
    a, b = (be.array(rng.uniform(-1, 1, s), dtype=dtype) for s in ((m, k), (k, n)))
    c = be.empty((m, n), dtype=dtype)
    begin = time.perf_counter()
    seconds: list[float] = []
    for tile in tiles:
        call = bind_product(be, a, b, c, 1.0, 0.0, tile)
        seconds.append(_measure(be, call))
        if time.perf_counter() - begin > BUDGET:
            break
    return int(np.argmin(seconds))


def _measure(be: Any, call: Callable[[], None]) -> float:
    """Seconds of a call; the first one does not count."""
    call()
    be.synchronize()
    best = float("inf")
    for _ in range(REPEATS):
        begin = time.perf_counter()
        call()
        be.synchronize()
        best = min(best, time.perf_counter() - begin)
        if best > BUDGET / REPEATS:
            break
    return best
