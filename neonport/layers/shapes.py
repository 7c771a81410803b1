"""Logical shapes of layers (batch excluded) and the buffers that hold them: pure functions.

A logical shape is an int `F`, a pair `(F, T)` of features and time steps, or a longer tuple such as
`(C, H, W)`. Containers with several streams use a list of such shapes.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError

LogicalShape = Any  # int | tuple[int, ...] | list of those (several streams)


def is_int(value: Any) -> bool:
    """Whether `value` is an integer of Python or NumPy (bool is not)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_flat(shape: LogicalShape) -> bool:
    """Whether `shape` is one shape, not a list of shapes."""
    return is_int(shape) or (isinstance(shape, tuple) and all(is_int(n) for n in shape))


def normalize_shape(shape: Any, what: str) -> LogicalShape:
    """Return a logical shape with Python ints; a flat list becomes a tuple.

    Args:
        shape: int, tuple or list of ints; a list of anything else (several streams) is kept.
        what: whose shape it is, for the error.

    Raises:
        ConfigurationError: a size is not positive, or this is not a shape.
    """
    if isinstance(shape, (tuple, list)) and shape and all(is_int(n) for n in shape):
        result: Any = tuple(int(n) for n in shape)
        sizes = result
    elif is_int(shape):
        result = int(shape)
        sizes = (result,)
    elif isinstance(shape, (tuple, list)) and shape:
        return shape
    else:
        raise ConfigurationError(
            f"{what}: {shape!r} is not a shape; give an int F, a pair (F, T) or a tuple (C, H, W), "
            "without the batch size"
        )
    if any(n < 1 for n in sizes):
        raise ConfigurationError(f"{what}: every size in {shape!r} must be at least 1")
    return result


def interpret_in_shape(in_shape: LogicalShape) -> tuple[int, int]:
    """Split a logical shape into (features, time steps).

    Args:
        in_shape: `n` -> (n, 1); `(F, T)` -> (F, T); longer tuples -> (product, 1).

    Raises:
        ConfigurationError: `in_shape` is a list of shapes.
    """
    if is_int(in_shape):
        return int(in_shape), 1
    if not is_flat(in_shape):
        raise ConfigurationError(
            f"{in_shape!r} holds several streams, one layer takes one; put a container with a path "
            "for each stream in front"
        )
    if len(in_shape) == 2:
        return in_shape[0], in_shape[1]
    return prod(in_shape), 1


def buffer_shape(shape: LogicalShape, batch: int) -> tuple[int, int]:
    """Shape of the tensor that holds a batch: (F, T * batch) for pairs, else (product, batch)."""
    rows, steps = interpret_in_shape(shape)
    return rows, steps * batch


def leading(shape: LogicalShape) -> int:
    """Number of feature maps: the first entry (the int itself for an int)."""
    return shape if is_int(shape) else shape[0]


def show(shape: LogicalShape) -> str:
    """Text of a shape for `str(layer)`: `3 x (32x32)` for maps, else the number of features."""
    if shape is None:
        return "?"
    if is_flat(shape) and not is_int(shape) and len(shape) > 2:
        return f"{shape[0]} x ({'x'.join(str(n) for n in shape[1:])})"
    return str(interpret_in_shape(shape)[0]) if is_flat(shape) else str(shape)
