"""The two matrix products behind `blas.py`: one through OpenBLAS, one through NumPy.

An engine binds products of matrices that share no memory and are not empty, with alpha not 0; the
rest is settled before. OpenBLAS takes float32 and float64 views that `blas_layout` describes, NumPy
everything.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from neonport.backends.host.blas.fork_guard import calls_blas, guard_function
from neonport.backends.host.blas.layout import INT_MAX, address, blas_layout, extent, vector_step
from neonport.backends.host.blas.openblas import OpenBlas
from neonport.backends.host.threads import num_threads

Bound = Callable[[], None]

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112
_KINDS = {np.dtype(np.float32): ("s", ctypes.c_float), np.dtype(np.float64): ("d", ctypes.c_double)}

_SINGLE_THREAD = 2**18  # multiply-adds up to which OpenBLAS itself uses one thread

# A prepared argument costs ctypes a third of what a Python number or a c_int object costs.
_int = ctypes.c_int.from_param
_pointer = ctypes.c_void_p.from_param

# BLAS function, leading arguments, steps (a, b, c), whether a and b change places.
_Roles = tuple[str, tuple[Any, ...], tuple[Any, Any, Any], bool]


class Plan(NamedTuple):
    """A product of views of given shapes and strides, at any address.

    Attributes:
        function: the BLAS function.
        arguments: makes its arguments of alpha, beta and the addresses of a, b and c.
        extents: bytes from the first to the last byte of a, b and c.
    """

    function: Callable[..., None]
    arguments: Callable[[float, float, int, int, int], tuple[Any, ...]]
    extents: tuple[int, int, int]


class Engine(Protocol):
    """Interface of a matrix product."""

    name: str

    def reads(self, array: np.ndarray) -> bool:
        """Whether a matrix (the last two axes) can be an operand or the target as it is."""

    def plan(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Plan | None:
        """Prepare products of views laid out like these; None if that cannot be done directly."""

    def bind(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float) -> Bound:
        """Prepare `c = alpha * a @ b + beta * c` for these very matrices."""

    def bind_batch(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
    ) -> Bound | None:
        """Prepare c[i] = alpha * a[i] @ b[i] + beta * c[i] as one call, or None."""


class NumpyEngine:
    """Products through `np.matmul`; right for every layout, with a temporary when it must scale."""

    name = "numpy"

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
                with np.errstate(all="ignore"):  # as BLAS: infinities and NaN are results
                    np.matmul(a, b, out=c)

            return run_plain
        product = np.empty(c.shape, c.dtype)

        def run() -> None:
            with np.errstate(all="ignore"):
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

    def bind_batch(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
    ) -> Bound | None:
        """Prepare a stack of products: `np.matmul` does the loop."""
        return self.bind(a, b, c, alpha, beta)


class OpenBlasEngine:
    """Products through the private OpenBLAS; operands stay where they are.

    Args:
        library: the loaded library.
    """

    name = "openblas"

    def __init__(self, library: OpenBlas) -> None:
        self.library = library
        self._functions = {
            dtype: {
                name: library.function(f"cblas_{kind}{name}")
                for name in ("gemm", "gemv", "gemm_batch_strided")
            }
            for dtype, (kind, _) in _KINDS.items()
        }
        for functions in self._functions.values():
            for function in filter(None, functions.values()):
                guard_function(function)

    def reads(self, array: np.ndarray) -> bool:
        """Whether BLAS knows the dtype and the layout of a matrix (the last two axes)."""
        shape, strides = array.shape[-2:], array.strides[-2:]
        return (
            array.dtype in _KINDS
            and max(shape) <= INT_MAX
            and blas_layout(shape, strides, array.itemsize) is not None
        )

    def plan(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Plan | None:
        """Prepare products of views laid out like these; None if one of them must be copied."""
        if not all(self.reads(array) for array in (a, b, c)):
            return None
        prepare = self._vector_roles if 1 in c.shape else self._matrix_roles
        roles = prepare(a, b, c)
        if roles is None:
            return None
        name, head, (step_a, step_b, step_c), swapped = roles
        function = self._functions[a.dtype][name]
        assert function is not None, f"cblas {name} is part of every OpenBLAS"
        real = _KINDS[a.dtype][1].from_param
        one, zero = real(1.0), real(0.0)

        def arguments(alpha: float, beta: float, pa: int, pb: int, pc: int) -> tuple[Any, ...]:
            if swapped:
                pa, pb = pb, pa
            factor = one if alpha == 1.0 else real(alpha)
            old = zero if beta == 0.0 else real(beta)
            left, right, target = _pointer(pa), _pointer(pb), _pointer(pc)
            return *head, factor, left, step_a, right, step_b, old, target, step_c

        size_a, size_b, size_c = (extent(x.shape, x.strides, x.itemsize) for x in (a, b, c))
        return Plan(function, arguments, (size_a, size_b, size_c))

    def bind(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float) -> Bound:
        """Prepare `c = alpha * a @ b + beta * c` for these matrices."""
        plan = self.plan(a, b, c)
        assert plan is not None, "operands that BLAS cannot read are copied before"
        addresses = (address(array) for array in (a, b, c))
        return bind_call(plan.function, plan.arguments(alpha, beta, *addresses), (a, b, c))

    def bind_batch(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
    ) -> Bound | None:
        """Prepare all products of a stack as one call; None if the library or a layout is unfit."""
        function = self._functions[a.dtype]["gemm_batch_strided"]
        size = a.itemsize
        jumps = [divmod(array.strides[0] if len(array) > 1 else 0, size) for array in (a, b, c)]
        fits = all(rest == 0 and 0 <= jump <= INT_MAX for jump, rest in jumps)
        if function is None or not fits or 1 in c.shape[1:]:  # single columns are faster as gemv
            return None
        # The call gives whole entries to threads: good for many or small ones, not for few large.
        entry = c[0].size * a.shape[2]
        if len(c) < 4 * num_threads() and entry > _SINGLE_THREAD:
            return None
        roles = self._matrix_roles(a[0], b[0], c[0])
        if roles is None:
            return None
        _, head, (step_a, step_b, step_c), swapped = roles
        (jump_a, pa), (jump_b, pb), (jump_c, pc) = (
            (_int(jump), _pointer(address(array)))
            for (jump, _), array in zip(jumps, (a, b, c), strict=True)
        )
        if swapped:
            jump_a, jump_b, pa, pb = jump_b, jump_a, pb, pa
        real = _KINDS[a.dtype][1].from_param
        arguments = (
            *head, real(alpha), pa, step_a, jump_a, pb, step_b, jump_b,
            real(beta), pc, step_c, jump_c, _int(len(c)),
        )  # fmt: skip
        return bind_call(function, arguments, (a, b, c))

    def _matrix_roles(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> _Roles | None:
        """Describe matrices as gemm wants them: a column-major target turns the product around."""
        layout_c = blas_layout(c.shape, c.strides, c.itemsize)
        if layout_c is None:
            return None
        swapped, step_c = layout_c
        flags: list[Any] = []
        steps: list[Any] = []
        for array in (b.T, a.T) if swapped else (a, b):
            layout = blas_layout(array.shape, array.strides, array.itemsize)
            if layout is None:
                return None
            flags.append(_flag(layout[0]))
            steps.append(_int(layout[1]))
        m, n = reversed(c.shape) if swapped else c.shape
        head = (_int(_ROW_MAJOR), *flags, _int(m), _int(n), _int(a.shape[1]))
        return "gemm", head, (steps[0], steps[1], _int(step_c)), swapped

    def _vector_roles(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> _Roles | None:
        """Describe a product with one column (or row) for gemv, four times faster than gemm."""
        swapped = c.shape[1] != 1
        matrix, x, y = (b.T, a[0], c[0]) if swapped else (a, b[:, 0], c[:, 0])
        layout = blas_layout(matrix.shape, matrix.strides, a.itemsize)
        step_x = vector_step(len(x), x.strides[0], a.itemsize)
        step_y = vector_step(len(y), y.strides[0], a.itemsize)
        if layout is None or step_x is None or step_y is None:
            return None
        transposed, leading = layout
        rows, columns = reversed(matrix.shape) if transposed else matrix.shape
        head = (_int(_ROW_MAJOR), _flag(transposed), _int(rows), _int(columns))
        return "gemv", head, (_int(leading), _int(step_x), _int(step_y)), swapped


def _flag(transposed: bool) -> Any:
    return _int(_TRANSPOSED if transposed else _PLAIN)


def bind_call(
    function: Callable[..., None], arguments: tuple[Any, ...], keep: tuple[np.ndarray, ...]
) -> Bound:
    """Make a function that passes prepared arguments; it keeps the matrices alive."""

    def run() -> None:
        function(*arguments)

    run.matrices = keep  # type: ignore[attr-defined]
    calls_blas(run)
    return run
