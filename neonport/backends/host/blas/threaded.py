"""Products without a C compiler: the same pieces in the same order, on threads of Python."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from neonport.backends.host.blas.gate import Gate
from neonport.backends.host.blas.product import Addresses, Bound, Matrices, Product
from neonport.backends.host.threads import num_threads
from neonport.foundation.fork import call_in_child

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112
_REALS = {np.dtype(np.float32): ctypes.c_float, np.dtype(np.float64): ctypes.c_double}

# A prepared argument costs ctypes a third of what a Python number or a c_int object costs.
_int = ctypes.c_int.from_param
_pointer = ctypes.c_void_p.from_param


class ThreadedRunner:
    """Runs pieces on threads of Python; a BLAS call gives up the interpreter's lock.

    Args:
        functions: BLAS functions, by the name after `cblas_`.
        small_kernels: whether they multiply small matrices without copies.
    """

    def __init__(self, functions: Mapping[str, Any], small_kernels: bool) -> None:
        self.functions = functions
        self.small_kernels = small_kernels
        self.gate = Gate()
        self._forget_helpers()
        call_in_child(self, ThreadedRunner._forget_helpers)

    def _forget_helpers(self) -> None:
        self._helpers: ThreadPoolExecutor | None = None
        self._helping = 0

    def prepare(self, product: Product) -> ThreadedProduct:
        """Cut a product into pieces."""
        return ThreadedProduct(self, product)

    def bind_together(self, products: Sequence[Matrices]) -> tuple[list[Bound], list[Matrices]]:
        """Return them all: a BLAS makes one product a call."""
        return [], list(products)

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run tasks in any order, on the calling thread and its helpers."""
        count = min(num_threads(), len(tasks)) - 1
        if count < 1:
            for task in tasks:
                task()
            return
        if self._helpers is None or self._helping != num_threads():
            self._helping = num_threads()
            self._helpers = ThreadPoolExecutor(self._helping - 1, "neonport-products")
        left = iter(tasks)
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    task = next(left, None)
                if task is None:
                    return
                task()

        others = [self._helpers.submit(work) for _ in range(count)]
        work()
        for other in others:
            other.cancel()  # what has not begun finds nothing left
        wait(others)


class ThreadedProduct:
    """A product, ready for any addresses.

    Args:
        runner: has the threads.
        product: what it is.
    """

    def __init__(self, runner: ThreadedRunner, product: Product) -> None:
        self.runner = runner
        self.product = product
        self.pieces = product.pieces(runner.small_kernels)

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        product, pieces = self.product, self.pieces
        deep, (m, n, _) = pieces.parts[2], product.sizes
        sums = np.empty((product.count, deep, m, n) if deep > 1 else 0, product.dtype)
        tasks = [
            self._task(alpha, beta, addresses, sums, entry, piece)
            for entry in range(product.count)
            for piece in np.ndindex(deep, *pieces.parts[:2])
        ]
        grain = product.grain(len(tasks)) or len(tasks)
        groups = [_one_by_one(tasks[i : i + grain]) for i in range(0, len(tasks), grain)]

        def run(_keep: Any = keep) -> None:
            self.runner.run(groups)
            if deep > 1:
                self._join(sums, beta, addresses[2])

        return run

    def _task(
        self, alpha: float, beta: float, addresses: Addresses, sums: np.ndarray, entry: int,
        piece: tuple[int, ...],
    ) -> Callable[[], None]:  # fmt: skip
        """One piece: a call, or one for each product of its part of the sum."""
        product, pieces = self.product, self.pieces
        number, high, wide = piece
        m, n, k = product.sizes
        several = product.added > 1
        i, rows = _part(high, pieces.rows, m)
        j, columns = _part(wide, pieces.columns, n)
        first, length = _part(number, pieces.terms, product.added if several else k)
        q, terms = (0, k) if several else (first, length)
        starts = range(first, first + length) if several else (entry,)
        size, (step_a, step_b, step_c) = product.dtype.itemsize, product.steps
        left = q * step_a + i if product.transposed[0] else i * step_a + q
        right = j * step_b + q if product.transposed[1] else q * step_b + j
        target = addresses[2] + entry * product.jumps[2] + (i * step_c + j) * size
        if pieces.parts[2] > 1:
            target = sums[entry, number, i:, j:].ctypes.data
            step_c, beta = n, 0.0
        function, gate = self.runner.functions[product.function], self.runner.gate
        real = _REALS[product.dtype].from_param
        flags = [_int(_TRANSPOSED if t else _PLAIN) for t in product.transposed]
        if product.vector:
            extents = (terms, rows) if product.transposed[0] else (rows, terms)
            head = (_int(_ROW_MAJOR), flags[0], *map(_int, extents))
        else:
            head = (_int(_ROW_MAJOR), *flags, _int(rows), _int(columns), _int(terms))
        calls = []
        for x in starts:
            a = addresses[0] + x * product.jumps[0] + left * size
            b = addresses[1] + x * product.jumps[1] + right * size
            old = 1.0 if several and x > first else beta
            calls.append(
                (*head, real(alpha), _pointer(a), _int(step_a), _pointer(b), _int(step_b),
                 real(old), _pointer(target), _int(step_c))
            )  # fmt: skip

        def task() -> None:
            for arguments in calls:
                with gate.passed():
                    function(*arguments)

        return task

    def _join(self, sums: np.ndarray, beta: float, address: int) -> None:
        """Add up the parts of the sum, in order."""
        product = self.product
        m, n = product.sizes[:2]
        size = product.dtype.itemsize
        strides = (product.jumps[2], product.steps[2] * size, size)
        span = (m - 1) * strides[1] + n * size
        with np.errstate(all="ignore"):
            for entry, parts in enumerate(sums):
                memory = (ctypes.c_char * span).from_address(address + entry * strides[0])
                c: np.ndarray = np.ndarray(
                    (m, n), product.dtype, memoryview(memory), 0, strides[1:]
                )
                total = parts[0].copy()
                for part in parts[1:]:
                    total += part
                c[...] = total if beta == 0.0 else c * product.dtype.type(beta) + total


def _part(number: int, size: int, whole: int) -> tuple[int, int]:
    """First index and length of a part."""
    first = number * size
    return first, min(size, whole - first)


def _one_by_one(tasks: Sequence[Callable[[], None]]) -> Callable[[], None]:
    def run() -> None:
        for task in tasks:
            task()

    return run
