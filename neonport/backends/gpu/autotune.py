"""Measure the fastest tile of a device, once for each kind of product; kept on disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neonport import settings
from neonport.backends.gpu.device_protocol import KernelDevice
from neonport.backends.gpu.kernel_text import kernel_text
from neonport.backends.gpu.matmul import FILES, KINDS, Tile, bind_product
from neonport.io.cache_dir import read_checked, write_checked
from neonport.tensor.tensor import Tensor

BUDGET = 0.2  # seconds for all tiles of a kind; what is not measured by then is not chosen
REPEATS = 5
FOLDER = "tuned"  # of the cache


def allowed() -> bool:
    """Whether products may be measured."""
    return settings.TUNE.get()


def tuned(be: KernelDevice, dtype: np.dtype, kind: str) -> Tile:
    """The tile for a kind of product: from memory, from disk, or measured now.

    NEONPORT_TUNE=0 always gives the first one.
    """
    tiles, shape = KINDS[kind]
    if not allowed():
        return tiles[0]
    found: Tile | None = be.tiles.get((dtype, kind))
    if found is None:
        best = kept(be, (tiles, shape), dtype, len(tiles), lambda: fastest(be, dtype, kind))
        found = be.tiles[dtype, kind] = tiles[best]
    return found


def first_tile(kind: str) -> Tile:
    """The tile for a kind of product that is not worth measuring."""
    return KINDS[kind][0][0]


def kept(
    be: KernelDevice, words: Sequence[Any], dtype: np.dtype, count: int, measure: Callable[[], int]
) -> int:
    """A measured number below `count`, from disk, or measured now and kept there.

    Args:
        words: what was measured, besides our kernel for this dtype on this device.
    """
    macros: dict[str, Any] = dict.fromkeys(("LEFT_ROWS", "RIGHT_ROWS", "PARTIAL", "RESULT"), "")
    text = kernel_text(be.dialect, FILES, dtype, **macros)
    key = "\n".join((be.identity, repr(tuple(words)), text))
    name = hashlib.sha256(key.encode()).hexdigest()[:40]
    found = _saved(name, count)
    if found is not None:
        return found
    best = measure()
    found = _saved(name, count)  # another process may have been faster: all agree with the first
    if found is not None:
        return found
    write_checked(FOLDER, name, str(best).encode())
    return best


def _saved(name: str, count: int) -> int | None:
    saved = read_checked(FOLDER, name)
    fits = saved is not None and saved.isdigit() and int(saved) < count
    return int(saved) if saved is not None and fits else None


def shapes_of(kind: str) -> tuple[tuple[int, ...], ...]:
    """Shapes of a, b and c of the product that a kind is measured on."""
    m, n, k = KINDS[kind][1]
    return (m, k), (k, n), (m, n)


def trial(
    be: KernelDevice, dtype: np.dtype, shapes: Sequence[tuple[int, ...]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Operands and target of a product to measure."""
    rng = np.random.RandomState(0)
    a, b = (be.executor.owner.array(rng.uniform(-1, 1, shape), dtype=dtype) for shape in shapes[:2])
    return a, b, be.executor.owner.empty(shapes[2], dtype=dtype)


def fastest(be: KernelDevice, dtype: np.dtype, kind: str) -> int:
    """Measure the tiles of a kind, the first one first, until the budget is spent."""
    a, b, c = trial(be, dtype, shapes_of(kind))
    begin = time.perf_counter()
    seconds: list[float] = []
    for tile in KINDS[kind][0]:
        call = bind_product(be, a, b, c, 1.0, 0.0, tile)
        seconds.append(seconds_of(be, call))
        if time.perf_counter() - begin > BUDGET:
            break
    return int(np.argmin(seconds))


def seconds_of(be: KernelDevice, call: Callable[[], None]) -> float:
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
