"""Into which pieces a matrix product is cut: by its sizes, never by the number of threads.

Each piece is one call of a BLAS that runs on the calling thread, so equal products have equal bits
on any number of threads. The processor counts too, as it does for the library's own arithmetic: of
few cores each gets larger pieces. The target is cut along its rows and columns. Where it is too
small for that and the sum is long, the sum is cut too: the parts are joined in order.
"""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import product
from math import ceil, isqrt
from typing import NamedTuple

MOST = 64  # pieces of a product
SERIAL_WORK = (
    1 << 19
)  # multiplications (10 us) below which waking a thread costs more than it gains
ROWS, COLUMNS = 4, 16  # sides of a piece are multiples: blocks that BLAS keeps in registers
LEAST_SIDE = 32  # of a piece; thinner ones spend their time in copies
LEAST_TERMS = 1024  # of a part of a sum

# Up to a million multiplications some core types multiply without copying the operands first.
SMALL_WORK = 10**6
SMALL_TOTAL = 1 << 25  # from where copies pay

# (pieces at most, multiplications until which): each piece copies its operands
MOST_UNTIL = ((8, 1 << 28), (16, 1 << 34), (32, 1 << 37))
MOST_OF_FEW_CORES = ((4, 1 << 34), (32, 1 << 37))
FEW_CORES = 2  # more share the work of a slow one, and wait for it if there are few pieces

VECTOR_SERIAL = 1 << 18  # elements of a matrix times a vector: bound by memory
VECTOR_WORK = 1 << 16
VECTOR_SIDE = 64


class Pieces(NamedTuple):
    """A grid over a product (m, k) @ (k, n); the last piece along an axis may be smaller.

    Attributes:
        rows, columns, terms: sizes of a piece.
        parts: how many there are along each of these.
    """

    rows: int
    columns: int
    terms: int
    parts: tuple[int, int, int]

    @property
    def number(self) -> int:
        """How many there are."""
        high, wide, deep = self.parts
        return high * wide * deep


def in_small_kernels(work: int, terms: int) -> bool:
    """Whether pieces are so small that they are multiplied without copies, where a core does so.

    Args:
        work: multiplications of the product.
        terms: length of its sum, over all products that are added up.
    """
    return work <= SMALL_TOTAL and LEAST_SIDE**2 * terms <= SMALL_WORK


@lru_cache(maxsize=4096)
def cut(m: int, n: int, k: int, terms: int, *, vector: bool, small_kernels: bool) -> Pieces:
    """The pieces of a product.

    Args:
        m, n: sizes of the target.
        k: length of the sum.
        terms: products that are added up in the target; if there are several, parts of the sum are
            ranges of them.
        vector: whether it is a matrix times a column, n = 1.
        small_kernels: whether the core type multiplies small matrices without copies.
    """
    work = m * n * k * terms
    if vector:
        wanted = min(work // VECTOR_WORK, MOST) if work >= VECTOR_SERIAL else 1
        rows = _part(m, min(wanted, max(1, m // VECTOR_SIDE)), COLUMNS)
        columns = n
    elif small_kernels and in_small_kernels(work, k * terms):
        wanted = ceil(work / SMALL_WORK)
        rows, columns = _small_grid(m, n, k * terms)
    else:
        wanted = _wanted(work)
        rows, columns = _grid(m, n, wanted)
    high, wide = ceil(m / rows), ceil(n / columns)
    length, least = (terms, 1) if terms > 1 else (k, VECTOR_WORK if vector else LEAST_TERMS)
    deep = max(1, min(wanted // (high * wide), length // least))
    part = _part(length, deep, 1 if terms > 1 else COLUMNS)
    return Pieces(rows, columns, part, (high, wide, ceil(length / part)))


def _wanted(work: int) -> int:
    """Pieces: more with the square root of the work; not too many, as each copies its operands."""
    count = min(isqrt(work // SERIAL_WORK), MOST)
    few = (os.cpu_count() or 1) <= FEW_CORES  # of the machine, whatever this process may use of it
    for most, until in MOST_OF_FEW_CORES if few else MOST_UNTIL:
        if work < until:
            count = min(count, most)
    return max(1, count // 4 * 4 or min(count, 2))


def _part(length: int, parts: int, multiple: int) -> int:
    """Size of about equal parts that begin at multiples."""
    return min(length, ceil(ceil(length / max(1, parts)) / multiple) * multiple)


def _grid(m: int, n: int, wanted: int) -> tuple[int, int]:
    """Sides of about as many pieces as wanted that copy as little as can be.

    A piece copies its part of both operands.
    """
    most = [max(1, side // LEAST_SIDE) for side in (m, n)]
    grids = [
        (high, wide)
        for high in range(1, min(wanted, most[0]) + 1)
        for wide in {min(ceil(wanted / high), most[1])}
    ]
    high, wide = min(grids, key=lambda g: (-min(g[0] * g[1], wanted), g[1] * m + g[0] * n))
    return _part(m, high, ROWS), _part(n, wide, COLUMNS)


def _small_grid(m: int, n: int, terms: int) -> tuple[int, int]:
    """Sides of the fewest pieces that are small."""
    sides = product(
        sorted({_part(m, i, ROWS) for i in range(1, max(1, m // LEAST_SIDE) + 2)}),
        sorted({_part(n, i, COLUMNS) for i in range(1, max(1, n // LEAST_SIDE) + 2)}),
    )
    fitting = [(r, c) for r, c in sides if r * c * terms <= SMALL_WORK]
    if not fitting:
        return _part(m, m // LEAST_SIDE, ROWS), _part(n, n // LEAST_SIDE, COLUMNS)

    def cost(side: tuple[int, int]) -> tuple[int, int, int]:
        high, wide = ceil(m / side[0]), ceil(n / side[1])
        count = high * wide
        shared = count if count <= 2 else ceil(count / 4) * 4  # two or four threads are busy alike
        return shared, shared - count, wide * m + high * n

    return min(fitting, key=cost)
