"""Matrix products of views: unfit operands copied, then one call of an engine."""

from __future__ import annotations

import numpy as np

from neonport.backends.host.blas.engines import Engine, NumpyEngine
from neonport.backends.host.blas.layout import INT_MAX
from neonport.backends.host.blas.product import Bound
from neonport.dtypes import compute_dtype


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
    one_place = c.ndim == 3 and len(c) > 1 and c.strides[0] == 0  # the last product stays
    if overlaps or one_place or c.dtype != work or not engine.reads(c):
        target = np.empty(c.shape, work)
        if beta != 0.0:
            before.append((target, c))
    if a.ndim == 3:
        run = engine.bind_stack(first, second, target, alpha, beta)
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
