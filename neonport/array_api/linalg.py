"""The extension `linalg`.

Products, norms of vectors, traces and the like run on the device. Factorizations, and what follows
from them, are LAPACK's by NumPy on the host.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np

from neonport.array_api.core.array import Array, bits
from neonport.array_api.core.dtypes import FLOATING, NUMERIC, check_kind
from neonport.array_api.core.evaluate import (
    array_of,
    axes_of,
    broadcast,
    from_host,
    lead,
    left,
    on_host,
    result,
    same_backend,
)
from neonport.array_api.elementwise import multiply, subtract
from neonport.array_api.linear_algebra import matmul, matrix_transpose, tensordot, vecdot
from neonport.array_api.manipulation import broadcast_to, reshape, stack
from neonport.array_api.statistical import sum as total
from neonport.errors import ShapeError
from neonport.optree.node import apply
from neonport.shape import normalize_axis
from neonport.tensor.tensor import Tensor


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Array
    R: Array


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Array
    logabsdet: Array


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Array
    S: Array
    Vh: Array


def _matrices(op: str, x: Array, square: bool = False) -> Array:
    """An array of matrices of floats.

    Raises:
        DtypeError, ShapeError: it is none.
    """
    check_kind(op, array_of(op, x).dtype, FLOATING)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise ShapeError(f"{op}: an array of shape {x.shape} holds no {kind}")
    return x


def _parts(x: Array, found: Any) -> tuple[Array, ...]:
    """Results of a factorization, in the dtype of its operand."""
    return tuple(from_host(x.tensor.backend, part, x.dtype) for part in found)


def cholesky(x: Array, /, *, upper: bool = False) -> Array:
    """The triangular factor of positive definite matrices; on the host.

    Raises:
        numpy.linalg.LinAlgError: one is not positive definite.
    """
    _matrices("cholesky", x, square=True)
    return on_host(lambda v: np.linalg.cholesky(v, upper=upper), [x], x.dtype)


def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Cross product of vectors of three numbers along an axis.

    Raises:
        ShapeError: the size along the axis is not 3, or shapes do not broadcast.
    """
    for x in (x1, x2):
        check_kind("cross", array_of("cross", x).dtype, NUMERIC)
    at = [normalize_axis(axis, x.ndim, "cross") - x.ndim for x in (x1, x2)]
    if at[0] != at[1] or any(x.shape[at[0]] != 3 for x in (x1, x2)):
        raise ShapeError(f"cross: shapes {x1.shape} and {x2.shape} need 3 along axis {axis}")
    shape = broadcast("cross", [x1.shape, x2.shape])
    a, b = broadcast_to(x1, shape), broadcast_to(x2, shape)
    front = (slice(None),) * (len(shape) + at[0])
    parts = [[y[key] for key in [(*front, i) for i in range(3)]] for y in (a, b)]

    def minor(i: int, j: int) -> Array:
        (left, right) = parts
        return subtract(multiply(left[i], right[j]), multiply(left[j], right[i]))

    return stack([minor(1, 2), minor(2, 0), minor(0, 1)], axis=len(front))


def det(x: Array, /) -> Array:
    """Determinants; on the host."""
    _matrices("det", x, square=True)
    return on_host(np.linalg.det, [x], x.dtype)


def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """A view of the diagonals of matrices.

    Args:
        x: an array of matrices.
        offset: how far above the main diagonal, or below if negative.

    Raises:
        ShapeError: there are fewer than two axes.
    """
    array_of("diagonal", x)
    if x.ndim < 2:
        raise ShapeError(f"diagonal: an array of shape {x.shape} holds no matrices")
    t, (m, n) = x.tensor, x.shape[-2:]
    row, column = max(-offset, 0), max(offset, 0)
    count = max(min(m - row, n - column), 0)
    step = t.strides[-2] + t.strides[-1]
    start = t.offset + (row * t.strides[-2] + column * t.strides[-1] if count else 0)
    sizes, strides = (*t.shape[:-2], count), (*t.strides[:-2], step)
    while len(sizes) < 2:
        sizes, strides = (1, *sizes), (0, *strides)
    view = Tensor(t.backend, t.storage, t.dtype, (sizes, strides, start), base=t)
    return Array(view, (*x.shape[:-2], count))


def eigh(x: Array, /) -> EighResult:
    """Eigenvalues and eigenvectors of symmetric matrices; on the host."""
    _matrices("eigh", x, square=True)
    return EighResult(*_parts(x, np.linalg.eigh(x.host())))


def eigvalsh(x: Array, /) -> Array:
    """Eigenvalues of symmetric matrices; on the host."""
    _matrices("eigvalsh", x, square=True)
    return on_host(np.linalg.eigvalsh, [x], x.dtype)


def inv(x: Array, /) -> Array:
    """Inverse matrices; on the host.

    Raises:
        numpy.linalg.LinAlgError: a matrix has none.
    """
    _matrices("inv", x, square=True)
    return on_host(np.linalg.inv, [x], x.dtype)


def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Norms of matrices; on the host.

    Args:
        x: an array of matrices.
        keepdims: whether the two axes stay, with size 1.
        ord: "fro", "nuc", 1, 2, -1, -2, inf or -inf.
    """
    _matrices("matrix_norm", x)
    return on_host(lambda v: np.linalg.matrix_norm(v, keepdims=keepdims, ord=ord), [x], x.dtype)


def matrix_power(x: Array, n: int, /) -> Array:
    """Square matrices to an integer power; negative ones invert. On the host."""
    _matrices("matrix_power", x, square=True)
    return on_host(lambda v: np.linalg.matrix_power(v, n), [x], x.dtype)


def matrix_rank(x: Array, /, *, rtol: float | Array | None = None) -> Array:
    """How many singular values (int64) are above rtol times the largest; on the host."""
    _matrices("matrix_rank", x)
    limit: Any = rtol.host() if isinstance(rtol, Array) else rtol
    return on_host(lambda v: np.linalg.matrix_rank(v, rtol=limit), [x], np.dtype("int64"))


def outer(x1: Array, x2: Array, /) -> Array:
    """Products of each number of a vector with each of another.

    Raises:
        ShapeError: an array has not one axis.
    """
    for x in (x1, x2):
        if array_of("outer", x).ndim != 1:
            raise ShapeError(f"outer: an array of shape {x.shape} is no vector")
    return multiply(reshape(x1, (x1.size, 1)), reshape(x2, (1, x2.size)))


def pinv(x: Array, /, *, rtol: float | Array | None = None) -> Array:
    """Pseudo-inverse matrices; on the host."""
    _matrices("pinv", x)
    limit: Any = rtol.host() if isinstance(rtol, Array) else rtol
    return on_host(lambda v: np.linalg.pinv(v, rtol=limit), [x], x.dtype)


def qr(x: Array, /, *, mode: Any = "reduced") -> QRResult:
    """Orthogonal and upper triangular factors; on the host.

    Args:
        x: an array of matrices.
        mode: "reduced" or "complete".
    """
    _matrices("qr", x)
    return QRResult(*_parts(x, np.linalg.qr(x.host(), mode=mode)))


def slogdet(x: Array, /) -> SlogdetResult:
    """Signs and logarithms of the magnitudes of determinants; on the host."""
    _matrices("slogdet", x, square=True)
    with np.errstate(all="ignore"):
        return SlogdetResult(*_parts(x, np.linalg.slogdet(x.host())))


def solve(x1: Array, x2: Array, /) -> Array:
    """Solutions of x1 @ y = x2; on the host.

    Raises:
        numpy.linalg.LinAlgError: a matrix is singular.
    """
    _matrices("solve", x1, square=True)
    check_kind("solve", array_of("solve", x2).dtype, FLOATING)
    same_backend("solve", [x1, x2])
    dtype = np.promote_types(x1.dtype, x2.dtype)
    return on_host(np.linalg.solve, [x1, x2], dtype)


def svd(x: Array, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decompositions x = U @ diag(S) @ Vh; on the host."""
    _matrices("svd", x)
    return SVDResult(*_parts(x, np.linalg.svd(x.host(), full_matrices=full_matrices)))


def svdvals(x: Array, /) -> Array:
    """Singular values; on the host."""
    _matrices("svdvals", x)
    return on_host(np.linalg.svdvals, [x], x.dtype)


def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """Sums of the diagonals of matrices; arguments as `diagonal` and `sum`."""
    check_kind("trace", array_of("trace", x).dtype, NUMERIC)
    return total(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(
    x: Array,
    /,
    *,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    ord: float = 2,
) -> Array:
    """Norm of floats over axes.

    Args:
        x: an array of floats.
        axis: one or several; None is all.
        keepdims: whether folded axes stay, with size 1.
        ord: p of (sum |x|^p)^(1/p); inf is the largest magnitude, -inf the smallest, 0 how many
            are not 0.
    """
    check_kind("vector_norm", array_of("vector_norm", x).dtype, FLOATING)
    axes = axes_of("vector_norm", x, axis)
    folded = tuple(a + lead(x) for a in axes)
    size = apply("abs", bits(x.tensor))
    if ord in (inf, -inf):
        tree = apply("max" if ord > 0 else "min", size, axes=folded)
    elif ord == 0:
        tree = apply("sum", apply("ne", x.tensor, 0), axes=folded)
    elif ord == 1:
        tree = apply("sum", size, axes=folded)
    elif ord == 2:
        tree = apply("sqrt", apply("sum", apply("sqr", x.tensor), axes=folded))
    else:
        powers = apply("pow", size, float(ord))
        tree = apply("pow", apply("sum", powers, axes=folded), 1.0 / ord)
    return result(x.tensor.backend, tree, x.dtype, left(x, axes, keepdims))


__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
