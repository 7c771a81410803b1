"""Conversions whose result every backend must agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import is_real
from neonport.errors import DtypeError


def host_numbers(ary: Any, op: str) -> npt.NDArray[Any]:
    """An array of real numbers from anything NumPy understands.

    Raises:
        DtypeError: it holds something else, or rows of different lengths.
    """
    try:
        values = np.asarray(ary)
    except (TypeError, ValueError) as error:
        raise DtypeError(
            f"{op}: a {type(ary).__name__} of this form is no array of numbers: {error}"
        ) from error
    if not is_real(values.dtype):
        kind = f"dtype {values.dtype}" if values.ndim else f"type {type(ary).__name__}"
        raise DtypeError(
            f"{op}: values of {kind} are not real numbers; convert them first, for example with "
            "np.asarray(x, dtype=np.float32)"
        )
    return values


def cast(values: npt.NDArray[Any], dtype: np.dtype) -> npt.NDArray[Any]:
    """Convert as a store does.

    To float: rounded to nearest, ties to even (bfloat16 by way of float32, as everywhere). To
    integer: rounded to nearest, ties to even, then saturated; nan becomes 0. To bool: whether the
    value is not 0 (nan is not).
    """
    if values.dtype == dtype:
        return values
    with np.errstate(all="ignore"):
        if dtype.kind == "b":
            return values != 0
        if dtype.kind not in "iu":
            return values.astype(dtype)
        return _whole(values, dtype)


def _whole(values: npt.NDArray[Any], dtype: np.dtype) -> npt.NDArray[Any]:
    """Convert to an integer type."""
    info = np.iinfo(dtype)
    if values.dtype.kind == "b":
        return values.astype(dtype)
    if values.dtype.kind in "iu":
        source = np.iinfo(values.dtype)
        low, high = max(info.min, source.min), min(info.max, source.max)
        return np.clip(values, low, high).astype(dtype)
    rounded = np.rint(values.astype(np.float64))
    out = np.zeros(values.shape, dtype)
    # the largest integer need not be a float: compare, and convert only what is inside
    inside = (rounded > float(info.min)) & (rounded < float(info.max))
    out[inside] = rounded[inside].astype(dtype)
    out[rounded >= float(info.max)] = info.max
    out[rounded <= float(info.min)] = info.min
    return out
