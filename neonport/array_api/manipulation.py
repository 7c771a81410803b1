"""Functions that move elements and change none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.array_api.core.array import Array, bits, padded
from neonport.array_api.core.dtypes import INTEGRAL, check_kind, promote
from neonport.array_api.core.evaluate import (
    array_of,
    axes_of,
    broadcast,
    from_host,
    lead,
    result,
    same_backend,
)
from neonport.array_api.indexing import take
from neonport.errors import ShapeError
from neonport.optree.node import apply
from neonport.shape import Shape, broadcast_shapes, integers, normalize_axis, reshape_strides


def _moved(x: Array, tree: Any, shape: Shape) -> Array:
    """A new array with elements of another one."""
    return result(x.tensor.backend, tree, x.dtype, shape)


def _sized(x: Array, shape: Shape) -> Array:
    """A view of another shape with the same elements, or a copy where there is none."""
    wanted = padded(shape)
    if reshape_strides(x.tensor.shape, x.tensor.strides, wanted) is not None:
        return Array(x.tensor.reshape(wanted), shape)
    return _moved(x, apply("reshape", bits(x.tensor), shape=wanted), shape)


def reshape(x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
    """The same elements in row-major order in another shape.

    Args:
        x: the array.
        shape: sizes; one may be -1.
        copy: None is a view where there is one, True a copy, False a view or an error.

    Raises:
        ShapeError: the sizes do not go together, or there is no view and `copy` is False.
    """
    array_of("reshape", x)
    sizes = integers(shape if isinstance(shape, (tuple, list)) else (shape,), "reshape")
    unknown = [i for i, n in enumerate(sizes) if n == -1]
    known = int(np.prod([n for n in sizes if n != -1], dtype=np.int64))
    if len(unknown) > 1 or any(n < -1 for n in sizes):
        raise ShapeError(f"reshape to {sizes}: at most one -1 and no other negative size")
    if unknown and known and x.size % known == 0:
        at = unknown[0]
        sizes = (*sizes[:at], x.size // known, *sizes[at + 1 :])
    elif unknown or known != x.size:
        raise ShapeError(f"reshape: shape {x.shape} has not the number of elements of {sizes}")
    view = reshape_strides(x.tensor.shape, x.tensor.strides, padded(sizes)) is not None
    if copy is False and not view:
        raise ShapeError(f"reshape of {x.shape} to {sizes} needs a copy, and copy=False forbids it")
    if copy:
        return _moved(x, apply("reshape", bits(x.tensor), shape=padded(sizes)), sizes)
    return _sized(x, sizes)


def expand_dims(x: Array, /, *, axis: int = 0) -> Array:
    """A view with a new axis of size 1.

    Raises:
        ShapeError: the axis is out of range.
    """
    array_of("expand_dims", x)
    at = normalize_axis(axis, x.ndim + 1, "expand_dims")
    return _sized(x, (*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x: Array, /, axis: int | tuple[int, ...]) -> Array:
    """A view without axes of size 1.

    Raises:
        ShapeError: an axis has another size, or is out of range.
    """
    array_of("squeeze", x)
    axes = axes_of("squeeze", x, axis)
    if any(x.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axes {axes} of shape {x.shape} are not all of size 1")
    return _sized(x, tuple(n for a, n in enumerate(x.shape) if a not in axes))


def permute_dims(x: Array, /, axes: tuple[int, ...]) -> Array:
    """A view with the axes in another order.

    Raises:
        ShapeError: `axes` is no order of all axes.
    """
    array_of("permute_dims", x)
    order = axes_of("permute_dims", x, tuple(axes))
    if len(order) != x.ndim:
        raise ShapeError(f"permute_dims: {tuple(axes)} is not an order of the axes of {x.shape}")
    first = lead(x)
    view = x.tensor.permute((*range(first), *(a + first for a in order)))
    return Array(view, tuple(x.shape[a] for a in order))


def moveaxis(
    x: Array, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> Array:
    """A view with axes at other places, the others in their order.

    Raises:
        ShapeError: not as many places as axes, or axes out of range.
    """
    array_of("moveaxis", x)
    come = axes_of("moveaxis", x, source)
    go = axes_of("moveaxis", x, destination)
    if len(come) != len(go):
        raise ShapeError(f"moveaxis: {source} and {destination} name different numbers of axes")
    order = [a for a in range(x.ndim) if a not in come]
    for at, axis in sorted(zip(go, come, strict=True)):
        order.insert(at, axis)
    return permute_dims(x, tuple(order))


def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """A copy in which axes of size 1 are repeated.

    Raises:
        ShapeError: the shape does not broadcast to that.
    """
    array_of("broadcast_to", x)
    sizes = integers(shape, "broadcast_to")
    if broadcast_shapes(x.shape, sizes) != sizes:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {sizes}")
    return _moved(x, apply("broadcast", bits(x.tensor), shape=padded(sizes)), sizes)


def broadcast_arrays(*arrays: Array) -> tuple[Array, ...]:
    """All arrays in their common shape.

    Raises:
        ShapeError: there is none.
    """
    shape = broadcast("broadcast_arrays", [array_of("broadcast_arrays", x).shape for x in arrays])
    return tuple(x if x.shape == shape else broadcast_to(x, shape) for x in arrays)


def concat(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
    """Arrays one after the other along an axis; None puts all elements in one row.

    Raises:
        ShapeError: nothing is given, or sizes differ.
        DtypeError: the dtypes have no common one.
    """
    parts = _listed("concat", arrays)
    if axis is None:
        parts = [_sized(x, (x.size,)) for x in parts]
    first = parts[0]
    where = normalize_axis(0 if axis is None else axis, first.ndim, "concat")
    for x in parts:
        others = [(*y.shape[:where], *y.shape[where + 1 :]) for y in (first, x)]
        if x.ndim != first.ndim or others[0] != others[1]:
            raise ShapeError(
                f"concat: shapes {first.shape} and {x.shape} must have the same sizes, except "
                f"along axis {where}"
            )
    size = sum(x.shape[where] for x in parts)
    return _joined(parts, where, (*first.shape[:where], size, *first.shape[where + 1 :]))


def _listed(op: str, arrays: Sequence[Array]) -> list[Array]:
    parts = [array_of(op, x) for x in arrays]
    if not parts:
        raise ShapeError(f"{op}: nothing to put together; give at least one array")
    same_backend(op, parts)
    return parts


def _joined(parts: list[Array], axis: int, shape: Shape) -> Array:
    """Checked parts along an axis: each is assigned to its region of the result."""
    dtype = parts[0].dtype
    for x in parts:
        dtype = promote(dtype, x.dtype)
    backend = parts[0].tensor.backend
    out = Array(backend.empty(padded(shape), dtype=dtype), shape)
    target, axis = bits(out.tensor), axis + lead(out)
    at, pairs = 0, []
    for x in parts:
        n = x.tensor.shape[axis]
        if x.size:
            region = (slice(None),) * axis + (slice(at, at + n),)
            pairs.append((target[region], bits(x.tensor)))
        at += n
    if pairs:
        backend.assign_many(pairs)
    return out


def stack(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """Arrays of one shape side by side along a new axis.

    Raises:
        ShapeError: nothing is given, or shapes differ.
        DtypeError: the dtypes have no common one.
    """
    parts = _listed("stack", arrays)
    shape = parts[0].shape
    if any(x.shape != shape for x in parts):
        raise ShapeError(f"stack: shapes {', '.join(str(x.shape) for x in parts)} must be equal")
    at = normalize_axis(axis, len(shape) + 1, "stack")
    raised = [expand_dims(x, axis=at) for x in parts]
    return _joined(raised, at, (*shape[:at], len(parts), *shape[at:]))


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """Views of the parts along an axis, without the axis.

    Raises:
        ShapeError: the axis is out of range.
    """
    array_of("unstack", x)
    where = normalize_axis(axis, x.ndim, "unstack")
    return tuple(x[(slice(None),) * where + (i,)] for i in range(x.shape[where]))


def flip(x: Array, /, *, axis: int | tuple[int, ...] | None = None) -> Array:
    """A copy in which axes run backwards; None is all of them.

    Raises:
        ShapeError: an axis is out of range.
    """
    array_of("flip", x)
    axes = axes_of("flip", x, axis)
    key = tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(x.ndim))
    return _moved(x, bits(x[key].tensor), x.shape)


def roll(
    x: Array,
    /,
    shift: int | tuple[int, ...],
    *,
    axis: int | tuple[int, ...] | None = None,
) -> Array:
    """A copy in which elements move along axes; what leaves at one end enters at the other.

    Args:
        x: the array.
        shift: by how many places; one number for all axes, or one for each.
        axis: along which; None counts all elements in one row.

    Raises:
        ShapeError: an axis is out of range, or there are not as many shifts as axes.
    """
    array_of("roll", x)
    if axis is None:
        if isinstance(shift, tuple):
            raise ShapeError("roll: several shifts need as many axes: axis=")
        return _sized(roll(_sized(x, (x.size,)), shift, axis=0), x.shape)
    where = axis if isinstance(axis, tuple) else (axis,)
    by = shift if isinstance(shift, tuple) else (shift,) * len(where)
    if len(by) != len(where):
        raise ShapeError(f"roll: {len(by)} shifts for {len(where)} axes")
    found = _moved(x, bits(x.tensor), x.shape)
    for places, a in zip(integers(by, "roll"), where, strict=True):
        at = normalize_axis(a, x.ndim, "roll")
        cut = -places % x.shape[at] if x.shape[at] else 0
        if cut:
            front = (slice(None),) * at
            keys = [(*front, end) for end in (slice(cut, None), slice(0, cut))]
            found = concat([found[key] for key in keys], axis=at)
    return found


def repeat(x: Array, repeats: int | Array, /, *, axis: int | None = None) -> Array:
    """A copy in which each element stands several times.

    Args:
        x: the array.
        repeats: how often: one number for all, or an array with one for each (the host reads it).
        axis: along which; None counts all elements in one row.

    Raises:
        ShapeError: the numbers do not fit the axis, or one is negative.
    """
    array_of("repeat", x)
    if axis is None:
        return repeat(_sized(x, (x.size,)), repeats, axis=0)
    where = normalize_axis(axis, x.ndim, "repeat")
    if isinstance(repeats, Array):
        check_kind("repeat", repeats.dtype, INTEGRAL)
        counts = repeats.host()
    else:
        counts = np.asarray(integers((repeats,), "repeat"))
    n = x.shape[where]
    if counts.ndim > 1 or counts.size not in (1, n) or (counts < 0).any():
        raise ShapeError(f"repeat: repeats of shape {counts.shape} for axis {where} of size {n}")
    indices = np.repeat(np.arange(n), counts.reshape(-1) if counts.size != 1 else counts.item())
    return take(x, from_host(x.tensor.backend, indices, np.dtype("int64")), axis=where)


def tile(x: Array, repetitions: tuple[int, ...], /) -> Array:
    """Copies of the array side by side.

    Args:
        x: the array.
        repetitions: how many along each axis, the last axes first to be matched.

    Raises:
        ShapeError: a negative number.
    """
    array_of("tile", x)
    counts = integers(repetitions, "tile")
    if any(n < 0 for n in counts):
        raise ShapeError(f"tile: {repetitions} has a negative number")
    rank = max(len(counts), x.ndim)
    counts = (1,) * (rank - len(counts)) + counts
    sizes = (1,) * (rank - x.ndim) + x.shape
    thin = tuple(n for size in sizes for n in (1, size))
    wide = tuple(n for pair in zip(counts, sizes, strict=True) for n in pair)
    shape = tuple(c * n for c, n in zip(counts, sizes, strict=True))
    if not rank:
        return _moved(x, bits(x.tensor), ())
    tree = apply("reshape", bits(x.tensor), shape=padded(thin))
    tree = apply("broadcast", tree, shape=padded(wide))
    return _moved(x, apply("reshape", tree, shape=padded(shape)), shape)


__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "tile",
    "unstack",
]
