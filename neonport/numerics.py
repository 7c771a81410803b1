"""Conversions whose result every backend must agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def cast(values: npt.NDArray[Any], dtype: np.dtype) -> npt.NDArray[Any]:
    """Convert as a store does: to float by rounding to nearest even; to integer by rounding to
    nearest even and saturating, nan to 0; to bool by `!= 0`. Integers of the range pass unchanged.
    """
    if values.dtype == dtype:
        return values
    if dtype.kind == "b":
        return values != 0
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    info = np.iinfo(dtype)
    if values.dtype.kind in "iub":
        if values.dtype.kind == "b":
            return values.astype(dtype)
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
