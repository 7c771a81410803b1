"""Functions that make arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.array_api.core.array import Array, adopt, bits, padded
from neonport.array_api.core.devices import backend_of, default_float
from neonport.array_api.core.dtypes import (
    ALL,
    bool_,
    check_kind,
    checked,
    int64,
    weak,
)
from neonport.array_api.core.evaluate import array_of, from_host, kept, result, scalar_of
from neonport.array_api.data_types import astype, convert
from neonport.array_api.manipulation import broadcast_to, reshape
from neonport.dtypes import host_numbers
from neonport.errors import ConfigurationError, DLPackError, DtypeError, ShapeError
from neonport.optree.node import apply
from neonport.shape import Shape, integers
from neonport.tensor.tensor import Tensor


def _shape(op: str, shape: Any) -> Shape:
    sizes = integers(shape if isinstance(shape, (tuple, list)) else (shape,), op)
    if any(n < 0 for n in sizes):
        raise ShapeError(f"{op}: shape {shape!r} has a negative size")
    return sizes


def _dtype_of(value: Any, backend: Any) -> np.dtype:
    """The default dtype of a Python scalar."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return default_float(backend)
    raise DtypeError(f"a {type(value).__name__} is no real number; there are no complex arrays")


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Array:
    """An array of anything that holds numbers.

    Args:
        obj: an array, a tensor of a backend, a NumPy array or any other DLPack producer, a Python
            scalar, or nested lists of these.
        dtype: None keeps that of arrays; Python ints become int64, floats the device's default.
        device: where the array is to live; None: where an array or a tensor is, else the default.
        copy: None shares the memory where it can be shared, True copies, False shares or fails.

    Raises:
        DtypeError: not real numbers, or a dtype that no tensor has.
        ShapeError: `copy` is False and a copy is needed.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.asarray([[1, 2], [3, 4]], dtype=xp.float32)
        Array([[1., 2.],
               [3., 4.]], dtype=float32, device='cpu:0')
    """
    if isinstance(obj, Tensor):
        obj = Array(obj, obj.shape)
    known = isinstance(obj, Array)
    found = obj if known else _of_others(obj, dtype, backend_of(device), copy)
    wanted = found.dtype if dtype is None else checked(dtype)
    check_kind("asarray", wanted, ALL)
    home = found.tensor.backend if device is None else backend_of(device)
    if home is not found.tensor.backend or wanted != found.dtype:
        if copy is False:
            raise ShapeError(
                "asarray: another dtype or device needs a copy, and copy=False forbids it"
            )
        return astype(found, wanted, device=home, copy=False)
    return found.__copy__() if known and copy else found


def _of_others(obj: Any, dtype: Any, backend: Any, copy: bool | None) -> Array:
    """An array of what is neither an array nor a tensor."""
    ndarray = isinstance(obj, np.ndarray)
    if hasattr(obj, "__dlpack__") and not isinstance(obj, np.generic):
        try:
            if not ndarray or _regular(obj):
                found = adopt(backend, obj, copy)
                return found.__copy__() if found.tensor.readonly and copy is None else found
        except (DLPackError, DtypeError):
            if not ndarray or copy is False:
                raise
    if copy is False:
        raise ShapeError(
            f"asarray: a {type(obj).__name__} is copied into an array, and copy=False forbids it"
        )
    values = host_numbers(obj, "asarray")
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    wanted = None if dtype is None else checked(dtype)
    if wanted is None and values.dtype.kind == "f" and not hasattr(obj, "dtype"):
        wanted = default_float(backend)
    if wanted is not None:  # here, for the device may lack what it is converted from
        values = convert(values, wanted)
    if values.dtype not in ALL:
        raise DtypeError(f"asarray: the array API has no dtype {values.dtype}; convert it first")
    return from_host(backend, values)


def _regular(values: np.ndarray) -> bool:
    """Whether a tensor can lie over an array: byte order, and whole positive strides."""
    pairs = zip(values.strides, values.shape, strict=True)
    whole = all(n <= 1 or (s > 0 and s % values.itemsize == 0) for s, n in pairs)
    return whole and values.dtype.isnative


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array over the memory of another library's array: both see every write.

    Args:
        x: any object with `__dlpack__`.
        device: where the array is to live; None: the default device.
        copy: None copies where the memory cannot be shared, True always, False never.

    Raises:
        DLPackError, ShapeError: the memory cannot be shared, and `copy` is False.
        DtypeError: a dtype that the standard does not have.
    """
    if isinstance(x, Array) and device is None:
        device = x.device
    found = adopt(backend_of(device), x, copy)
    check_kind("from_dlpack", found.dtype, ALL)
    return found


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of any numbers.

    Args:
        shape: sizes; an int is one axis.
        dtype: None is the device's default float.
        device: None is the default device.
    """
    backend, sizes = backend_of(device), _shape("empty", shape)
    kind = default_float(backend) if dtype is None else checked(dtype)
    return Array(backend.empty(padded(sizes), dtype=kind), sizes)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of one number.

    Args:
        shape, device: as of `empty`.
        fill_value: a Python scalar.
        dtype: None: bool, int64 or the device's default float, after the number.

    Raises:
        DtypeError: the dtype does not hold the number.
    """
    backend, value = backend_of(device), scalar_of(fill_value)
    if isinstance(value, Array):
        value = value._only("full")
    kind = _dtype_of(value, backend) if dtype is None else checked(dtype)
    if kind == bool_:
        value = bool(value)
    elif isinstance(value, bool):
        value = int(value)
    out = empty(shape, dtype=kind, device=backend)
    value = weak("full", value, kind)
    bits(out.tensor)[:] = kept(value, kind)
    return out


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of zeros; arguments as `empty`."""
    kind = default_float(backend_of(device)) if dtype is None else dtype
    return full(shape, 0, dtype=kind, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of ones; arguments as `empty`."""
    kind = default_float(backend_of(device)) if dtype is None else dtype
    return full(shape, 1, dtype=kind, device=device)


def _like(op: str, x: Array, dtype: Any, device: Any) -> dict[str, Any]:
    array_of(op, x)
    return {
        "shape": x.shape,
        "dtype": x.dtype if dtype is None else dtype,
        "device": x.device if device is None else device,
    }


def empty_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of any numbers of the shape, dtype and device of another one."""
    return empty(**_like("empty_like", x, dtype, device))


def zeros_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of zeros of the shape, dtype and device of another one."""
    return zeros(**_like("zeros_like", x, dtype, device))


def ones_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of ones of the shape, dtype and device of another one."""
    return ones(**_like("ones_like", x, dtype, device))


def full_like(x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of one number of the shape, dtype and device of another one."""
    return full(fill_value=fill_value, **_like("full_like", x, dtype, device))


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """Numbers from `start` on by `step`, up to but without `stop`.

    Args:
        start: the first number; if it is the only one, `stop`, and the first is 0.
        stop, step: see above.
        dtype: None: int64, or the device's default float if one of the numbers is a float.
        device: None is the default device.

    Raises:
        ConfigurationError: `step` is 0.
    """
    backend = backend_of(device)
    first, last = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise ConfigurationError("arange: step must not be 0")
    numbers = [scalar_of(n) for n in (first, last, step)]
    kind = checked(dtype) if dtype is not None else int64
    if dtype is None and any(isinstance(n, float) for n in numbers):
        kind = default_float(backend)
    return from_host(backend, np.arange(*numbers).astype(kind))


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Array:
    """`num` numbers at equal distances from `start` to `stop`.

    Args:
        start, stop: the ends.
        num: how many numbers.
        dtype: None is the device's default float.
        device: None is the default device.
        endpoint: whether `stop` is the last one, or would be the next.
    """
    backend = backend_of(device)
    kind = default_float(backend) if dtype is None else checked(dtype)
    return from_host(backend, np.linspace(start, stop, num, endpoint=endpoint).astype(kind))


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """A matrix with ones on a diagonal and zeros elsewhere.

    Args:
        n_rows, n_cols: sizes; square if there is one.
        k: which diagonal: above the main one, or below if negative.
        dtype: None is the device's default float.
        device: None is the default device.
    """
    backend = backend_of(device)
    kind = default_float(backend) if dtype is None else checked(dtype)
    return from_host(backend, np.eye(n_rows, n_cols, k=k, dtype=kind))


def meshgrid(*arrays: Array, indexing: str = "xy") -> tuple[Array, ...]:
    """Coordinates of a grid, an array for each vector.

    Args:
        arrays: vectors (or numbers) of one dtype.
        indexing: "xy" has the second vector along the first axis, "ij" the first.

    Raises:
        ConfigurationError: another word.
        ShapeError: an array has more than one axis.
    """
    if indexing not in ("xy", "ij"):
        raise ConfigurationError(f"meshgrid: indexing {indexing!r} must be 'xy' or 'ij'")
    if any(array_of("meshgrid", x).ndim > 1 for x in arrays):
        raise ShapeError("meshgrid: takes arrays of one axis")
    order = list(range(len(arrays)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = 1, 0
    shape = [arrays[i].size for i in order]
    grids = []
    for i, x in enumerate(arrays):
        thin = tuple(x.size if j == i else 1 for j in order)
        grids.append(broadcast_to(reshape(x, thin), tuple(shape)))
    return tuple(grids)


def _triangle(op: str, x: Array, mask: Any) -> Array:
    if array_of(op, x).ndim < 2:
        raise ShapeError(f"{op}: an array of shape {x.shape} holds no matrices")
    backend = x.tensor.backend
    kept = from_host(backend, mask(*x.shape[-2:])).tensor
    return result(backend, apply("where", kept, bits(x.tensor), 0), x.dtype, x.shape)


def tril(x: Array, /, *, k: int = 0) -> Array:
    """Matrices with zeros above a diagonal.

    Args:
        x: an array of matrices.
        k: which diagonal is the last that is kept.
    """
    return _triangle("tril", x, lambda m, n: np.tri(m, n, k, dtype=bool))


def triu(x: Array, /, *, k: int = 0) -> Array:
    """Matrices with zeros below a diagonal; arguments as `tril`."""
    return _triangle("triu", x, lambda m, n: ~np.tri(m, n, k - 1, dtype=bool))


__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]
