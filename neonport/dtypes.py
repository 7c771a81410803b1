"""Which dtypes tensors may have, and in which type an expression computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from neonport.errors import DtypeError

FLOATS = tuple(np.dtype(t) for t in ("float16", "float32", "float64"))
INTEGERS = tuple(
    np.dtype(t) for t in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)
BOOL = np.dtype("bool")
STORABLE = frozenset((*FLOATS, *INTEGERS, BOOL))

FLOAT32 = np.dtype("float32")
FLOAT64 = np.dtype("float64")
INT32 = np.dtype("int32")


def as_dtype(dtype: Any) -> np.dtype:
    """Return the storable dtype that `dtype` names.

    Raises:
        DtypeError: it is no dtype, or not one a tensor can have (byte order included).
    """
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"{dtype!r} is not a dtype; pass np.float32 or its name") from error
    if result not in STORABLE:
        names = ", ".join(sorted(d.name for d in STORABLE))
        raise DtypeError(f"dtype {result} cannot be stored in a tensor; use one of {names}")
    return result


def compute_dtype(dtypes: Iterable[np.dtype]) -> np.dtype:
    """Return the type in which an operation on tensors of `dtypes` computes.

    The widest float among them, never narrower than float32: float16 is stored but computed in
    float32, and integers (also bool) count as float32, so that devices without float64 agree.
    """
    return FLOAT64 if any(d == FLOAT64 for d in dtypes) else FLOAT32
