"""Products that are long sums, along which both operands lie, by our own C: `wide.c`.

They are the gradients of weights that met many columns. Such products of one matrix with several
others are made together: its rows are read, and turned, once. Tasks depend on the sizes alone, and
on whether the machine has few processors, so equal products have equal bits on any number of
threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from neonport.backends.host import memory
from neonport.backends.host.blas.layout import address
from neonport.backends.host.blas.own.panels import LEAST_ROWS, PanelText, panel_text
from neonport.backends.host.blas.pieces import FEW_CORES, SERIAL_WORK
from neonport.backends.host.blas.product import KINDS, Addresses, Bound, Matrices, Product
from neonport.backends.host.jit.launcher import BoundProgram, HostJit, make_program

LEAST_COLUMNS, LEAST_TERMS = 32, 1024
MOST_COPY = 16 << 20  # bytes of the copy
TASKS, TASKS_OF_FEW_CORES = 32, 8  # at least
ROWS = 4  # a task has a multiple, if it can: as many as the lowest kernel makes


class Factor(NamedTuple):
    """A product that takes part: columns of the common matrix times its own one.

    Attributes:
        columns: of the target.
        steps: numbers from column to column of its matrix, and from row to row of the target.
        terms: first one, and one after the last, of those of the common matrix.
    """

    columns: int
    steps: tuple[int, int]
    terms: tuple[int, int]


def wide_of(jit: HostJit, product: Product) -> WideProduct | None:
    """A product that is a long sum by our own C, None where it is none or a BLAS is as good."""
    alone = product.count * product.added == 1 and not product.vector
    if not alone or product.transposed != (False, True) or product.sizes[1] < LEAST_COLUMNS:
        return None
    _, n, k = product.sizes
    factor = Factor(n, (product.steps[1], product.steps[2]), (0, k))
    return _made(jit, Rows(product.dtype, product.sizes[0], k, product.steps[0]), [factor])


def bind_together(jit: HostJit, products: Sequence[Matrices]) -> tuple[list[Bound], list[Matrices]]:
    """Calls for those of several products c = a @ b whose as have rows of one matrix in common.

    Args:
        jit: has the pool.
        products: a, b and c of each, checked; no c shares memory with another array.

    Returns:
        The calls, and what they do not make: other products, or some rows of them.
    """
    groups: dict[Any, list[_Part]] = {}
    calls: list[Bound] = []
    left = [product for product in products if not _lies_along(*product)]
    for parts in _by_matrix([p for p in products if _lies_along(*p)]):
        for part in _cut(parts):
            groups.setdefault((part.key, part.first, part.last), []).append(part)
    for group in groups.values():
        call = _bind_group(jit, group) if len(group) > 1 else None
        if call is None:
            left += [part.matrices for part in group]
        else:
            calls.append(call)
    return calls, left


class _Part(NamedTuple):
    """Some rows of a product.

    Attributes:
        key: tells the matrix whose rows a has.
        first, last: the rows of that matrix, to before the second.
        column: of that matrix, with which a begins.
        matrices: a, b and c, of these rows.
    """

    key: tuple[np.dtype, int, int]
    first: int
    last: int
    column: int
    matrices: Matrices

    def rows(self, first: int, last: int) -> _Part:
        """Those that lie between two rows of the matrix."""
        a, b, c = self.matrices
        span = slice(first - self.first, last - self.first)
        return _Part(self.key, first, last, self.column, (a[span], b, c[span]))


def _by_matrix(products: Sequence[Matrices]) -> list[list[_Part]]:
    """Products in parts of matrices: what has the same step may have the same rows."""
    found: dict[Any, list[Matrices]] = {}
    for product in products:
        found.setdefault((product[0].dtype, product[0].strides[0]), []).append(product)
    matrices = []
    for (dtype, step), same in found.items():
        low = min(address(a) for a, _, _ in same)
        parts = []
        for a, b, c in same:
            first, rest = divmod(address(a) - low, step)
            column, odd = divmod(rest, dtype.itemsize)
            if not odd:
                parts.append(_Part((dtype, step, low), first, first + len(a), column, (a, b, c)))
        matrices.append(parts)
    return matrices


def _cut(parts: Sequence[_Part]) -> list[_Part]:
    """Parts that have the same rows, or none in common."""
    edges = sorted({edge for part in parts for edge in (part.first, part.last)})
    return [
        part.rows(first, last)
        for part in parts
        for first, last in pairwise(x for x in edges if part.first <= x <= part.last)
    ]


def _bind_group(jit: HostJit, group: Sequence[_Part]) -> Bound | None:
    """A call for products of the same rows; None where they are too small or too large for it."""
    dtype, step, _ = group[0].key
    low = min(part.column for part in group)
    terms = [part.matrices[0].shape[1] for part in group]
    spans = [(p.column - low, p.column - low + k) for p, k in zip(group, terms, strict=True)]
    whole, rows = max(last for _, last in spans), group[0].matrices[0]
    if whole * dtype.itemsize > step or 2 * min(terms) < whole:
        return None
    factors = [
        Factor(b.shape[1], (_step(b.T), _step(c)), span)
        for (_, b, c), span in zip((p.matrices for p in group), spans, strict=True)
    ]
    made = _made(jit, Rows(dtype, len(rows), whole, step // dtype.itemsize), factors)
    if made is None:
        return None
    first = min(address(part.matrices[0]) for part in group)
    places = [(address(b), address(c)) for _, b, c in (part.matrices for part in group)]
    return made.bind_all(1.0, 0.0, first, places, [part.matrices for part in group])


def _lies_along(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
    """Whether a, b and c lie as the text reads them."""
    return a.dtype in KINDS and len(a) > 1 and all(map(_rows_lie, (a, b.T, c)))


def _rows_lie(x: np.ndarray) -> bool:
    """Whether the numbers of each row lie side by side, and rows behind each other."""
    rows, columns = x.shape
    step, rest = divmod(x.strides[0], x.itemsize)
    side_by_side = columns == 1 or x.strides[1] == x.itemsize
    return side_by_side and (rows == 1 or (rest == 0 and step >= columns))


def _step(x: np.ndarray) -> int:
    """Numbers from row to row."""
    return max(1, x.strides[0] // x.itemsize)


class Rows(NamedTuple):
    """The common matrix.

    Attributes:
        dtype: float32 or float64.
        height: rows.
        terms: columns, along which sums are made.
        step: numbers from row to row.
    """

    dtype: np.dtype
    height: int
    terms: int
    step: int


def _made(jit: HostJit, rows: Rows, factors: Sequence[Factor]) -> WideProduct | None:
    """Products of rows; None where they are too small or too large, or no text is there."""
    if rows.height < LEAST_ROWS or rows.terms < LEAST_TERMS:
        return None
    text = panel_text(jit, "wide", KINDS[rows.dtype])
    if text is None or len(factors) > text.constants["factors"]:
        return None
    made = WideProduct(jit, text, rows, factors)
    _, columns, terms = made.sizes
    return made if columns * terms * rows.dtype.itemsize <= MOST_COPY else None


class _Grid(NamedTuple):
    """Rows, columns and terms of a task."""

    rows: int
    columns: int
    terms: int


def _grid(m: int, n: int, k: int, size: dict[str, int]) -> _Grid:
    """Tasks of about equal size: as high and wide as they may be, then parts of the sum."""
    few = (os.cpu_count() or 1) <= FEW_CORES  # of the machine, whatever this process may use of it
    tasks = TASKS_OF_FEW_CORES if few else TASKS
    across = ceil(n / size["columns"])
    columns = ceil(ceil(n / across) / size["block"]) * size["block"]
    rows = ceil(ceil(m / ceil(m / size["height"])) / ROWS) * ROWS
    parts = ceil(tasks / (across * ceil(m / rows)))
    depths = ceil(k / size["depth"])
    return _Grid(rows, columns, ceil(depths / min(parts, depths)) * size["depth"])


class WideProduct:
    """One or more products, ready for any addresses.

    Args:
        jit: has the pool.
        text: the compiled one.
        rows: the common matrix.
        factors: what it is multiplied by.
    """

    def __init__(
        self, jit: HostJit, text: PanelText, rows: Rows, factors: Sequence[Factor]
    ) -> None:
        self.jit, self.text, self.rows, self.factors = jit, text, rows, factors
        block = text.constants["block"]
        self.widths = [ceil(f.columns / block) * block for f in factors]
        self.sizes = rows.height, sum(self.widths), rows.terms
        self.grid = _grid(*self.sizes, text.constants)

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        a, b, c = addresses
        return self.bind_all(alpha, beta, a, [(b, c)], keep)

    def bind_all(
        self,
        alpha: float,
        beta: float,
        a: int,
        places: Sequence[tuple[int, int]],
        keep: Any,
    ) -> Bound:
        """Make a call for all factors.

        Args:
            alpha, beta: of all.
            a: address of the rows.
            places: addresses of the matrix and of the target of each factor.
            keep: what must live as long as the call.
        """
        (m, n, k), size, grid = self.sizes, self.text.constants, self.grid
        parts, item = ceil(k / grid.terms), self.rows.dtype.itemsize
        room = memory.allocate(n * k * item)
        sums = memory.allocate(parts * m * n * item) if parts > 1 else None
        numbers = np.array([alpha, beta], np.float64).view(np.int64).tolist()
        words = [m, n, k, self.rows.step, *grid, *numbers, a, 0 if sums is None else sums.address]
        packed = room.address
        for factor, place, width in zip(self.factors, places, self.widths, strict=True):
            words += [factor.columns, *factor.steps, *factor.terms, *place, packed]
            packed += width * k * item
        block = np.array(words, np.int64)
        grain = int(m * n * k >= SERIAL_WORK)
        pack, multiply, join = self.text.entries
        tasks = ceil(m / grid.rows) * ceil(n / grid.columns) * parts
        launches = [
            (pack, block, n // size["block"] * ceil(k / size["depth"]), grain),
            (multiply, block, tasks, grain),
        ]
        if parts > 1:
            launches.append((join, block, m, grain and ceil(m / TASKS_OF_FEW_CORES)))
        program = make_program(launches, even=True)
        return BoundProgram(self.jit.run, program, (block, room, sums, keep, self.text))
