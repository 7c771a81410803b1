"""Long sums by our own C, `wide.c`: gradients of weights that met all steps of many sequences.

They are sums over thousands of columns, of operands whose rows are far apart. A BLAS copies them in
blocks that are made for square products, and takes 1.3 to 1.5 times as long where registers hold 64
bytes; where they hold less, it has the product.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np

from neonport.backends.host import memory
from neonport.backends.host.blas.pieces import SERIAL_WORK
from neonport.backends.host.blas.product import KINDS, Addresses, Bound, Product
from neonport.backends.host.jit.launcher import BoundProgram, HostJit, entry_address, make_program
from neonport.backends.host.jit.texts import text_of
from neonport.errors import CompileError
from neonport.log import logger

VECTOR = 64  # bytes that the registers must hold
LEAST_ROWS, LEAST_COLUMNS, LEAST_TERMS = 24, 32, 1024
MOST_PACKED = 16 << 20  # bytes of the copy of b


def wide_of(jit: HostJit, product: Product) -> WideProduct | None:
    """A product by our own C, None where a BLAS is as good."""
    m, n, k = product.sizes
    if product.vector or product.count * product.added > 1:
        return None
    if product.transposed != (False, True) or k < LEAST_TERMS:
        return None
    if m < LEAST_ROWS or n < LEAST_COLUMNS:
        return None
    library = _library(jit, KINDS[product.dtype])
    if library is None or library.constants["bytes"] < VECTOR:
        return None
    found = WideProduct(jit, library, product)
    return found if found.packed <= MOST_PACKED else None


class _Library:
    """The compiled text for a type.

    Attributes:
        constants: sizes of a task, by name.
        entries: addresses of the functions that run one after the other.
    """

    def __init__(self, jit: HostJit, kind: str) -> None:
        real = {"s": "float", "d": "double"}[kind]
        text = text_of("neonport.backends.host.blas", "wide.c", {"REAL": real})
        self.library = jit.compiler.load(text, ["-ffp-contract=fast"])
        names = ("group", "block", "columns", "depth", "bytes")
        self.constants = {
            name: ctypes.c_int64.in_dll(self.library, f"neo_{name}").value for name in names
        }
        functions = self.library.neo_wide_pack, self.library.neo_wide
        self.entries = [entry_address(function) for function in functions]


@lru_cache(maxsize=8)
def _library(jit: HostJit, kind: str) -> _Library | None:
    try:
        return _Library(jit, kind)
    except CompileError as error:
        logger.debug("long sums are left to the BLAS: %s", error)
        return None


class WideProduct:
    """A product, ready for any addresses.

    Args:
        jit: has the pool.
        library: the compiled text.
        product: what it is.

    Attributes:
        packed: bytes of the copy of b.
    """

    def __init__(self, jit: HostJit, library: _Library, product: Product) -> None:
        self.jit, self.library, self.product = jit, library, product
        m, n, k = product.sizes
        size = library.constants
        blocks = ceil(n / size["block"])
        self.packed = blocks * size["block"] * k * product.dtype.itemsize
        across = ceil(n / size["columns"])
        self.tasks = blocks * ceil(k / size["depth"]), ceil(m / size["group"]) * across

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        room = memory.allocate(self.packed)
        numbers = np.array([alpha, beta], np.float64).view(np.int64).tolist()
        words = np.array(
            [*self.product.sizes, *self.product.steps, *numbers, *addresses, room.address],
            np.int64,
        )
        grain = int(self.product.work >= SERIAL_WORK)
        launches = [
            (entry, words, tasks, grain)
            for entry, tasks in zip(self.library.entries, self.tasks, strict=True)
        ]
        program = make_program(launches, even=True)
        return BoundProgram(self.jit.run, program, (words, room, keep, self.library))
