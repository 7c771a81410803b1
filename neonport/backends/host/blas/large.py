"""Large products by our own C: `large.c`, all layouts, where registers hold 64 bytes.

Operands are copied once for all tasks, into memory that all products of the process take in turn.
Where it would not hold them, a product runs in blocks, one after the other: parts of the sum, and of
rows and columns if those are very many. All of it depends on the sizes alone, so equal products have
equal bits on any number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product as grid
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from neonport.backends.host import memory
from neonport.backends.host.blas.panel_texts import PanelText, panel_text
from neonport.backends.host.blas.pieces import in_small_kernels
from neonport.backends.host.blas.product import KINDS, Addresses, Bound, Product
from neonport.backends.host.jit.launcher import HostJit, make_program
from neonport.tensor.storage import Storage

LEAST_SIDE = 256
ROOM = 24 << 20  # bytes of the copies, about: the last cache holds them
ROWS, COLUMNS = 96, 8  # of a task: rows, and blocks of columns; at most
TASKS = 64  # at least, if they can be had by making them smaller


class _Block(NamedTuple):
    """A part of a product that runs at once.

    Attributes:
        first, sizes: of its rows, columns and terms.
        plan: what the text wants to know: rows and columns of a task, terms of a part.
        tasks: of the copies, and of the product.
    """

    first: tuple[int, int, int]
    sizes: tuple[int, int, int]
    plan: tuple[int, int, int]
    tasks: tuple[int, int]


def large_of(jit: HostJit, product: Product) -> LargeProduct | None:
    """A large product by our own C, None where it is none or a BLAS is as good."""
    m, n, k = product.sizes
    if product.vector or product.count * product.added > 1 or min(m, n, k) < LEAST_SIDE:
        return None
    if in_small_kernels(product.work, k):
        return None
    text = panel_text(jit, "large", KINDS[product.dtype])
    return None if text is None else LargeProduct(jit, text, product)


def _up(number: int, multiple: int) -> int:
    return ceil(number / multiple) * multiple


def _even(whole: int, most: int, multiple: int) -> int:
    """Size of about equal parts of at most so many, each a multiple."""
    return min(_up(ceil(whole / ceil(whole / most)), multiple), _up(whole, multiple))


@lru_cache(maxsize=256)
def blocks_of(
    sizes: tuple[int, int, int], room: int, group: int, block: int, depth: int, several: int,
    strip: int,
) -> tuple[_Block, ...]:
    """Cut a product into blocks that run one after the other.

    Args:
        sizes: rows, columns and terms.
        room: numbers that the copies of a block may have.
        group, block, depth, several, strip: constants of the text.
    """
    m, n, k = sizes
    high, wide = _up(m, group), _up(n, block)
    while (high + wide) * min(k, depth // 2) > room:
        if high > wide:
            high = _up(high // 2, group)
        else:
            wide = _up(wide // 2, block)
    deep = min(k, _even(k, max(room // (high + wide), 1), 8))
    found = []
    for i, j, q in grid(range(0, m, high), range(0, n, wide), range(0, k, deep)):
        rows, columns, terms = min(high, m - i), min(wide, n - j), min(deep, k - q)
        part = _even(terms, depth, 8)
        of_task = _tasks(rows, columns, group, block)
        copies = ceil(rows / (several * group)) + ceil(columns / (several * block))
        tasks = copies * ceil(terms / part) * ceil(part / strip), ceil(rows / of_task[0]) * ceil(columns / of_task[1])
        found.append(_Block((i, j, q), (rows, columns, terms), (*of_task, part), tasks))
    return tuple(found)


def _tasks(m: int, n: int, group: int, block: int) -> tuple[int, int]:
    """Rows and columns of a task."""
    rows, columns = ROWS // group, COLUMNS
    while ceil(m / (rows * group)) * ceil(n / (columns * block)) < TASKS and rows * columns > 4:
        if columns > rows:
            columns //= 2
        else:
            rows //= 2
    return _even(m, rows * group, group), _even(n, columns * block, block)


class _Rooms:
    """Memory for copies: what one product gave back is for the next, of any thread."""

    def __init__(self) -> None:
        self.free: list[Storage] = []

    def take(self, nbytes: int) -> Storage:
        """Memory of at least so many bytes.

        Raises:
            OutOfDeviceMemory: there is none.
        """
        try:
            room = self.free.pop()
        except IndexError:
            return memory.allocate(nbytes)
        return room if room.nbytes >= nbytes else memory.allocate(nbytes)

    def give(self, room: Storage) -> None:
        """Keep it, unless there is one: as much as products that run one after the other need."""
        if not self.free:
            self.free.append(room)


_rooms = _Rooms()


class _Call:
    """A product of matrices at known addresses.

    Args:
        jit: has the pool.
        program: the launches.
        words: their arguments, a row for each block; the last one is the place of the copies.
        room: bytes of the copies.
        keep: what must live as long as the call.
    """

    def __init__(
        self, jit: HostJit, program: np.ndarray, words: np.ndarray, room: int, keep: Any
    ) -> None:
        self.run, self.program, self.address = jit.run, program, program.ctypes.data
        self.words, self.room, self.keep = words, room, keep

    def __call__(self) -> None:
        room = _rooms.take(self.room)
        try:
            self.words[:, -1] = room.address
            self.run(self.address)
        finally:
            _rooms.give(room)


class LargeProduct:
    """A product, ready for any addresses.

    Args:
        jit: has the pool.
        text: the compiled one.
        product: what it is.
    """

    def __init__(self, jit: HostJit, text: PanelText, product: Product) -> None:
        self.jit, self.text, self.product = jit, text, product
        size, item = text.constants, product.dtype.itemsize
        constants = (size[word] for word in ("group", "block", "depth", "several", "strip"))
        self.blocks = blocks_of(product.sizes, ROOM // item, *constants)
        m, n, k = self.blocks[0].sizes  # the largest one
        self.room = (_up(m, size["group"]) + _up(n, size["block"])) * k * item

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        words = np.array([self._words(x, alpha, beta, addresses) for x in self.blocks], np.int64)
        launches = [
            (entry, row, tasks, 1)
            for block, row in zip(self.blocks, words, strict=True)
            for entry, tasks in zip(self.text.entries, block.tasks, strict=True)
        ]
        program = make_program(launches, even=True)
        _rooms.give(_rooms.take(self.room))  # a call finds what it needs
        return _Call(self.jit, program, words, self.room, (keep, self.text))

    def _words(
        self, block: _Block, alpha: float, beta: float, addresses: Addresses
    ) -> list[int]:
        """`large_t` of the text, without the place of the copies."""
        item = self.product.dtype.itemsize
        (i, j, q), steps, turned = block.first, self.product.steps, self.product.transposed
        places = [(i, q), (q, j), (i, j)]
        at = [
            address + item * ((column * step + row) if along else (row * step + column))
            for address, (row, column), step, along in zip(
                addresses, places, steps, (*turned, False), strict=True
            )
        ]
        factors = np.array([alpha, beta if q == 0 else 1.0], np.float64).view(np.int64).tolist()
        return [*block.sizes, *steps, *map(int, turned), *block.plan, *factors, *at, 0]
