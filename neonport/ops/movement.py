"""Ops that move elements and change none: rows, shape rules and NumPy definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.errors import ShapeError
from neonport.ops.op import Array, Ints, Kind, Op, register
from neonport.shape import Shape, broadcast_shapes


def region(starts: Ints, steps: Ints, shape: Ints) -> tuple[slice, ...]:
    """Slices that pick `shape` elements from `starts` on by `steps` (negative steps included)."""
    stops = [a + n * k for a, k, n in zip(starts, steps, shape, strict=True)]
    # a stop below 0 would count from the end; None is "up to the first element"
    return tuple(
        slice(a, None if stop < 0 else stop, k)
        for a, stop, k in zip(starts, stops, steps, strict=True)
    )


def cut(x: Array, starts: Ints, steps: Ints, shape: Ints) -> Array:
    """A strided region."""
    return x[region(starts, steps, shape)]


def paste(g: Array, starts: Ints, steps: Ints, shape: Ints) -> Array:
    """Zeros of `shape` with a region set to g."""
    out = np.zeros_like(g, shape=shape)
    if g.size:
        out[region(starts, steps, g.shape)] = g
    return out


def concat(a: Array, b: Array, axis: int) -> Array:
    """Both one after the other along an axis."""
    return np.concatenate([a, b], axis)


def _transpose(op: Op, shapes: Sequence[Shape], perm: Shape) -> Shape:
    (shape,) = shapes
    if sorted(perm) != list(range(len(shape))):
        raise ShapeError(f"transpose: {perm} is not an order of the axes of shape {shape}")
    return tuple(shape[p] for p in perm)


def _reshape(op: Op, shapes: Sequence[Shape], shape: Shape) -> Shape:
    if prod(shape) != prod(shapes[0]):
        raise ShapeError(f"reshape: shape {shapes[0]} has not the number of elements of {shape}")
    return shape


def _broadcast_to(op: Op, shapes: Sequence[Shape], shape: Shape) -> Shape:
    if broadcast_shapes(shapes[0], shape) != shape:
        raise ShapeError(f"broadcast: shape {shapes[0]} does not broadcast to {shape}")
    return shape


def _slice(op: Op, shapes: Sequence[Shape], starts: Shape, steps: Shape, shape: Shape) -> Shape:
    (source,) = shapes
    if not len(source) == len(starts) == len(steps) == len(shape):
        raise ShapeError(f"slice: {starts}, {steps}, {shape} do not match the axes of {source}")
    for n, start, step, m in zip(source, starts, steps, shape, strict=True):
        if m and not (0 <= start < n and 0 <= start + (m - 1) * step < n):
            raise ShapeError(f"slice: {starts} by {steps} of size {shape} leaves shape {source}")
    return shape


def _pad_region(
    op: Op, shapes: Sequence[Shape], starts: Shape, steps: Shape, shape: Shape
) -> Shape:
    _slice(op, [shape], starts, steps, shapes[0])
    return shape


def _concat(op: Op, shapes: Sequence[Shape], axis: int) -> Shape:
    a, b = shapes
    if len(a) != len(b) or (*a[:axis], *a[axis + 1 :]) != (*b[:axis], *b[axis + 1 :]):
        raise ShapeError(
            f"concat: shapes {a} and {b} must have the same sizes, except along axis {axis}"
        )
    return (*a[:axis], a[axis] + b[axis], *a[axis + 1 :])


def _row(
    name: str,
    params: str,
    numpy: Callable[..., Array],
    infer: Callable[..., Shape],
    summary: str,
    public: tuple[str, ...] = (),
    arity: int = 1,
) -> None:
    names = tuple(params.split())
    operands = [f"{{{i}}}" for i in range(arity)]
    text = f"{name}({', '.join([*operands, *(f'{{{n}}}' for n in names)])})"
    columns: dict[str, Any] = {"public": public, "infer": infer, "integers": True}
    register(Op(name, arity, Kind.MOVEMENT, numpy, text, summary, names, **columns))


_row(
    "transpose",
    "perm",
    lambda x, perm: np.transpose(x, perm),
    _transpose,
    "axes in another order",
    ("transpose",),
)
_row(
    "reshape",
    "shape",
    lambda x, shape: np.reshape(x, shape),
    _reshape,
    "same elements in row-major order, another shape",
)
_row(
    "broadcast",
    "shape",
    lambda x, shape: np.broadcast_to(x, shape),
    _broadcast_to,
    "unit axes repeated",
)
_row("slice", "starts steps shape", cut, _slice, "a strided region")
_row("pad_region", "starts steps shape", paste, _pad_region, "zeros of a shape with a region set")
_row(
    "concat",
    "axis",
    concat,
    _concat,
    "one after the other along an axis",
    ("concat", "concatenate"),
    arity=2,
)
