"""Matrix products of views: arguments checked, unfit operands copied, then one call of an engine.

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
from neonport.dtypes import FLOATS, compute_dtype, is_bfloat16
from neonport.errors import DtypeError, ReadOnlyError, ShapeError

Bound = Callable[[], None]

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112
_KINDS = {np.dtype(np.float32): ("s", ctypes.c_float), np.dtype(np.float64): ("d", ctypes.c_double)}

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

    def bind_batch(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
    ) -> Bound | None:
        """Prepare c[i] = alpha * a[i] @ b[i] + beta * c[i] as one call, or None."""


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
        self.core = library.core
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
        if num_threads() > 1:
            # With threads the library hands out one entry each, in turn: up to twenty times as slow
            # as calls one after the other, which take several threads only where they are worth it.
            return None
        function = self._functions[a.dtype]["gemm_batch_strided"]
        size = a.itemsize
        jumps = [divmod(array.strides[0] if len(array) > 1 else 0, size) for array in (a, b, c)]
        fits = all(rest == 0 and 0 <= jump <= INT_MAX for jump, rest in jumps)
        if function is None or not fits or 1 in c.shape[1:]:  # single columns are faster as gemv
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


def bind_product(
    engine: Engine, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
) -> Bound:
    """Bind `c = alpha * a @ b + beta * c` of checked arguments.

    Args:
        engine: what multiplies; where sizes are too large for it NumPy does.
        a: (m, k), or (X, m, k) for a stack.
        b: (k, n), or (X, k, n) when a is a stack.
        c: (m, n) or (X, m, n); with a stack as a and one matrix as c the products are added up.
        alpha: factor of the product.
        beta: factor of the old c.
    """
    if a.size == 0 or b.size == 0 or alpha == 0.0:
        return _bind_scaling(c, beta)
    if max(*a.shape, *b.shape) > INT_MAX:
        engine = NumpyEngine()
    work = compute_dtype([a.dtype])
    before: list[tuple[np.ndarray, np.ndarray]] = []

    def operand(array: np.ndarray) -> np.ndarray:
        if array.dtype == work and engine.reads(array):
            return array
        shared = array.ndim == 3 and array.strides[0] == 0
        original = array[0] if shared else array
        copy = np.empty(original.shape, work)
        before.append((copy, original))
        return np.broadcast_to(copy, array.shape)

    first, second = operand(a), operand(b)
    target = c
    overlaps = any(np.shares_memory(c, array) for array in (a, b))
    if overlaps or c.dtype != work or not engine.reads(c):
        target = np.empty(c.shape, work)
        if beta != 0.0:
            before.append((target, c))
    if a.ndim == 3:
        run = _bind_stack(engine, first, second, target, alpha, beta)
    else:
        run = engine.bind(first, second, target, alpha, beta)
    if not before and target is c:
        return run
    return _with_copies(run, before, c, target)


def _with_copies(
    run: Bound, before: list[tuple[np.ndarray, np.ndarray]], c: np.ndarray, target: np.ndarray
) -> Bound:
    def run_with_copies() -> None:
        for copy, original in before:
            np.copyto(copy, original)
        run()
        if target is not c:
            with np.errstate(all="ignore"):  # to float16: infinity is a result, and so is nan
                np.copyto(c, target, casting="same_kind")

    return run_with_copies


def _bind_stack(
    engine: Engine, a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float, beta: float
) -> Bound:
    summed = c.ndim == 2
    whole = None if summed else engine.bind_batch(a, b, c, alpha, beta)
    if whole is not None:
        return whole
    betas = [beta, *[1.0 if summed else beta] * (len(a) - 1)]
    plan = engine.plan(a[0], b[0], c if summed else c[0])
    if plan is None:
        targets = [c] * len(a) if summed else c
        rows = zip(a, b, targets, betas, strict=True)
        calls = [engine.bind(x, y, z, alpha, old) for x, y, z, old in rows]

        def run_each() -> None:
            for call in calls:
                call()

        return run_each
    # All entries are laid out alike: one plan, and a list of arguments.
    starts = [(address(x), x.strides[0] if x.ndim == 3 else 0) for x in (a, b, c)]
    listed = [
        plan.arguments(alpha, old, *(first + i * jump for first, jump in starts))
        for i, old in enumerate(betas)
    ]
    return _bind_calls(plan.function, listed, (a, b, c))


def _bind_calls(
    function: Callable[..., None],
    listed: list[tuple[Any, ...]],
    keep: tuple[np.ndarray, ...],
) -> Bound:
    """Make a function that makes one call after the other; it keeps the matrices alive."""

    def run() -> None:
        for arguments in listed:
            function(*arguments)

    run.matrices = keep  # type: ignore[attr-defined]
    calls_blas(run)
    return run


def _bind_scaling(c: np.ndarray, beta: float) -> Bound:
    """Bind `c = beta * c`, what remains of a product over no elements."""
    work = compute_dtype([c.dtype])

    def run() -> None:
        if beta == 0.0:
            c.fill(0.0)
        elif beta != 1.0:
            with np.errstate(all="ignore"):
                np.multiply(c, beta, out=c, dtype=work, casting="same_kind")

    return run


def check_matrices(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    """Raise unless c = a @ b is a product of matrices that can be computed in place.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: the dtypes differ or are no floats we compute in, or an argument is no ndarray.
        ReadOnlyError: c is not writable.
    """
    _check_types(a, b, c)
    if not a.ndim == b.ndim == c.ndim == 2:
        raise ShapeError(
            f"gemm takes matrices, got {_shapes(a, b, c)}; reshape or use bind_batched_gemm"
        )
    _check_fit(a, b, c, "gemm")


def check_batch(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> int:
    """Raise unless the stacks fit; return the length of the leading axis.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: the dtypes differ or are no floats we compute in, or an argument is no ndarray.
        ReadOnlyError: c is not writable.
    """
    _check_types(a, b, c)
    lengths = {len(array) for array in (a, b, c) if array.ndim == 3}
    if not all(array.ndim in (2, 3) for array in (a, b, c)) or a.ndim == b.ndim == 2:
        raise ShapeError(
            "batched_gemm takes matrices and stacks of matrices, a stack as a or b at least; "
            f"got {_shapes(a, b, c)}"
        )
    if len(lengths) > 1:
        raise ShapeError(f"batched_gemm: the leading axes differ: {_shapes(a, b, c)}")
    _check_fit(a, b, c, "batched_gemm")
    return lengths.pop()


def _check_types(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    for name, array in (("a", a), ("b", b), ("c", c)):
        if not isinstance(array, np.ndarray):
            raise DtypeError(f"gemm: {name} must be an ndarray, got {type(array).__name__}")
    known = a.dtype in FLOATS or is_bfloat16(a.dtype)
    if not known or a.dtype != b.dtype or a.dtype != c.dtype:
        raise DtypeError(
            "gemm takes bfloat16, float16, float32 or float64, the same for all three; got "
            f"a {a.dtype}, b {b.dtype}, c {c.dtype}; convert with astype"
        )


def _check_fit(a: np.ndarray, b: np.ndarray, c: np.ndarray, name: str) -> None:
    if a.shape[-1] != b.shape[-2] or c.shape[-2:] != (a.shape[-2], b.shape[-1]):
        raise ShapeError(f"{name}: (m, k) @ (k, n) -> (m, n) does not fit {_shapes(a, b, c)}")
    if not c.flags.writeable:
        raise ReadOnlyError(f"{name}: c {c.shape} is read-only; write to a copy of it")


def _shapes(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> str:
    return f"a {a.shape}, b {b.shape}, c {c.shape}"
