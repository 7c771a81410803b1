"""What is asked of the operands of a matrix product before anything is prepared."""

from __future__ import annotations

import numpy as np

from neonport.dtypes import FLOATS, is_bfloat16
from neonport.errors import DtypeError, ReadOnlyError, ShapeError


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
