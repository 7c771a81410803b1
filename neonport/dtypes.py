"""The dtypes of tensors: one row each, the type to compute in, how values are stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.errors import DtypeError

BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class DtypeRow:
    """What the rest of the package knows about a dtype.

    Attributes:
        name: NumPy's name.
        compute: name of the dtype that arithmetic on it is done in.
        dlpack: its DLDataTypeCode and bits.
        safetensors: its word in the header of a checkpoint.
        c: type in generated C.
        plain_c: type in hand-written C; None where C has no arithmetic of it.
        opencl, cuda: type in the kernels of devices.
        cuda_code: its cudaDataType_t, where cuBLAS multiplies matrices of it.
        eps: distance from 1 to the next larger number; 0 for what is no float.
    """

    name: str
    compute: str
    dlpack: tuple[int, int]
    safetensors: str
    c: str
    plain_c: str | None
    opencl: str
    cuda: str
    cuda_code: int | None = None
    eps: float = 0.0


_F32, _F64 = "float32", "float64"
# name, compute, dlpack, safetensors, c, plain_c, opencl, cuda, cuda_code, eps
_TABLE = (
    ("float16", _F32, (2, 16), "F16", "neo_half", None, "half", "neo_half", 2, 2.0**-10),
    (BFLOAT16, _F32, (4, 16), "BF16", "neo_bf16", None, "ushort", "ushort", 14, 2.0**-7),
    ("float32", _F32, (2, 32), "F32", "float", "float", "float", "float", 0, 2.0**-23),
    ("float64", _F64, (2, 64), "F64", "double", "double", "double", "double", 1, 2.0**-52),
    ("int8", _F32, (0, 8), "I8", "signed char", "int8_t", "char", "signed char"),
    ("int16", _F32, (0, 16), "I16", "short", "int16_t", "short", "short"),
    ("int32", _F32, (0, 32), "I32", "int", "int32_t", "int", "int"),
    ("int64", _F32, (0, 64), "I64", "neo_i64", "int64_t", "long", "neo_i64"),
    ("uint8", _F32, (1, 8), "U8", "unsigned char", "uint8_t", "uchar", "uchar"),
    ("uint16", _F32, (1, 16), "U16", "unsigned short", "uint16_t", "ushort", "ushort"),
    ("uint32", _F32, (1, 32), "U32", "unsigned", "uint32_t", "uint", "uint"),
    ("uint64", _F32, (1, 64), "U64", "neo_word", "uint64_t", "ulong", "ulong"),
    ("bool", _F32, (6, 8), "BOOL", "unsigned char", None, "uchar", "uchar"),
)
ROWS = {row.name: row for row in (DtypeRow(*cells) for cells in _TABLE)}
"""Every dtype that a tensor can have, by name; floats first."""

# bfloat16 is left out here: NumPy knows it once ml_dtypes is imported, see `bfloat16`
_KNOWN = tuple(np.dtype(name) for name in ROWS if name != BFLOAT16)
FLOATS = tuple(d for d in _KNOWN if d.kind == "f")
INTEGERS = tuple(d for d in _KNOWN if d.kind in "iu")
STORABLE = frozenset(_KNOWN)
FLOAT_NAMES = tuple(row.name for row in ROWS.values() if row.eps)

BOOL = np.dtype("bool")
FLOAT32 = np.dtype("float32")
FLOAT64 = np.dtype("float64")
INT32 = np.dtype("int32")
INT64 = np.dtype("int64")
EXACT = frozenset(d for d in (*INTEGERS, BOOL) if d.name != "uint64")
"""Dtypes whose values int64 holds: where only they meet, `+` and its kin compute in int64."""

_COMPUTED_IN_FLOAT64 = frozenset(d for d in _KNOWN if ROWS[d.name].compute == _F64)


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
    agree. Ops that are exact on integers have a rule before this one: `Op.integers`.
    """
    return FLOAT64 if any(d in _COMPUTED_IN_FLOAT64 for d in dtypes) else FLOAT32


BELOW_ONE = {"float16": 1 - 2.0**-11, BFLOAT16: 1 - 2.0**-8}
"""The largest number below 1 of the types that round some float32 below 1 to 1."""


def is_whole(value: object) -> bool:
    """Whether a number is an int that int64 holds."""
    return type(value) is int and -(2**63) <= value < 2**63


def whole_number(value: float) -> int:
    """An int among operands that are computed in int64.

    Raises:
        DtypeError: it does not fit.
    """
    if is_whole(value):
        return int(value)
    raise DtypeError(
        f"the number {value} does not fit into int64, in which integers are computed; write it as "
        f"a float, and the expression is computed in floating point"
    )


def host_numbers(ary: Any, op: str) -> npt.NDArray[Any]:
    """An array of real numbers from anything NumPy understands.

    Raises:
        DtypeError: it holds something else, or rows of different lengths, or masked elements.
    """
    if isinstance(ary, np.ma.MaskedArray) and np.ma.is_masked(ary):
        raise DtypeError(
            f"{op}: the array has masked elements, whose mask would be lost; fill them first: "
            "x.filled(0)"
        )
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

    To float: rounded to nearest, ties to even, once. To
    integer: rounded to nearest, ties to even, then saturated; nan becomes 0. To bool: whether the
    value is not 0 (nan is not).
    """
    if values.dtype == dtype:
        return values
    with np.errstate(all="ignore"):
        if dtype.kind == "b":
            return values != 0
        if is_bfloat16(dtype) and values.dtype.itemsize > 2:
            values = odd_float32(values)
        if dtype.kind not in "iu":
            return values.astype(dtype)
        return _whole(values, dtype)


def odd_float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """float32 numbers that round to a shorter float as the values do.

    Rounded to odd: what is lost leaves its trace in the last bit, so that no tie arises by it.
    """
    if values.dtype.kind in "iu":
        odd, scale = values, np.zeros(values.shape, np.int32)
        for _ in range(4):
            large = odd >= 1 << 24
            if values.dtype.kind == "i":
                large |= odd < -(1 << 24)
            odd = np.where(large, (odd >> 12) | ((odd & 4095) != 0), odd)
            scale = scale + 12 * large
        return np.ldexp(odd.astype(np.float32), scale)
    single = values.astype(np.float32)
    back = single.astype(values.dtype)
    bits = single.view(np.int32) - (np.abs(back) > np.abs(values))
    lost: npt.NDArray[Any] = back != values
    return (bits | lost).astype(np.int32).view(np.float32)


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
    # the largest integer need not be a float: compare, and convert only what is inside
    inside = (rounded > float(info.min)) & (rounded < float(info.max))
    whole = np.where(inside, rounded, 0.0).astype(dtype)  # nan is not inside
    whole = np.where(rounded >= float(info.max), dtype.type(info.max), whole)
    return np.where(rounded <= float(info.min), dtype.type(info.min), whole)
