"""How a kernel for the host is cut into tasks, and which variant of its text suits the sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from neonport.compiler.codegen.cpu.buffers import KEPT_LENGTH, KEPT_ROWS, HostVariant
from neonport.compiler.codegen.cpu.reductions import scratch_words
from neonport.compiler.codegen.cpu.transposed_loads import TILE_ROWS
from neonport.compiler.codegen.cpu.values import COLUMNS
from neonport.compiler.codegen.reuse import kept, streamable, transposed
from neonport.compiler.kernel import Kernel

SPLIT_ROWS = 16  # fewer rows than this are cut into chunks, if they are long
SPLIT_LENGTH = 1 << 13, 1 << 15  # folded elements of a chunk: where there are few chunks, or many
SPLIT_FEW = 16  # chunks
MAX_CHUNKS = 256
MAP_LENGTH = 1 << 12, 1 << 14  # the same of a kernel without reductions
MAP_FEW = 256
EVEN = 8  # chunks come in multiples of it: as many for each of 2, 4 or 8 threads
SERIAL_WORK = 1 << 15  # elements below which waking other threads costs more than it gains
TILED_WORK = 1 << 12  # elements of a kernel from which on tiles are worth their buffers
TILED_SIDE = 8  # rows and columns, at least
TASK_WORK = 1 << 12  # elements handed to a thread at a time, at least


@dataclass(frozen=True)
class TaskShape:
    """Cut of a kernel into tasks; depends on sizes only, never on the number of threads."""

    variant: HostVariant
    rows: int
    chunks: int
    chunk: int
    tasks: int
    grain: int
    scratch: int


@lru_cache(maxsize=1024)
def task_shape(kernel: Kernel, sizes: tuple[int, ...], cache: int) -> TaskShape:
    """Cut a kernel of some sizes into tasks.

    Args:
        kernel: the kernel.
        sizes: of its loop axes.
        cache: bytes of the last cache; results that it would not hold are stored past it.
    """
    folded = [n for n, f in zip(sizes, kernel.axes, strict=True) if f]
    columns = sizes[-1] if kernel.column else 1
    outer = [n for n, f in zip(sizes, kernel.axes, strict=True) if not f]
    rows = prod(outer) // (columns if kernel.column else 1)
    blocks = -(-columns // COLUMNS) if kernel.column else 1
    length = prod(folded)
    chunks = 1
    if not kernel.reductions:
        if length >= SERIAL_WORK:
            chunks = _even(length, MAP_LENGTH, MAP_FEW)
    elif rows * blocks < SPLIT_ROWS and length * min(columns, COLUMNS) >= SERIAL_WORK:
        work = length * min(columns, COLUMNS)
        chunks = min(MAX_CHUNKS, _even(work, SPLIT_LENGTH, SPLIT_FEW))
    chunk = -(-folded[0] // chunks)
    if kernel.axes.count(True) == 1:
        chunk = -(-chunk // 64) * 64  # whole cache lines: threads do not share one
    chunk = max(1, chunk)
    chunks = max(1, -(-folded[0] // chunk))
    split = bool(kernel.reductions) and chunks > 1
    tasks = rows * blocks * chunks
    work = prod(sizes)
    per_task = max(1, work // max(1, tasks))
    grain = 0 if work < SERIAL_WORK else max(1, min(TASK_WORK // per_task, -(-tasks // 4)))
    scratch = scratch_words(kernel, rows, columns, chunks) if split else 0
    short = length <= (KEPT_ROWS if kernel.column else KEPT_LENGTH)
    keep = not split and short and bool(kept(kernel))
    tiles = work >= TILED_WORK and min(sizes[-2:]) >= TILED_SIDE and bool(transposed(kernel))
    if tiles and grain:
        grain = max(grain, min(TILE_ROWS, -(-tasks // 4)))
    variant = HostVariant(split, keep, not tiles and _streams(kernel, keep, sizes, cache), tiles)
    return TaskShape(variant, rows, chunks, chunk, tasks, grain, scratch)


def _even(length: int, lengths: tuple[int, int], few: int) -> int:
    """Number of chunks: short ones up to some number of them, then long ones."""
    short, long = (-(-length // n) for n in lengths)
    return -(-max(min(short, few), long) // EVEN) * EVEN


def _streams(kernel: Kernel, keep: bool, sizes: tuple[int, ...], cache: int) -> bool:
    """Whether results are so large that the cache would not hold them for the next reader."""
    stored = [np.dtype(kernel.accesses[i].dtype).itemsize for i in streamable(kernel, keep)]
    return bool(stored) and prod(sizes) * sum(stored) >= cache // 2
