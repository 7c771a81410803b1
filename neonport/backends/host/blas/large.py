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
from neonport.backends.host.jit.launcher import BoundProgram, HostJit, make_program
from neonport.tensor.storage import Storage

LEAST_SIDE = 256
ROWS, COLUMNS = 48, 1024  # of a task, at most


class _Block(NamedTuple):
    """A part of the sum, for which the pool is called once.

    Attributes:
        first, terms: where it begins, and its length.
    """

    first: int
    terms: int


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


class LargeProduct:
    """A product, ready for any addresses.

    Args:
        jit: has the pool.
        text: the compiled one.
        product: what it is.
    """

    def __init__(self, jit: HostJit, text: PanelText, product: Product) -> None:
        self.jit, self.text, self.product = jit, text, product
        m, n, k = product.sizes
        size = text.constants
        most = _even(k, size["depth"], 8)
        self.blocks = [_Block(first, min(most, k - first)) for first in range(0, k, most)]
        self.rows = _even(m, ROWS, size["group"])
        groups = 2 * ceil(n / (2 * min(COLUMNS, size["width"])))
        self.columns = _up(ceil(n / groups), size["block"])
        self.tasks = ceil(m / self.rows) * ceil(n / self.columns)

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        words = np.array([self._words(x, alpha, beta, addresses) for x in self.blocks], np.int64)
        begin, multiply = self.text.entries
        launches = [x for row in words for x in ((begin, row, 1, 0), (multiply, row, self.tasks, 1))]
        return BoundProgram(self.jit.run, make_program(launches, even=True), (words, keep, self.text))

    def _words(
        self, block: _Block, alpha: float, beta: float, addresses: Addresses
    ) -> list[int]:
        """`large_t` of the text."""
        item = self.product.dtype.itemsize
        (m, n, _), (step_a, step_b, _) = self.product.sizes, self.product.steps
        turned_a, turned_b = self.product.transposed
        a, b, c = addresses
        a += block.first * item * (step_a if turned_a else 1)
        b += block.first * item * (1 if turned_b else step_b)
        factors = [alpha, 1.0 if block.first else beta]
        return [
            m, n, block.terms, *self.product.steps, turned_a, turned_b, self.rows, self.columns,
            *np.array(factors, np.float64).view(np.int64).tolist(), a, b, c, 0,
        ]  # fmt: skip
