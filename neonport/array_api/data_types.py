"""Functions of dtypes, and `astype`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neonport.array_api.core.array import Array
from neonport.array_api.core.devices import backend_of
from neonport.array_api.core.dtypes import (
    FLOATING,
    INTEGRAL,
    KINDS,
    bool_,
    check_kind,
    checked,
    promote,
    uint64,
    weak,
)
from neonport.array_api.core.evaluate import array_of, on_host, result, scalar_of, wrapped
from neonport.errors import ConfigurationError, DtypeError
from neonport.optree.node import apply


def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """The array in another dtype.

    Floats lose their fraction when they become integers, and saturate; nan becomes 0. Integers that
    do not fit a narrower type wrap around. What involves uint64 is converted on the host.

    Args:
        x: the array.
        dtype: what it becomes.
        copy: whether an array that has the dtype is copied.
        device: where the result lives; None: where x lives.

    Raises:
        DtypeError: no such dtype, or the device does not store it.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.astype(xp.asarray([-1.7, 2.7]), xp.int8)
        Array([-1,  2], dtype=int8, device='cpu:0')
    """
    array_of("astype", x)
    target = checked(dtype)
    if device is not None and backend_of(device) is not x.tensor.backend:
        backend_of(device).check_dtype(target)
        return astype(x, target, copy=False).to_device(device)
    if target == x.dtype and not copy:
        return x
    if uint64 in (target, x.dtype):
        return on_host(lambda v: convert(v, target), [x], target)
    tree: Any = x.tensor
    if target == bool_:
        tree = apply("ne", tree, 0)
    elif target in INTEGRAL:
        whole = x.dtype == bool_ or x.dtype in INTEGRAL
        tree = wrapped(tree, target) if whole else apply("trunc", tree)
    return result(x.tensor.backend, tree, target, x.shape)


def convert(values: np.ndarray, target: np.dtype) -> np.ndarray:
    """An array of the host in another dtype, as `astype` converts."""
    if values.dtype.kind != "f" or target.kind not in "iu":
        return values.astype(target)
    values = np.nan_to_num(np.trunc(values), posinf=np.inf, neginf=-np.inf)
    info = np.iinfo(target)
    low, high = values <= info.min, values >= info.max
    found = np.where(low | high, 0, values).astype(target)
    found[low], found[high] = info.min, info.max
    return found


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether the promotion table lets a dtype (or an array's) become another one.

    Raises:
        DtypeError: no dtype of the standard.
    """
    source = from_.dtype if isinstance(from_, Array) else checked(from_)
    try:
        return promote(source, checked(to)) == checked(to)
    except DtypeError:
        checked(to)
        return False


@dataclass(frozen=True)
class FloatInfo:
    """What `finfo` says: limits of a float dtype, as Python floats."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype


@dataclass(frozen=True)
class IntInfo:
    """What `iinfo` says: limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: np.dtype


def finfo(type: Any, /) -> FloatInfo:
    """Limits of a float dtype, or of an array's.

    Raises:
        DtypeError: it is no float dtype of the standard.
    """
    dtype = type.dtype if isinstance(type, Array) else checked(type)
    check_kind("finfo", dtype, FLOATING)
    info = np.finfo(dtype)
    return FloatInfo(
        bits=dtype.itemsize * 8,
        eps=float(info.eps),
        max=float(info.max),
        min=float(info.min),
        smallest_normal=float(info.smallest_normal),
        dtype=dtype,
    )


def iinfo(type: Any, /) -> IntInfo:
    """Limits of an integer dtype, or of an array's.

    Raises:
        DtypeError: it is no integer dtype of the standard.
    """
    dtype = type.dtype if isinstance(type, Array) else checked(type)
    check_kind("iinfo", dtype, INTEGRAL)
    info = np.iinfo(dtype)
    return IntInfo(dtype.itemsize * 8, int(info.max), int(info.min), dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind.

    Args:
        dtype: a dtype.
        kind: a dtype, a word of the standard such as "real floating", or a tuple of these.

    Raises:
        ConfigurationError: an unknown word.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.isdtype(xp.int8, ("bool", "integral"))
        True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ConfigurationError(f"isdtype: kind {kind!r} is none of {', '.join(KINDS)}")
        return dtype in KINDS[kind]
    return bool(checked(dtype) == np.dtype(kind))


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype of a result of arrays, dtypes and Python scalars.

    Raises:
        DtypeError: they do not combine, or there is neither an array nor a dtype.
    """
    scalars, dtypes = [], []
    for item in map(scalar_of, arrays_and_dtypes):
        if isinstance(item, Array):
            dtypes.append(item.dtype)
        elif isinstance(item, (bool, int, float, complex)):
            scalars.append(item)
        else:
            dtypes.append(checked(item))
    if not dtypes:
        raise DtypeError("result_type: give at least one array or dtype")
    found = dtypes[0]
    for dtype in dtypes[1:]:
        found = promote(found, dtype)
    for item in scalars:
        weak("result_type", item, found)
    return found


__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]
