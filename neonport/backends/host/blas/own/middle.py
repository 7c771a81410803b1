"""Small and middle products by our own C: `middle.c`, all layouts, on processors like Intel's.

Copies take a good part of such a product, so few are made: of what lies across the sum, by each
thread for itself. If only the rows of c.T = b.T @ a.T lie well, that is what is made. Into which
tasks a product is cut depends on its sizes and on the machine, as for `pieces`, and no sum depends
on it: equal products have equal bits on any number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from neonport.backends.host.blas.gate import room_for
from neonport.backends.host.blas.own.panels import PanelText, panel_text
from neonport.backends.host.blas.pieces import SERIAL_WORK
from neonport.backends.host.blas.product import KINDS, Addresses, Bound, Product
from neonport.backends.host.cpu_info import cpu_vendor
from neonport.backends.host.jit.launcher import BoundProgram, HostJit, make_program
from neonport.backends.host.threads import num_threads
from neonport.log import logger

# Where there is one 512-bit product a cycle (Zen 4), a BLAS and `large.c` come as near to it.
VENDOR = "GenuineIntel"
LEAST_ROWS = 20  # of a task: as in the text
LEAST_COLUMNS, LEAST_TERMS = 32, 16
SMALL = 5 << 20  # multiplications below which a BLAS copies nothing, unless only b is transposed
SHORT, LARGE_TARGET = 128, 1 << 20  # terms, and numbers: `large.c` writes such targets faster
MOST_WORK = 1 << 28  # multiplications above which `large.c` copies too little to lose time
STACK = 8 << 20  # bytes of a thread that starts, about

TASK_WORK = 1 << 18  # multiplications of a task, at least
TASKS = 4  # of a core, at most
# Cycles, about, that a thread needs for a number: to copy one of b while it multiplies, to turn
# one, to copy one of a, and to get one that another core wrote.
COPIED, TURNED, GATHERED, FOREIGN = 0.4, 0.6, 0.3, 1.0
AHEAD = 0.6  # what remains of that for further blocks of a task, as they are copied meanwhile
NARROW = {1: 0.4, 2: 0.2}  # vectors that tiles of so many lose
KEPT = 1 << 17  # numbers of a target that a cache keeps until they are needed again, about
LATE = 0.1  # part of the last task for which a core waits for another one


def middle_of(jit: HostJit, product: Product) -> MiddleProduct | None:
    """A small or middle product by our own C, None where it is none or a BLAS is as good."""
    if cpu_vendor() != VENDOR or product.vector or product.count * product.added > 1:
        return None
    m, n, k = product.sizes
    least = SERIAL_WORK if product.transposed == (False, True) else SMALL
    if m < LEAST_ROWS or n < LEAST_COLUMNS or k < LEAST_TERMS:
        return None
    if not least <= product.work <= MOST_WORK or (k < SHORT and m * n > LARGE_TARGET):
        return None
    text = panel_text(jit, "middle", KINDS[product.dtype])
    if text is None:
        return None
    # a thread that finds no memory for its copies would end the process
    if not room_for((text.constants["copies"] + STACK) * num_threads()):
        logger.debug("a product is left to the BLAS: there is no room for copies")
        return None
    return MiddleProduct(jit, text, product)


class Form(NamedTuple):
    """What the text multiplies.

    Attributes:
        sizes: rows, columns, terms.
        transposed: whether the operands are.
        swapped: whether it is c.T = b.T @ a.T.
    """

    sizes: tuple[int, int, int]
    transposed: tuple[bool, bool]
    swapped: bool


class Tasks(NamedTuple):
    """Into what a product is cut.

    Attributes:
        down: parts of its rows.
        columns: of a task.
    """

    down: int
    columns: int


class Block(NamedTuple):
    """Sizes of the text.

    Attributes:
        columns: of a tile.
        rows: of a task, at most, if they are copied.
        terms: at a time.
    """

    columns: int
    rows: int
    terms: int


class MiddleProduct:
    """A product, ready for any addresses.

    Args:
        jit: has the pool.
        text: the compiled one.
        product: what it is.
    """

    def __init__(self, jit: HostJit, text: PanelText, product: Product) -> None:
        self.jit, self.text, self.product = jit, text, product
        block = Block(*(text.constants[name] for name in ("block", "height", "depth")))
        cores = os.cpu_count() or 1
        _, self.tasks, self.form = min((*cheapest(x, block, cores), x) for x in _forms(product))

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        (a, b, c), (step_a, step_b, step_c) = addresses, self.product.steps
        if self.form.swapped:
            a, b, step_a, step_b = b, a, step_b, step_a
        factors = np.array([alpha, beta], np.float64).view(np.int64).tolist()
        words = np.array(
            [*self.form.sizes, step_a, step_b, step_c, *self.form.transposed, self.form.swapped,
             *self.tasks, *factors, a, b, c, 0],
            np.int64,
        )  # fmt: skip
        begin, multiply = self.text.entries
        tasks = self.tasks.down * ceil(self.form.sizes[1] / self.tasks.columns)
        program = make_program([(begin, words, 1, 0), (multiply, words, tasks, 1)], even=True)
        return BoundProgram(self.jit.run, program, (words, keep, self.text))


def _forms(product: Product) -> Iterator[Form]:
    """What the text can multiply instead of a product: not what needs three matrices turned."""
    (m, n, k), (turned_a, turned_b) = product.sizes, product.transposed
    if not (turned_a and turned_b):
        yield Form((m, n, k), (turned_a, turned_b), False)
    if turned_b:
        yield Form((n, m, k), (False, not turned_a), True)


@lru_cache(maxsize=4096)
def cheapest(form: Form, block: Block, cores: int) -> tuple[float, Tasks]:
    """Cycles, about, and tasks that take the fewest."""
    return min((_cycles(form, tasks, block, cores), tasks) for tasks in _ways(form, block, cores))


def _ways(form: Form, block: Block, cores: int) -> Iterator[Tasks]:
    """Into which tasks a product can be cut: of whole blocks, or of half a one."""
    m, n, k = form.sizes
    most = max(1, min(TASKS * cores, m * n * k // TASK_WORK))
    copied = form.transposed[0] or form.swapped
    least = ceil(m / block.rows) if copied else 1
    blocks = ceil(n / block.columns)
    wide = {block.columns * ceil(blocks / across) for across in range(1, most + 1)}
    for columns in sorted(wide | {block.columns // 2}):
        across = ceil(n / columns)
        for down in range(least, max(least, min(most // across, m // LEAST_ROWS)) + 1):
            yield Tasks(down, columns)


def _cycles(form: Form, tasks: Tasks, block: Block, cores: int) -> float:
    """Cycles, about, of the core that has most to do.

    Kernels that work on all numbers give each core its part of the rows of a matrix. So what has
    the rows that a core has here is in its cache, and will be when they are needed again.
    """
    m, n, k = form.sizes
    rows, across = ceil(m / tasks.down), ceil(n / tasks.columns)
    columns = min(n, tasks.columns)
    vectors = ceil(4 * columns / block.columns)
    serves = 1  # tasks, with a copy of b
    if n <= columns <= block.columns and k <= block.terms:
        serves = ceil(tasks.down / cores)
    work = rows / 2 * (vectors + NARROW.get(vectors % 4, 0))
    copied = columns - (1 - AHEAD) * max(0, columns - block.columns)
    work += copied * (TURNED if form.transposed[1] else COPIED) / serves
    work += GATHERED * rows / min(across, 2) if form.transposed[0] else 0
    task = k * work + TURNED * rows * columns * form.swapped
    kept = min(m * n, KEPT)
    if form.swapped:
        foreign = m * k / 4 + n * k / 2 + kept if tasks.down >= cores else m * k / 2
    else:
        foreign = n * k / 2 if tasks.down >= cores else n * k / 4 + m * k / 2 + kept * 3 / 8
    return (ceil(tasks.down * across / cores) + LATE) * task + FOREIGN * foreign
