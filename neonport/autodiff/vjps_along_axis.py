"""Derivative rows of what works along an axis; `vjps.py` says how a row is made.

Nothing is divided, so a zero among the factors of a product is a number like any other: what the
other factors give is the running product from the left times that from the right. The gradient of
a running product is a linear recurrence, and so is that of a linear recurrence.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from neonport.autodiff.simplify import full, mul, reshape, shape_of, take_region, transpose
from neonport.optree.node import apply
from neonport.shape import Shape

Grads = tuple[Any, ...]


def shifted(x: Any, axis: int, by: int) -> Any:
    """Entries moved along an axis by 1 or -1, 0 where none comes from."""
    shape = shape_of(x)
    if shape[axis] == 0:
        return x
    one = tuple(int(a == axis) for a in range(len(shape)))
    rest, none = tuple(n - k for n, k in zip(shape, one, strict=True)), (0,) * len(shape)
    steps = (1,) * len(shape)
    kept = take_region(x, none if by > 0 else one, steps, rest)
    return apply("pad_region", kept, starts=one if by > 0 else none, steps=steps, shape=shape)


def _recurrence(a: Any, b: Any, axis: int, reverse: bool) -> Any:
    return apply("linear_recurrence", a, b, axis=axis, reverse=reverse)


def _cumsum(ans: Any, g: Any, x: Any, axis: int, reverse: bool) -> Grads:
    return (apply("cumsum", full(g, ans.shape, ans), axis=axis, reverse=not reverse),)


def _cumprod(ans: Any, g: Any, x: Any, axis: int, reverse: bool, exclusive: bool) -> Grads:
    g, by = full(g, ans.shape, ans), 1 if reverse else -1
    if exclusive:
        before, after = ans, shifted(_recurrence(x, g, axis, not reverse), axis, by)
    else:
        before = apply("cumprod", x, axis=axis, reverse=reverse, exclusive=True)
        after = _recurrence(shifted(x, axis, by), g, axis, not reverse)
    return (mul(before, after),)


def _linear_recurrence(ans: Any, g: Any, x: Any, y: Any, axis: int, reverse: bool) -> Grads:
    g, by = full(g, ans.shape, ans), -1 if reverse else 1
    gy = _recurrence(shifted(x, axis, -by), g, axis, not reverse)
    return mul(gy, shifted(ans, axis, by)), gy


def _prod(ans: Any, g: Any, x: Any, axes: Shape) -> Grads:
    """The other factors of each one, the axes put in a row where there are several."""
    shape = shape_of(x)
    axes = tuple(a for a in axes if shape[a] != 1)
    if not axes:
        return (g,)
    if len(axes) == 1:
        return (mul(g, _others(x, axes[0])),)
    order = (*(a for a in range(len(shape)) if a not in axes), *axes)
    moved = transpose(x, order)
    rows = (prod(n for a, n in enumerate(shape) if a not in axes), prod(shape[a] for a in axes))
    others = reshape(_others(reshape(moved, rows), 1), shape_of(moved))
    return (mul(g, transpose(others, tuple(order.index(a) for a in range(len(shape))))),)


def _others(x: Any, axis: int) -> Any:
    left, right = (
        apply("cumprod", x, axis=axis, reverse=reverse, exclusive=True) for reverse in (False, True)
    )
    return mul(left, right)


def _sort(ans: Any, g: Any, x: Any, axis: int, descending: bool) -> Grads:
    size = shape_of(x)[axis]
    order = apply("argsort", x, axis=axis, descending=descending, size=size)
    return _take_along_axis(ans, g, x, order, axis)[:1]


def _take_along_axis(ans: Any, g: Any, x: Any, y: Any, axis: int) -> Grads:
    g, size = full(g, ans.shape, ans), shape_of(x)[axis]
    return apply("scatter_add_along_axis", g, y, axis=axis, size=size), None


def _scatter_add_along_axis(ans: Any, g: Any, x: Any, y: Any, axis: int, size: int) -> Grads:
    return apply("take_along_axis", full(g, ans.shape, ans), y, axis=axis), None


def _concat(ans: Any, g: Any, x: Any, y: Any, axis: int) -> Grads:
    g = full(g, ans.shape, ans)
    steps, first, second = (1,) * len(ans.shape), shape_of(x), shape_of(y)
    middle = tuple(first[a] if a == axis else 0 for a in range(len(first)))
    return take_region(g, (0,) * len(first), steps, first), take_region(g, middle, steps, second)


AXIS_ROWS: dict[str, Callable[..., Grads]] = {
    "cumsum": _cumsum,
    "cumprod": _cumprod,
    "linear_recurrence": _linear_recurrence,
    "prod": _prod,
    "sort": _sort,
    "take_along_axis": _take_along_axis,
    "scatter_add_along_axis": _scatter_add_along_axis,
    "concat": _concat,
}
