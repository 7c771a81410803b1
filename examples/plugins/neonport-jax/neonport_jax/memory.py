"""Memory over immutable arrays: a flat array that is replaced, and views as parts of it.

These functions are traced by `jax.jit`. Shapes and strides are constants of a compiled statement,
starts are arguments, so that the next slice of the same arrays compiles nothing.
"""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Shape = tuple[int, ...]


class Cell:
    """A block of memory; `array` is what it holds now, flat and of whatever dtype was used last.

    Args:
        nbytes: size.
        device: where the array is.
    """

    def __init__(self, nbytes: int, device: Any) -> None:
        self.nbytes = nbytes
        self.device = device
        self.array: Any = None

    def now(self, dtype: np.dtype) -> Any:
        """The array; memory that nobody wrote becomes zeros of a dtype."""
        if self.array is None:
            count = -(-self.nbytes // dtype.itemsize)
            self.array = jax.device_put(np.zeros(count, dtype), self.device)
        return self.array


def seen_as(flat: Any, dtype: np.dtype) -> Any:
    """The same bytes as another dtype."""
    if flat.dtype == dtype:
        return flat
    flat = flat.astype(np.uint8) if flat.dtype.kind == "b" else flat
    if flat.dtype.itemsize != dtype.itemsize:
        octets = jax.lax.bitcast_convert_type(flat, np.uint8).reshape(-1)
        octets = jnp.pad(octets, (0, -octets.size % dtype.itemsize))
        if dtype.itemsize > 1:
            octets = octets.reshape(-1, dtype.itemsize)
        flat = octets
    if dtype.kind == "b":
        return flat != 0
    return jax.lax.bitcast_convert_type(flat, dtype)


def read(flat: Any, start: Any, shape: Shape, strides: Shape) -> Any:
    """The elements of a view.

    Args:
        flat: the memory.
        start: the first element.
        shape, strides: of the view, in elements.
    """
    if 0 in shape:
        return jnp.zeros(shape, flat.dtype)
    part, low = _span(flat, start, shape, strides)
    form = _form(shape, strides)
    if form is None:
        return part[_places(shape, strides) - low]
    sizes, key, order, backward = form
    blocks = jnp.pad(part, (0, prod(sizes) - part.size)).reshape(sizes)[key]
    found = jnp.flip(jnp.transpose(blocks, order), backward)
    return jnp.broadcast_to(jnp.expand_dims(found, _unit(shape, strides)), shape)


def write(flat: Any, start: Any, shape: Shape, strides: Shape, value: Any) -> Any:
    """The memory after the elements of a view were replaced; see `read`."""
    if 0 in shape:
        return flat
    part, low = _span(flat, start, shape, strides)
    form = _form(shape, strides)
    if form is None:
        part = part.at[_places(shape, strides) - low].set(value)
    else:
        sizes, key, order, backward = form
        unit = _unit(shape, strides)
        value = jnp.flip(jnp.squeeze(value, unit), backward)
        value = jnp.transpose(value, tuple(np.argsort(order)))
        blocks = jnp.pad(part, (0, prod(sizes) - part.size)).reshape(sizes)
        part = blocks.at[key].set(value).reshape(-1)[: part.size]
    if part.size == flat.size:
        return part
    return jax.lax.dynamic_update_slice(flat, part, (start + low,))


def _span(flat: Any, start: Any, shape: Shape, strides: Shape) -> tuple[Any, int]:
    """The part of memory from the first to the last element of a view, and where that begins."""
    reach = [s * (n - 1) for n, s in zip(shape, strides, strict=True)]
    low = sum(r for r in reach if r < 0)
    size = sum(map(abs, reach)) + 1
    if size == flat.size:
        return flat, low
    return jax.lax.dynamic_slice(flat, (start + low,), (size,)), low


def _places(shape: Shape, strides: Shape) -> np.ndarray:
    """Where the elements of a view are, counted from its first one."""
    steps = [s * np.arange(n) for n, s in zip(shape, strides, strict=True)]
    return sum(np.ix_(*steps), np.zeros((1,) * len(shape), np.int64))


def _unit(shape: Shape, strides: Shape) -> Shape:
    """The axes along which a view does not move."""
    return tuple(a for a, (n, s) in enumerate(zip(shape, strides, strict=True)) if n == 1 or s == 0)


def _form(shape: Shape, strides: Shape) -> tuple[Shape, Any, Shape, Shape] | None:
    """A view as a box of a row-major array: what XLA can do without an index for each element.

    Returns:
        Sizes of that array, the key of the box, the order of its axes that gives the view, and the
        axes of the view to flip; None where elements overlap or lie in another pattern.
    """
    still = _unit(shape, strides)
    axes = [a for a in range(len(shape)) if a not in still]
    outer = sorted(axes, key=lambda a: -abs(strides[a]))
    sizes, previous = [], None
    for a in outer:
        step = abs(strides[a])
        if previous is not None:
            if previous % step or previous // step < shape[a]:
                return None
            sizes.append(previous // step)
        else:
            sizes.append(shape[a])
        previous = step
    if previous is not None and previous > 1:
        sizes.append(previous)
    key = tuple(slice(0, shape[a]) for a in outer) + ((0,) if len(sizes) > len(outer) else ())
    order = tuple(outer.index(a) for a in axes)
    backward = tuple(i for i, a in enumerate(axes) if strides[a] < 0)
    return tuple(sizes), key, order, backward
