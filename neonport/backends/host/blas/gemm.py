"""Matrix products of ndarrays: c = alpha * a @ b + beta * c, in place, on views of any layout.

`gemm` is for a call now and then, `bind_gemm` for buffers that stay: it prepares everything once
and returns a function without arguments. Row-major, transposed and sliced views go to the BLAS as
they are; operands with other strides are copied, a target with other strides goes through a
temporary. float16 and bfloat16 are computed in float32 and rounded once. With beta == 0 the target
is not read, with alpha == 0 the operands are not. Equal calls in a process give equal bits; with
OpenBLAS on any number of threads.

Which BLAS it is: `choice.py`. How many threads: `host/threads.py`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.backends.host.blas.checks import check_batch, check_matrices
from neonport.backends.host.blas.choice import blas_info as blas_info
from neonport.backends.host.blas.choice import current_engine
from neonport.backends.host.blas.layout import DATA_OFFSET, KNOWN
from neonport.backends.host.blas.product import Addresses, Bound, Matrices, Plan
from neonport.backends.host.blas.products import bind_product
from neonport.engine.device import one_by_one

_PLAN_LIMIT = 4096

_array = np.ndarray
_pointer_at = ctypes.c_void_p.from_address
_plans: dict[Any, Plan] = {}


def gemm(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float = 1.0, beta: float = 0.0
) -> None:
    """Compute `c = alpha * a @ b + beta * c`.

    Args:
        a: (m, k), float16, bfloat16, float32 or float64, any strides.
        b: (k, n), same dtype.
        c: (m, n), same dtype, written in place; may overlap a or b (a temporary is used then).
        alpha: factor of the product.
        beta: factor of the old c; with 0 it is not read.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: the dtypes differ or are none of these, or an argument is no ndarray.
        ReadOnlyError: c is not writable.
    """
    found = _find(a, b, c)
    if found is None:
        bind_gemm(a, b, c, alpha, beta)()
    else:
        plan, addresses = found
        plan.call(float(alpha), float(beta), addresses)


def bind_gemm(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float = 1.0, beta: float = 0.0
) -> Bound:
    """Prepare `c = alpha * a @ b + beta * c` for buffers that stay where they are.

    Args:
        a: (m, k), float16, bfloat16, float32 or float64, any strides.
        b: (k, n), same dtype.
        c: (m, n), same dtype; may overlap a or b (a temporary is used then).
        alpha: factor of the product.
        beta: factor of the old c; with 0 it is not read.

    Returns:
        A function without arguments that computes the product from what the buffers hold at that
        moment. It keeps the buffers alive; their memory must not be replaced (`ndarray.resize`).
        One such function must not run in two threads at once: it writes the same target.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: the dtypes differ or are none of these, or an argument is no ndarray.
        ReadOnlyError: c is not writable.
    """
    found = _find(a, b, c)
    if found is not None:
        plan, addresses = found
        return plan.bind(float(alpha), float(beta), addresses, (a, b, c))
    check_matrices(a, b, c)
    bound = bind_product(current_engine(), a, b, c, float(alpha), float(beta))
    _remember(a, b, c)
    return bound


def bind_gemms(products: Sequence[Matrices]) -> Bound:
    """Prepare c = a @ b for several products; long sums over the same rows are made in one pass.

    Args:
        products: a, b and c of each, as of `bind_gemm`; a may also be columns of the rows of which
            another a is columns.

    Returns:
        A function without arguments, as of `bind_gemm`. Products that are not made together are
        made one after the other.

    Raises:
        ShapeError, DtypeError, ReadOnlyError: as `bind_gemm`.
    """
    for a, b, c in products:
        check_matrices(a, b, c)
    spans = [[np.lib.array_utils.byte_bounds(x) for x in arrays] for arrays in products]
    apart = all(
        _apart(written, other)
        for *_, written in spans
        for of in spans
        for other in of
        if other is not written
    )
    calls, left = current_engine().bind_together(products) if apart else ([], products)
    calls = [*calls, *(bind_gemm(a, b, c) for a, b, c in left)]
    return calls[0] if len(calls) == 1 else one_by_one(calls)


def _apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two ranges of bytes have nothing in common."""
    return one[1] <= other[0] or other[1] <= one[0]


def bind_batched_gemm(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float = 1.0, beta: float = 0.0
) -> Bound:
    """Prepare products over a leading axis of length X.

    With a stack as target, c[x] = alpha * a[x] @ b[x] + beta * c[x] for every x; with one matrix as
    target, c = alpha * sum over x of a[x] @ b[x] + beta * c. An operand without the leading axis
    takes part in every product.

    Args:
        a: (X, m, k) or (m, k).
        b: (X, k, n) or (k, n); a or b has the leading axis.
        c: (X, m, n) or (m, n), written in place; may overlap a or b.
        alpha: factor of the products.
        beta: factor of the old c; with 0 it is not read.

    Returns:
        A function without arguments, as of `bind_gemm`.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: the dtypes differ or are no floats, or an argument is no ndarray.
        ReadOnlyError: c is not writable.
    """
    count = check_batch(a, b, c)
    first, second = (x if x.ndim == 3 else np.broadcast_to(x, (count, *x.shape)) for x in (a, b))
    return bind_product(current_engine(), first, second, c, float(alpha), float(beta))


def _find(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[Plan, Addresses] | None:
    """Return a prepared plan for views laid out like these, and their addresses.

    Shapes, dtypes and layouts are right when a plan exists for them; what depends on the very
    arrays is asked here.
    """
    if not (KNOWN and type(a) is type(b) is type(c) is _array and c.flags.writeable):
        return None
    plan = _plans.get(
        (a.shape, b.shape, c.shape, a.strides, b.strides, c.strides, a.dtype, b.dtype, c.dtype)
    )
    if plan is None:
        return None
    size_a, size_b, size_c = plan.extents
    pa: int = _pointer_at(id(a) + DATA_OFFSET).value or 0
    pb: int = _pointer_at(id(b) + DATA_OFFSET).value or 0
    pc: int = _pointer_at(id(c) + DATA_OFFSET).value or 0
    # Bounds that meet need not mean common elements; the slow path looks closer.
    if (pc < pa + size_a and pa < pc + size_c) or (pc < pb + size_b and pb < pc + size_c):
        return None
    return plan, (pa, pb, pc)


def _remember(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    """Keep a plan for views laid out like these, if the engine takes them without copies."""
    if not (a.size and b.size):
        return
    plan = current_engine().plan(a, b, c)
    if plan is not None:
        if len(_plans) >= _PLAN_LIMIT:
            _plans.clear()
        layout = (a.shape, b.shape, c.shape, a.strides, b.strides, c.strides)
        key = (*layout, a.dtype, b.dtype, c.dtype)
        _plans[key] = plan
