"""One way to run: a tree is assigned once to a new tensor, or NumPy computes on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neonport.array_api.core.array import Array, bits, padded
from neonport.array_api.core.dtypes import check_kind, promote, uint64, weak
from neonport.errors import BackendMismatchError, DtypeError, ShapeError
from neonport.optree.node import apply
from neonport.shape import Shape, broadcast_shapes, normalize_axis, reduced_shape

SCALARS = (bool, int, float, complex)


def result(backend: Any, tree: Any, dtype: np.dtype, shape: Shape) -> Array:
    """A new array: the tree (or tensor) is assigned to a tensor of a dtype."""
    out = backend.empty(tree.shape, dtype=dtype)
    bits(out)[:] = tree
    return Array(out.reshape(padded(shape)), shape)


def from_host(backend: Any, values: Any, dtype: np.dtype | None = None) -> Array:
    """A new array with values of the host."""
    found = np.asarray(values, dtype=dtype)
    out = backend.empty(padded(found.shape), dtype=found.dtype)
    return Array(out.set(found.reshape(out.shape)), found.shape)


def on_host(function: Callable[..., Any], arrays: Sequence[Any], dtype: np.dtype | None) -> Array:
    """What NumPy's function gives for the values of arrays, on their device.

    Args:
        function: takes NumPy arrays.
        arrays: arrays, and numbers which stay as they are.
        dtype: of the result; None leaves it as it comes.
    """
    backend = next(x.tensor.backend for x in arrays if isinstance(x, Array))
    values = [x.host() if isinstance(x, Array) else x for x in arrays]
    with np.errstate(all="ignore"):
        return from_host(backend, function(*values), dtype)


def wrapped(tree: Any, dtype: np.dtype) -> Any:
    """A tree of integers modulo the range of their dtype; a store would saturate."""
    if dtype.kind not in "iu" or dtype.itemsize == 8:
        return tree
    span = 1 << 8 * dtype.itemsize
    if dtype.kind == "u":
        return apply("mod", tree, span)
    return apply("sub", apply("mod", apply("add", tree, span // 2), span), span // 2)


def kept(x: Any, dtype: np.dtype) -> Any:
    """An operand whose bits kernels keep: a number of uint64 is the int64 of the same bits."""
    if isinstance(x, Array):
        return bits(x.tensor)
    return x - (1 << 64) if dtype == uint64 and x >= 1 << 63 else x


def array_of(op: str, x: Any) -> Array:
    """The argument of a function.

    Raises:
        DtypeError: it is no array of this namespace.
    """
    if not isinstance(x, Array):
        raise DtypeError(
            f"{op}: takes arrays of neonport.array_api, not a {type(x).__name__}; xp.asarray(x)"
        )
    return x


def scalar_of(x: Any) -> Any:
    """A Python scalar; NumPy's scalars count as such."""
    return x.item() if isinstance(x, np.generic) else x


def same_backend(op: str, arrays: Sequence[Array]) -> Any:
    """The backend of several arrays.

    Raises:
        BackendMismatchError: they live on different devices.
    """
    backend = arrays[0].tensor.backend
    for x in arrays[1:]:
        if x.tensor.backend is not backend:
            raise BackendMismatchError(
                f"{op}: arrays live on two backends, {backend} and {x.tensor.backend}; move one "
                "of them first: x.to_device(y.device)"
            )
    return backend


def broadcast(op: str, shapes: Sequence[Shape]) -> Shape:
    """The common shape.

    Raises:
        ShapeError: there is none.
    """
    common: Shape | None = ()
    for shape in shapes:
        common = broadcast_shapes(common, shape) if common is not None else None
    if common is None:
        raise ShapeError(f"{op}: shapes {' and '.join(map(str, shapes))} do not broadcast")
    return common


class Operands:
    """What an element-wise function of several arrays and Python scalars needs to know.

    Args:
        op: name of the function.
        values: arrays and Python scalars, at least one array.
        allowed: dtypes that the function is defined for.

    Attributes:
        backend, dtype, shape: common to all.
        terms: for a tree: tensors and numbers.

    Raises:
        DtypeError: no array, or dtypes that do not combine.
        BackendMismatchError, ShapeError: devices or shapes that do not go together.
    """

    def __init__(self, op: str, values: Sequence[Any], allowed: tuple[np.dtype, ...]) -> None:
        values = [scalar_of(x) for x in values]
        arrays = [x for x in values if isinstance(x, Array)]
        for x in values:
            if not isinstance(x, (Array, *SCALARS)):
                array_of(op, x)
        if not arrays:
            raise DtypeError(f"{op}: one of the arguments must be an array; xp.asarray(x)")
        self.backend = same_backend(op, arrays)
        dtype = arrays[0].dtype
        for x in arrays:
            dtype = promote(dtype, x.dtype)
            check_kind(op, x.dtype, allowed)
        self.dtype = dtype
        self.values = [x if isinstance(x, Array) else weak(op, x, dtype) for x in values]
        self.shape = broadcast(op, [x.shape for x in arrays])
        self.terms = [x.tensor if isinstance(x, Array) else x for x in self.values]

    def host(self, function: Callable[..., Any], dtype: np.dtype | None = None) -> Array:
        """What NumPy's function gives for the values, all in the common dtype."""
        values = [
            np.asarray(x.host() if isinstance(x, Array) else x).astype(self.dtype)
            for x in self.values
        ]
        with np.errstate(all="ignore"):
            found = function(*values)
        return from_host(self.backend, found, self.dtype if dtype is None else dtype)


def axes_of(op: str, x: Array, axis: Any) -> Shape:
    """Axes of an array, counted from the first; None is all.

    Raises:
        ShapeError, DtypeError: out of range, named twice, or no integers.
    """
    if axis is None:
        return tuple(range(x.ndim))
    named = axis if isinstance(axis, tuple) else (axis,)
    found = tuple(normalize_axis(a, x.ndim, op) for a in named)
    if len(set(found)) != len(found):
        raise ShapeError(f"{op}: axis {axis} names an axis twice")
    return found


def lead(x: Array) -> int:
    """How many axes of the tensor stand before those of the array."""
    return x.tensor.ndim - x.ndim


def left(x: Array, axes: Shape, keepdims: bool) -> Shape:
    """The shape that is left when axes are folded."""
    if keepdims:
        return reduced_shape(x.shape, axes)
    return tuple(n for a, n in enumerate(x.shape) if a not in axes)
