"""The dtypes of the standard that tensors can have, their kinds, and how they combine."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.dtypes import as_dtype
from neonport.errors import DtypeError

bool_ = np.dtype("bool")
int8, int16, int32, int64 = (np.dtype(f"int{bits}") for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64))
float32, float64 = np.dtype("float32"), np.dtype("float64")

SIGNED = (int8, int16, int32, int64)
UNSIGNED = (uint8, uint16, uint32, uint64)
INTEGRAL = (*SIGNED, *UNSIGNED)
FLOATING = (float32, float64)
NUMERIC = (*INTEGRAL, *FLOATING)
ALL = (bool_, *NUMERIC)
COMPLEX: tuple[np.dtype, ...] = ()  # no tensor holds complex numbers

KINDS: dict[str, tuple[np.dtype, ...]] = {
    "bool": (bool_,),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": INTEGRAL,
    "real floating": FLOATING,
    "complex floating": COMPLEX,
    "numeric": NUMERIC,
}
"""Kinds of dtypes by the standard's names."""

# of each kind of dtype, the types of Python scalars that may meet it
_WEAK: dict[str, tuple[type, ...]] = {
    "b": (bool,),
    "i": (int,),
    "u": (int,),
    "f": (int, float),
}


def checked(dtype: Any) -> np.dtype:
    """A dtype of the standard.

    Raises:
        DtypeError: it is none, or none that a tensor can have.
    """
    found = as_dtype(dtype)
    if found not in ALL:
        raise DtypeError(
            f"the array API has no dtype {found}; use one of {', '.join(d.name for d in ALL)}"
        )
    return found


def promote(a: np.dtype, b: np.dtype) -> np.dtype:
    """The dtype of a result of arrays of two dtypes, by the standard's table.

    Raises:
        DtypeError: the table has no such pair (bool, integers and floats do not mix, and uint64
            does not mix with signed integers).
    """
    if a == b:
        return a
    floats = a in FLOATING and b in FLOATING
    integers = a in INTEGRAL and b in INTEGRAL
    mixed = uint64 in (a, b) and (a in SIGNED or b in SIGNED)
    if not floats and (not integers or mixed):
        raise DtypeError(
            f"the array API has no common dtype of {a} and {b}; convert one of them first: "
            "xp.astype(x, dtype)"
        )
    return np.promote_types(a, b)


def weak(op: str, value: Any, dtype: np.dtype) -> Any:
    """A Python scalar as a number of a dtype: it never changes the dtype of an array.

    Raises:
        DtypeError: another kind of number than the array holds, or an int beyond the dtype.
    """
    if type(value) not in _WEAK[dtype.kind]:
        raise DtypeError(
            f"{op}: a Python {type(value).__name__} does not combine with an array of {dtype}; "
            "convert the array first: xp.astype(x, dtype)"
        )
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if not info.min <= value <= info.max:
            raise DtypeError(f"{op}: the number {value} does not fit into {dtype}")
    return float(value) if dtype.kind == "f" else int(value)


def check_kind(op: str, dtype: np.dtype, allowed: tuple[np.dtype, ...]) -> None:
    """Raise DtypeError unless the function is defined for a dtype."""
    if dtype not in allowed:
        names = ", ".join(d.name for d in allowed)
        raise DtypeError(f"{op}: is not defined for {dtype}, only for {names}; convert the array")
