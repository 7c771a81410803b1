"""Products as tasks of the pool that runs fused kernels: `products.c`, compiled once."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any

import numpy as np

from neonport.backends.host import memory
from neonport.backends.host.blas.own.large import large_of
from neonport.backends.host.blas.own.middle import middle_of
from neonport.backends.host.blas.own.panels import panels_of, streams
from neonport.backends.host.blas.own.wide import bind_together, wide_of
from neonport.backends.host.blas.product import (
    KINDS,
    Addresses,
    Bound,
    Matrices,
    Prepared,
    Product,
)
from neonport.backends.host.jit.launcher import BoundProgram, HostJit, entry_address, make_program
from neonport.foundation.package_text import package_text

_WORDS = Struct("=Q19q2d4Q")  # product_t of products.c
_NUMBERS = Struct("=2d4Q")  # its alpha, beta and addresses
_NUMBERS_AT = _WORDS.size - _NUMBERS.size
_PLAIN, _TRANSPOSED = 111, 112

BRIEF_WORK = 10**6  # multiplications (20 us) during which the interpreter's lock may be kept
JOIN_SERIAL, JOIN_WORK = 1 << 18, 1 << 16  # numbers that one thread adds up; in a task

_real, _pointer = ctypes.c_double.from_param, ctypes.c_void_p.from_param


class CompiledRunner:
    """Runs pieces on the pool.

    Args:
        jit: compiles, and has the pool.
        functions: addresses of BLAS functions, by the name after `cblas_`.
        small_kernels: whether they multiply small matrices without copies.

    Raises:
        CompileError: with the compiler's own words.
    """

    def __init__(self, jit: HostJit, functions: Mapping[str, int], small_kernels: bool) -> None:
        text = package_text("neonport.backends.host.blas", "products.c")
        self.jit = jit
        self.functions = functions
        self.small_kernels = small_kernels
        library = jit.compiler.load(text, ["-pthread"])
        self.entries = {
            kind + name: entry_address(getattr(library, f"neo_{kind}{name}"))
            for kind in KINDS.values()
            for name in ("gemm", "gemv", "join")
        }
        self._library = library
        # the second one keeps the interpreter's lock
        keeping_the_lock = ctypes.PyDLL(library._name, handle=library._handle)
        self.call, self.call_briefly = library.neo_product, keeping_the_lock.neo_product
        self.call.restype = self.call_briefly.restype = None

    def prepare(self, product: Product) -> Prepared:
        """Make a product by our own C where that is faster, else by pieces."""
        past_the_cache = panels_of(self.jit, product) if streams(product) else None
        return (
            past_the_cache
            or middle_of(self.jit, product)
            or large_of(self.jit, product)
            or panels_of(self.jit, product)
            or wide_of(self.jit, product)
            or CompiledProduct(self, product)
        )

    def bind_together(self, products: Sequence[Matrices]) -> tuple[list[Bound], list[Matrices]]:
        """Calls for products of the same rows, and those that are none."""
        return bind_together(self.jit, products)


class CompiledProduct:
    """A product, ready for any addresses.

    Args:
        runner: has the pool.
        product: what it is.
    """

    def __init__(self, runner: CompiledRunner, product: Product) -> None:
        self.runner = runner
        self.product = product
        pieces = product.pieces(runner.small_kernels)
        self.deep = pieces.parts[2]
        self.tasks = product.count * pieces.number
        self.grain = product.grain(self.tasks)
        flags = [_TRANSPOSED if t else _PLAIN for t in product.transposed]
        words = _WORDS.pack(
            runner.functions[product.function], *flags, *product.sizes, *product.steps,
            *pieces[:3], *pieces.parts, product.count, product.added, *product.jumps,
            0.0, 0.0, 0, 0, 0, 0,
        )  # fmt: skip
        self.words = np.frombuffer(words, np.uint64)
        self.program = make_program([self._launch(self.words)], even=True)
        self.brief = not self.grain and product.work <= BRIEF_WORK
        self._call = runner.call_briefly if self.brief else runner.call
        fixed = (self.words.ctypes.data, self.program.ctypes.data, entry_address(runner.jit.run))
        self._fixed = tuple(_pointer(word) for word in fixed)

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        if self.deep > 1:
            self.bind(alpha, beta, addresses, None)()
            return
        a, b, c = addresses
        self._call(
            *self._fixed, _real(alpha), _real(beta), _pointer(a), _pointer(b), _pointer(c)
        )  # fmt: skip

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        words, sums = self.words.copy(), None
        launches = [self._launch(words)]
        if self.deep > 1:
            m, n, _ = self.product.sizes
            rows, numbers = self.product.count * m, self.deep * n
            sums = memory.allocate(rows * numbers * self.product.dtype.itemsize)
            grain = 0 if rows * numbers < JOIN_SERIAL else -(-JOIN_WORK // numbers)
            join = self.runner.entries[KINDS[self.product.dtype] + "join"]
            launches.append((join, words, rows, grain))
        place = 0 if sums is None else sums.address
        _NUMBERS.pack_into(words.data, _NUMBERS_AT, alpha, beta, *addresses, place)
        jit = self.runner.jit
        program = make_program(launches, even=True)
        return BoundProgram(
            jit.run_briefly if self.brief else jit.run, program, (words, sums, keep, self.runner)
        )

    def _launch(self, words: np.ndarray) -> tuple[int, np.ndarray, int, int]:
        return self.runner.entries[self.product.function], words, self.tasks, self.grain
