"""Picking elements: `take`, `take_along_axis`, and what stands behind `x[...]` and `x[...] = v`.

Integers, slices, `...` and `None` give views. Arrays of integers and masks give copies; their
values are read by the host, which checks them.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from neonport.array_api.core.array import Array, bits, padded
from neonport.array_api.core.dtypes import INTEGRAL, bool_, check_kind, weak
from neonport.array_api.core.evaluate import (
    SCALARS,
    array_of,
    from_host,
    kept,
    lead,
    result,
    same_backend,
    scalar_of,
    wrapped,
)
from neonport.errors import DtypeError, IndexRangeError, ShapeError
from neonport.optree.node import apply
from neonport.shape import Shape, broadcast_shapes, normalize_axis


def _checked(op: str, indices: np.ndarray, size: int) -> np.ndarray:
    """Indices from 0 on.

    Raises:
        IndexRangeError: one is out of range.
    """
    wrong = indices[(indices < -size) | (indices >= size)]
    if wrong.size:
        raise IndexRangeError(f"{op}: index {wrong.flat[0]} is out of range for size {size}")
    return np.where(indices < 0, indices + size, indices).astype(np.int64)


def _picked(x: Array, indices: np.ndarray, axis: int, shape: Shape) -> Array:
    """Entries along an axis of the tensor by flat, checked indices."""
    backend: Any = x.tensor.backend
    if 0 in shape:
        return Array(backend.empty(padded(shape), dtype=x.dtype), shape)
    at = backend.array(indices.reshape(-1, 1), dtype=np.int64)
    return result(backend, apply("take", bits(x.tensor), at, axis=axis), x.dtype, shape)


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """Entries picked along an axis; the host checks the indices.

    Args:
        x: the array.
        indices: one axis of integers; negative ones count from the end.
        axis: along which; may be left out where there is one axis.

    Raises:
        IndexRangeError: an index is out of range.
        ShapeError: `indices` has not one axis, or the axis is missing.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.take(xp.asarray([5, 6, 7]), xp.asarray([2, 0]))
        Array([7, 5], dtype=int64, device='cpu:0')
    """
    array_of("take", x)
    check_kind("take", array_of("take", indices).dtype, INTEGRAL)
    same_backend("take", [x, indices])
    if indices.ndim != 1:
        raise ShapeError(f"take: indices of shape {indices.shape} must have one axis")
    if axis is None and x.ndim != 1:
        raise ShapeError(f"take: say which axis of shape {x.shape}: axis=")
    where = normalize_axis(0 if axis is None else axis, x.ndim, "take")
    flat = _checked("take", indices.host(), x.shape[where])
    shape = (*x.shape[:where], flat.size, *x.shape[where + 1 :])
    return _picked(x, flat, where + lead(x), shape)


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """The entry that each index names along an axis; the host checks the indices.

    Args:
        x: the array.
        indices: integers, of the shape of x but for the axis; other axes broadcast.
        axis: along which.

    Raises:
        IndexRangeError: an index is out of range.
        ShapeError: shapes do not go together.
    """
    array_of("take_along_axis", x)
    check_kind("take_along_axis", array_of("take_along_axis", indices).dtype, INTEGRAL)
    backend = same_backend("take_along_axis", [x, indices])
    where = normalize_axis(axis, x.ndim, "take_along_axis")
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis: indices of shape {indices.shape} for an array of shape {x.shape}"
        )
    flat = _checked("take_along_axis", indices.host(), x.shape[where])
    rest = [(*a.shape[:where], 1, *a.shape[where + 1 :]) for a in (x, indices)]
    common = broadcast_shapes(*rest)
    if common is None:
        raise ShapeError(f"take_along_axis: shapes {x.shape} and {indices.shape} do not broadcast")
    lengths = (x.shape[where], flat.shape[where])
    sizes = [(*common[:where], n, *common[where + 1 :]) for n in lengths]
    if 0 in sizes[1]:
        return Array(backend.empty(padded(sizes[1]), dtype=x.dtype), sizes[1])
    source = apply("broadcast", bits(x.tensor), shape=padded(sizes[0]))
    flat = np.broadcast_to(flat, sizes[1]).reshape(padded(sizes[1]))
    at = backend.array(flat, dtype=np.int64)
    tree = apply("take_along_axis", source, at, axis=where + lead(x))
    return result(backend, tree, x.dtype, sizes[1])


# ---- x[key] --------------------------------------------------------------------------------------


def _entries(key: Any, shape: Shape) -> list[Any]:
    """The entries of a key, `...` replaced: integers, slices, None, and arrays of the host.

    Raises:
        IndexRangeError: too many, or two Ellipses.
        DtypeError: an entry of another type.
    """
    items: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
        item = scalar_of(item)
        if isinstance(item, Array):
            check_kind("index", item.dtype, (bool_, *INTEGRAL))
            whole = item.ndim == 0 and item.dtype != bool_
            items.append(int(item) if whole else item.host())
        elif isinstance(item, bool):
            items.append(np.asarray(item))
        elif item is None or item is Ellipsis or isinstance(item, (int, slice)):
            items.append(item)
        else:
            raise DtypeError(
                f"cannot index with a {type(item).__name__}; use integers, slices, '...', None, "
                "or arrays of this namespace"
            )
    used = sum(_axes_used(item) for item in items if item is not Ellipsis)
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexRangeError("an index can hold one Ellipsis ('...') only")
    if used > len(shape):
        raise IndexRangeError(f"too many indices: {used} for shape {shape}")
    at = dots[0] if dots else len(items)
    return [*items[:at], *[slice(None)] * (len(shape) - used), *items[at + 1 :]]


def _axes_used(item: Any) -> int:
    if item is None:
        return 0
    if isinstance(item, np.ndarray) and item.dtype == bool_:
        return item.ndim
    return 1


def _basic(x: Array, entries: list[Any]) -> Array:
    """A view by integers, slices and None."""
    shape: list[int] = []
    cut: list[Any] = [slice(None)] * lead(x)
    axis = 0
    for item in entries:
        if item is None:
            shape.append(1)
            continue
        n = x.shape[axis]
        if isinstance(item, int):
            if not -n <= item < n:
                raise IndexRangeError(
                    f"index {item} is out of range for axis {axis} of size {n}, shape {x.shape}"
                )
            cut.append(slice(item % n, item % n + 1))
        else:
            cut.append(item)
            shape.append(len(range(*_slice(item).indices(n))))
        axis += 1
    return Array(x.tensor[tuple(cut)].reshape(padded(tuple(shape))), tuple(shape))


def _slice(item: slice) -> slice:
    """A slice whose bounds are Python integers.

    Raises:
        DtypeError, ShapeError: they are no integers, or the step is 0.
    """
    try:
        item.indices(0)
    except TypeError as error:
        raise DtypeError(f"index {item}: a slice takes integers or None") from error
    except ValueError as error:
        raise ShapeError(f"index {item}: the step of a slice must not be 0") from error
    return item


def _check_arrays(entries: list[Any], shape: Shape) -> None:
    """Raise IndexRangeError where arrays of a key do not fit the axes that they index."""
    axis = 0
    for item in entries:
        if isinstance(item, np.ndarray):
            if item.dtype == bool_:
                if item.shape != shape[axis : axis + item.ndim]:
                    raise IndexRangeError(
                        f"a mask of shape {item.shape} does not fit axes "
                        f"{shape[axis : axis + item.ndim]} of shape {shape}"
                    )
            else:
                _checked("index", item, shape[axis])
        axis += _axes_used(item)


def get_item(x: Array, key: Any) -> Array:
    """`x[key]`: a view; a copy where the key holds arrays.

    Raises:
        IndexRangeError, DtypeError, ShapeError: the key makes no sense.
    """
    entries = _entries(key, x.shape)
    arrays = [item for item in entries if isinstance(item, np.ndarray)]
    if not arrays:
        return _basic(x, entries)
    _check_arrays(entries, x.shape)
    one = len(arrays) == 1
    if one and not any(isinstance(item, int) for item in entries):
        return _by_one(x, entries, arrays[0])
    # where each element of the result stands among all, found by NumPy
    places = np.arange(x.size).reshape(x.shape)[tuple(entries)]
    flat = result(x.tensor.backend, bits(x.tensor), x.dtype, x.shape)
    flat = Array(flat.tensor.reshape((1, x.size)), (x.size,))
    return _picked(flat, places.reshape(-1), 1, places.shape)


def _by_one(x: Array, entries: list[Any], array: np.ndarray) -> Array:
    """Views before and after, and a gather along the axes that one array indexes."""
    at = next(i for i, item in enumerate(entries) if item is array)
    used = _axes_used(array)
    rest = [*entries[:at], *[slice(None)] * used, *entries[at + 1 :]]
    view = _basic(x, rest)
    size = prod(view.shape[at : at + used])
    if array.dtype == bool_:
        indices, picked = np.flatnonzero(array), (int(np.count_nonzero(array)),)
    else:
        indices, picked = _checked("index", array, size).reshape(-1), array.shape
    rows = (prod(view.shape[:at]), size, prod(view.shape[at + used :]))
    tree = apply("reshape", bits(view.tensor), shape=rows)
    shape = (*view.shape[:at], *picked, *view.shape[at + used :])
    backend: Any = x.tensor.backend
    if 0 in shape:
        return Array(backend.empty(padded(shape), dtype=x.dtype), shape)
    where = backend.array(indices.reshape(-1, 1), dtype=np.int64)
    return result(backend, apply("take", tree, where, axis=1), x.dtype, shape)


def set_item(x: Array, key: Any, value: Any) -> None:
    """`x[key] = value`, which broadcasts.

    A number where a mask holds is written by the device; of other keys with arrays the host works
    out the places.

    Raises:
        IndexRangeError, DtypeError, ShapeError: before anything is written.
    """
    value = scalar_of(value)
    if isinstance(value, SCALARS):
        given: Any = weak("setitem", value, x.dtype)
    else:
        array_of("setitem", value)
        same_backend("setitem", [x, value])
        if value.dtype != x.dtype and not _fits(value.dtype, x.dtype):
            raise DtypeError(
                f"setitem: an array of {value.dtype} into one of {x.dtype}; convert it first: "
                "xp.astype(x, dtype)"
            )
        given = value
    if isinstance(key, Array) and key.dtype == bool_ and _is_number(given, x.dtype):
        _fill_where(x, key, given)
        return
    entries = _entries(key, x.shape)
    if not any(isinstance(item, np.ndarray) for item in entries):
        _store(_basic(x, entries), given)
        return
    _check_arrays(entries, x.shape)
    places = np.arange(x.size).reshape(x.shape)[tuple(entries)]
    values = given.host() if isinstance(given, Array) else given
    if isinstance(given, Array) and broadcast_shapes(given.shape, places.shape) != places.shape:
        raise ShapeError(f"setitem: shape {given.shape} does not fit shape {places.shape}")
    everything = x.host()
    everything.reshape(-1)[places] = values
    _store(x, from_host(x.tensor.backend, everything, x.dtype))


def _is_number(value: Any, dtype: np.dtype) -> bool:
    """Whether a checked value is one number that needs no conversion."""
    return not isinstance(value, Array) or (value.ndim == 0 and value.dtype == dtype)


def _fill_where(x: Array, mask: Array, value: Any) -> None:
    """One number to all places where a mask over the first axes holds.

    Raises:
        IndexRangeError: the mask has another shape.
    """
    same_backend("setitem", [x, mask])
    _check_arrays([np.broadcast_to(np.False_, mask.shape)], x.shape)
    shape = padded((*mask.shape, *(1,) * (x.ndim - mask.ndim)))
    held = apply("reshape", mask.tensor, shape=shape)
    target = bits(x.tensor)
    target[:] = apply("where", held, kept(value, x.dtype), target)


def _fits(source: np.dtype, target: np.dtype) -> bool:
    """Whether the standard lets values of a dtype into an array of another one."""
    if source == bool_ or target == bool_:
        return False
    return (source.kind == "f") == (target.kind == "f") or target.kind == "f"


def _store(view: Array, value: Any) -> None:
    """Assign to all of a view."""
    target = bits(view.tensor)
    if not isinstance(value, Array):
        target[:] = kept(value, view.dtype)
        return
    if broadcast_shapes(value.shape, view.shape) != view.shape:
        raise ShapeError(f"setitem: shape {value.shape} does not fit shape {view.shape}")
    if 0 in view.shape:
        return
    source = value.tensor
    if value.dtype != view.dtype and "uint64" in (value.dtype.name, view.dtype.name):
        source = from_host(source.backend, value.host().astype(view.dtype)).tensor
    target[:] = bits(source) if view.dtype.name == "uint64" else wrapped(source, view.dtype)
