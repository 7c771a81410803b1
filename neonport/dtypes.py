"""Which dtypes tensors may have, and in which type an expression computes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from neonport.errors import DtypeError

FLOATS = tuple(np.dtype(t) for t in ("float16", "float32", "float64"))  # and bfloat16()
INTEGERS = tuple(
    np.dtype(t) for t in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)
BOOL = np.dtype("bool")
STORABLE = frozenset((*FLOATS, *INTEGERS, BOOL))

FLOAT32 = np.dtype("float32")
FLOAT64 = np.dtype("float64")
INT32 = np.dtype("int32")
BFLOAT16 = "bfloat16"
FLOAT_NAMES = ("float16", BFLOAT16, "float32", "float64")


@lru_cache(maxsize=1)
def bfloat16() -> np.dtype:
    """NumPy's bfloat16; the package that adds it is imported here, not with neonport."""
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)


def is_bfloat16(dtype: np.dtype) -> bool:
    """Whether a dtype is bfloat16, which NumPy counts as raw bytes with a name."""
    return dtype.kind == "V" and dtype.name == BFLOAT16 and dtype.isnative


def is_float(dtype: np.dtype) -> bool:
    """Whether a dtype holds floating-point numbers."""
    return dtype.kind == "f" or is_bfloat16(dtype)


def is_real(dtype: np.dtype) -> bool:
    """Whether a dtype holds real numbers: bool, integers and floats."""
    return dtype.kind in "biuf" or is_bfloat16(dtype)


def is_storable(dtype: np.dtype) -> bool:
    """Whether a tensor can have a dtype."""
    return dtype in STORABLE or is_bfloat16(dtype)


def as_dtype(dtype: Any) -> np.dtype:
    """Return the storable dtype that `dtype` names.

    Raises:
        DtypeError: it is no dtype, or not one a tensor can have (byte order included).
    """
    if isinstance(dtype, str) and dtype == BFLOAT16:
        return bfloat16()  # NumPy knows the name only once the type exists
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"{dtype!r} is not a dtype; pass np.float32 or its name") from error
    if not is_storable(result):
        names = ", ".join(sorted([BFLOAT16, *(d.name for d in STORABLE)]))
        raise DtypeError(f"dtype {result} cannot be stored in a tensor; use one of {names}")
    return result


def compute_dtype(dtypes: Iterable[np.dtype]) -> np.dtype:
    """Return the type in which an operation on tensors of `dtypes` computes.

    The widest float among them, never narrower than float32: float16 and bfloat16 are stored but
    computed in float32, and integers (also bool) count as float32, so that devices without float64
    agree.
    """
    return FLOAT64 if any(d == FLOAT64 for d in dtypes) else FLOAT32
