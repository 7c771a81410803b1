"""Libraries of matrix products: OpenBLAS, by pieces, and NumPy.

An engine binds products of matrices that share no memory and are not empty, with alpha not 0; the
rest is settled before. OpenBLAS takes float32 and float64 views that `blas_layout` describes, NumPy
everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from neonport.backends.host.blas.compiled import CompiledRunner
from neonport.backends.host.blas.gate import Gate
from neonport.backends.host.blas.layout import INT_MAX, address, blas_layout, extent, vector_step
from neonport.backends.host.blas.openblas import OpenBlas
from neonport.backends.host.blas.product import (
    KINDS,
    Addresses,
    Bound,
    Matrices,
    Plan,
    Product,
    Runner,
)
from neonport.backends.host.blas.threaded import ThreadedRunner
from neonport.backends.host.jit.launcher import entry_address, shared_jit
from neonport.errors import CompileError
from neonport.log import logger

# Core types of OpenBLAS that multiply small matrices without copying the operands first.
_SMALL_KERNELS = frozenset({"skylakex", "cooperlake", "sapphirerapids"})


class Engine(Protocol):
    """A library of matrix products.

    Attributes:
        name: "openblas" or "numpy".
        core: the processor its kernels are for; empty where that is not known.
    """

    name: str
    core: str

    def reads(self, array: np.ndarray) -> bool:
        """Whether a matrix (the last two axes) can be an operand or the target as it is."""

    def plan(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Plan | None:
        """Prepare products of views laid out like these; None if that cannot be done directly."""

    def bind(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float) -> Bound:
        """Prepare `c = alpha * a @ b + beta * c` for these very matrices."""

    def bind_stack(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
    ) -> Bound:
        """Prepare c[i] = alpha * a[i] @ b[i] + beta * c[i]; with a matrix as c, their sum."""

    def bind_together(self, products: Sequence[Matrices]) -> tuple[list[Bound], list[Matrices]]:
        """Prepare those of several c = a @ b that gain by it together; return the others."""


_of_numpy = Gate()


class NumpyEngine:
    """Products through `np.matmul`; right for every layout, with a temporary when it must scale."""

    name = "numpy"
    core = ""

    def reads(self, array: np.ndarray) -> bool:
        """Whether it can be used as it is: always."""
        return True

    def plan(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Plan | None:
        """Return None: NumPy works on arrays, not on addresses."""
        return None

    def bind(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float) -> Bound:
        """Prepare `c = alpha * a @ b + beta * c`; also for stacks of matrices."""
        if alpha == 1.0 and beta == 0.0:

            def run_plain() -> None:
                # as BLAS: infinities and NaN are results
                with _of_numpy.passed(), np.errstate(all="ignore"):
                    np.matmul(a, b, out=c)

            return run_plain
        product = np.empty(c.shape, c.dtype)

        def run() -> None:
            with _of_numpy.passed(), np.errstate(all="ignore"):
                np.matmul(a, b, out=product)
                if alpha != 1.0:
                    np.multiply(product, alpha, out=product)
                if beta == 0.0:
                    np.copyto(c, product)
                    return
                if beta != 1.0:
                    np.multiply(c, beta, out=c)
                np.add(c, product, out=c)

        return run

    def bind_stack(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
    ) -> Bound:
        """Prepare a stack of products: `np.matmul` does the loop, but where they are added up."""
        if c.ndim == 3:
            return self.bind(a, b, c, alpha, beta)
        betas = [beta] + [1.0] * (len(a) - 1)
        calls = [self.bind(x, y, c, alpha, old) for x, y, old in zip(a, b, betas, strict=True)]

        def run() -> None:
            for call in calls:
                call()

        return run

    def bind_together(self, products: Sequence[Matrices]) -> tuple[list[Bound], list[Matrices]]:
        """Return them all: NumPy makes one product a call."""
        return [], list(products)


class OpenBlasEngine:
    """Products through the private OpenBLAS; operands stay where they are.

    Args:
        library: the loaded library.
    """

    name = "openblas"

    def __init__(self, library: OpenBlas) -> None:
        self.library = library
        self.core = library.core
        self.runner = _runner(library)

    def reads(self, array: np.ndarray) -> bool:
        """Whether BLAS knows the dtype and the layout of a matrix (the last two axes)."""
        shape, strides = array.shape[-2:], array.strides[-2:]
        return (
            array.dtype in KINDS
            and max(shape) <= INT_MAX
            and blas_layout(shape, strides, array.itemsize) is not None
        )

    def plan(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Plan | None:
        """Prepare products of views laid out like these; None if one of them must be copied."""
        if not all(self.reads(array) for array in (a, b, c)):
            return None
        return self._plan(a, b, c)

    def bind(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float) -> Bound:
        """Prepare `c = alpha * a @ b + beta * c` for these matrices."""
        return self._plan(a, b, c).bind(alpha, beta, _addresses(a, b, c), (a, b, c))

    def bind_stack(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
    ) -> Bound:
        """Prepare all products of a stack as one call."""
        several, summed = len(a) > 1, c.ndim == 2
        jumps = tuple(x.strides[0] if several and x.ndim == 3 else 0 for x in (a, b, c))
        plan = self._plan(
            a[0], b[0], c if summed else c[0],
            count=1 if summed else len(a), added=len(a) if summed else 1, jumps=jumps,
        )  # fmt: skip
        return plan.bind(alpha, beta, _addresses(a, b, c), (a, b, c))

    def bind_together(self, products: Sequence[Matrices]) -> tuple[list[Bound], list[Matrices]]:
        """Prepare those that the runner makes together; return the others."""
        return self.runner.bind_together(products)

    def _plan(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, *, count: int = 1, added: int = 1,
        jumps: tuple[int, ...] = (0, 0, 0),
    ) -> Plan:  # fmt: skip
        """Prepare products of matrices that BLAS can read, or of stacks that begin with them."""
        found = _as_vector(a, b, c) if 1 in c.shape else None
        vector, swapped, transposed, sizes, steps = found or _as_matrices(a, b, c)
        jump_a, jump_b, jump_c = jumps
        if swapped:
            jump_a, jump_b = jump_b, jump_a
        product = Product(
            a.dtype, vector, transposed, sizes, steps, count, added, (jump_a, jump_b, jump_c)
        )
        size_a, size_b, size_c = (extent(x.shape, x.strides, x.itemsize) for x in (a, b, c))
        return Plan(self.runner.prepare(product), swapped, (size_a, size_b, size_c))


def _addresses(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Addresses:
    return address(a), address(b), address(c)


# Vector, swapped, transposed, sizes, steps: see `Product`.
_Roles = tuple[bool, bool, tuple[bool, bool], tuple[int, int, int], tuple[int, int, int]]


def _as_matrices(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> _Roles:
    """Describe a product as gemm wants it: a column-major target turns it around."""
    swapped, step_c = _layout(c)
    first, second = (b.T, a.T) if swapped else (a, b)
    m, n = reversed(c.shape) if swapped else c.shape
    (left, step_a), (right, step_b) = _layout(first), _layout(second)
    return False, swapped, (left, right), (m, n, a.shape[1]), (step_a, step_b, step_c)


def _as_vector(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> _Roles | None:
    """Describe a product with one column (or row) for gemv, four times faster than gemm.

    None where the steps of a vector are none that BLAS allows.
    """
    swapped = c.shape[1] != 1
    matrix, x, y = (b.T, a[0], c[0]) if swapped else (a, b[:, 0], c[:, 0])
    step_x = vector_step(len(x), x.strides[0], a.itemsize)
    step_y = vector_step(len(y), y.strides[0], a.itemsize)
    if step_x is None or step_y is None:
        return None
    transposed, leading = _layout(matrix)
    return True, swapped, (transposed, False), (len(y), 1, len(x)), (leading, step_x, step_y)


def _layout(matrix: np.ndarray) -> tuple[bool, int]:
    found = blas_layout(matrix.shape, matrix.strides, matrix.itemsize)
    assert found is not None, "operands that BLAS cannot read are copied before"
    return found


def _runner(library: OpenBlas) -> Runner:
    """The pool of the fused kernels; threads of Python where there is no C compiler."""
    small = library.core.lower() in _SMALL_KERNELS
    names = [kind + name for kind in KINDS.values() for name in ("gemm", "gemv")]
    functions = {name: library.function(f"cblas_{name}") for name in names}
    try:
        jit = shared_jit()
        if jit is not None:
            addresses = {name: entry_address(found) for name, found in functions.items()}
            return CompiledRunner(jit, addresses, small)
    except CompileError as error:
        logger.debug("matrix products run on threads of Python: %s", error)
    return ThreadedRunner(functions, small)
