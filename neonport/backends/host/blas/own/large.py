"""Large products by our own C: `large.c`, all layouts, where registers hold 64 bytes.

Each thread copies the operands of its tasks for itself, in memory that it keeps: nothing is shared,
and a product allocates nothing. Long sums are cut into parts, one launch after the other, that add
to the target. Sizes decide all that, and whether the machine has few processors, as for `pieces`;
the number of threads does not, so equal products have equal bits on any number.
"""

from __future__ import annotations

import os
from math import ceil
from typing import Any

import numpy as np

from neonport.backends.host.blas.gate import room_for
from neonport.backends.host.blas.own.panels import PanelText, panel_text
from neonport.backends.host.blas.pieces import FEW_CORES, in_small_kernels
from neonport.backends.host.blas.product import KINDS, Addresses, Bound, Product
from neonport.backends.host.jit.launcher import BoundProgram, HostJit, make_program
from neonport.backends.host.threads import num_threads
from neonport.log import logger

LEAST_SIZES = (
    64,
    256,
    64,
)  # rows, columns, terms: of fewer columns, rows are copied for too little
COLUMNS, COLUMNS_OF_FEW_CORES = 256, 1024  # of a task, at most
STACK = 8 << 20  # bytes of a thread that starts, about
TASKS = 32  # at least, on more than a few cores


def large_of(jit: HostJit, product: Product) -> LargeProduct | None:
    """A large product by our own C, None where it is none or a BLAS is as good."""
    small = any(size < least for size, least in zip(product.sizes, LEAST_SIZES, strict=True))
    if product.vector or product.count * product.added > 1 or small:
        return None
    if in_small_kernels(product.work, product.sizes[2]):
        return None
    text = panel_text(jit, "large", KINDS[product.dtype])
    if text is None:
        return None
    rows, columns = shape_of_tasks(product.sizes, text.constants)
    if (os.cpu_count() or 1) > FEW_CORES and _tasks(product.sizes, rows, columns) < TASKS:
        return None
    # a thread that finds no memory for its copies would end the process
    if not room_for((text.constants["copies"] + STACK) * num_threads()):
        logger.debug("a large product is left to the BLAS: there is no room for copies")
        return None
    return LargeProduct(jit, text, product, (rows, columns))


def shape_of_tasks(sizes: tuple[int, int, int], constants: dict[str, int]) -> tuple[int, int]:
    """Rows and columns of a task: about equal, whole groups and blocks."""
    m, n, _ = sizes
    rows = _even(m, constants["height"], constants["group"])
    few = (os.cpu_count() or 1) <= FEW_CORES  # of the machine, whatever this process may use of it
    most = min(COLUMNS_OF_FEW_CORES if few else COLUMNS, constants["width"])
    columns = _even(n, min(most, ceil(n / 2)), constants["block"])  # two cores: each its half
    while not few and _tasks(sizes, rows, columns) < TASKS and columns > 2 * constants["block"]:
        columns = _even(n, columns // 2, constants["block"])
    return rows, columns


def _tasks(sizes: tuple[int, int, int], rows: int, columns: int) -> int:
    return ceil(sizes[0] / rows) * ceil(sizes[1] / columns)


def _even(whole: int, most: int, multiple: int) -> int:
    """Size of about equal parts that are multiples: as many as parts of the most would be."""
    return ceil(ceil(whole / ceil(whole / most)) / multiple) * multiple


class LargeProduct:
    """A product, ready for any addresses.

    Args:
        jit: has the pool.
        text: the compiled one.
        product: what it is.
        shape: rows and columns of a task.
    """

    def __init__(
        self, jit: HostJit, text: PanelText, product: Product, shape: tuple[int, int]
    ) -> None:
        self.jit, self.text, self.product, self.shape = jit, text, product, shape
        k = product.sizes[2]
        terms = min(k, _even(k, text.constants["depth"], 8))
        self.parts = [(first, min(terms, k - first)) for first in range(0, k, terms)]

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        words = np.array(
            [self._words(*part, alpha, beta, addresses) for part in self.parts], np.int64
        )
        begin, multiply = self.text.entries
        tasks = _tasks(self.product.sizes, *self.shape)
        launches = [x for row in words for x in ((begin, row, 1, 0), (multiply, row, tasks, 1))]
        program = make_program(launches, even=True)
        return BoundProgram(self.jit.run, program, (words, keep, self.text))

    def _words(
        self, first: int, terms: int, alpha: float, beta: float, addresses: Addresses
    ) -> list[int]:
        """`large_t` of the text for a part of the sum."""
        (m, n, _), steps = self.product.sizes, self.product.steps
        turned_a, turned_b = self.product.transposed
        a, b, c = addresses
        a += first * (steps[0] if turned_a else 1) * self.product.dtype.itemsize
        b += first * (1 if turned_b else steps[1]) * self.product.dtype.itemsize
        factors = np.array([alpha, 1.0 if first else beta], np.float64).view(np.int64).tolist()
        return [m, n, terms, *steps, turned_a, turned_b, *self.shape, *factors, a, b, c, 0]
