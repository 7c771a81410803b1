"""Derivative rows of the window ops; `vjps.py` says how a row is made.

Convolutions are linear in x and in f, so their derivatives are each other; so are those of a
pooling and of what puts its gradient back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonport.autodiff.simplify import add, div, full, mul, neg, raise_to, shape_of
from neonport.optree.node import apply
from neonport.shape import Shape

Grads = tuple[Any, ...]


def _images(x: Any) -> Shape:
    return shape_of(x)[1:4]


def _conv(ans: Any, g: Any, x: Any, y: Any, **geometry: Shape) -> Grads:
    g = full(g, ans.shape, ans)
    gx = apply("conv_backward_data", y, g, **geometry, size=_images(x))
    return gx, apply("conv_backward_filter", x, g, **geometry, size=_images(y))


def _conv_backward_data(ans: Any, g: Any, x: Any, y: Any, size: Shape, **geometry: Shape) -> Grads:
    g = full(g, ans.shape, ans)
    gx = apply("conv_backward_filter", g, y, **geometry, size=_images(x))
    return gx, apply("conv", g, x, **geometry)


def _conv_backward_filter(
    ans: Any, g: Any, x: Any, y: Any, size: Shape, **geometry: Shape
) -> Grads:
    g = full(g, ans.shape, ans)
    gx = apply("conv_backward_data", g, y, **geometry, size=_images(x))
    return gx, apply("conv", x, g, **geometry)


def _pool(ans: Any, g: Any, x: Any, how: str, size: Shape, **windows: Shape) -> Grads:
    g = full(g, ans.shape, ans)
    cells = shape_of(x)[:4]
    if how != "max":
        return (apply("avg_pool_backward", g, how=how, **windows, size=cells),)
    index = apply("pool_index", x, **windows, size=size)
    return (apply("max_pool_backward", g, index, **windows, size=cells),)


def _max_pool_backward(ans: Any, g: Any, x: Any, y: Any, size: Shape, **windows: Shape) -> Grads:
    return apply("max_pool_gather", full(g, ans.shape, ans), y, **windows), None


def _max_pool_gather(ans: Any, g: Any, x: Any, y: Any, **windows: Shape) -> Grads:
    g = full(g, ans.shape, ans)
    return apply("max_pool_backward", g, y, **windows, size=shape_of(x)[:4]), None


def _avg_pool_backward(ans: Any, g: Any, x: Any, how: str, size: Shape, **windows: Shape) -> Grads:
    g = full(g, ans.shape, ans)
    return (apply("pool", g, how=how, **windows, size=shape_of(x)[:4]),)


def _roi_pool(ans: Any, g: Any, x: Any, y: Any, size: Shape, scale: float) -> Grads:
    index = apply("roi_index", x, y, size=size, scale=scale)
    g = full(g, ans.shape, ans)
    return apply("roi_pool_backward", g, y, index, size=shape_of(x)[1:]), None


def _roi_pool_backward(ans: Any, g: Any, x: Any, y: Any, z: Any, size: Shape) -> Grads:
    return apply("roi_pool_gather", full(g, ans.shape, ans), y, z), None, None


def _roi_pool_gather(ans: Any, g: Any, x: Any, y: Any, z: Any) -> Grads:
    g = full(g, ans.shape, ans)
    return apply("roi_pool_backward", g, y, z, size=shape_of(x)[1:]), None, None


def _neighbours(x: Any, width: int) -> Any:
    """The sum of the maps around each one; it is its own adjoint."""
    windows = {"window": (width, 1, 1, 1), "padding": (width // 2, 0, 0, 0), "stride": (1,) * 4}
    return apply("pool", x, how="sum", **windows, size=shape_of(x)[:4])


def _lrn_denominator(ans: Any, g: Any, x: Any, width: int, ascale: float) -> Grads:
    g = full(g, ans.shape, ans)
    return (mul(mul(x, 2 * ascale / width), _neighbours(g, width)),)


def _lrn(ans: Any, g: Any, x: Any, **params: Any) -> Grads:
    return (apply("lrn_backward", x, full(g, ans.shape, ans), **params),)


def _lrn_backward(
    ans: Any, g: Any, x: Any, y: Any, width: int, ascale: float, bpower: float
) -> Grads:
    """By the rules of y * d^-b - 2 b s x * around(x * y * d^(-b - 1)), s being the share."""
    g, share = full(g, ans.shape, ans), ascale / width
    factor = 2 * bpower * share
    below = apply("lrn_denominator", x, width=width, ascale=ascale)
    outer = raise_to(below, -bpower)
    inner = div(outer, below)
    back = neg(mul(_neighbours(mul(g, x), width), factor))  # gradient of x * y * inner
    direct = mul(g, neg(mul(_neighbours(mul(mul(x, y), inner), width), factor)))
    of_below = mul(mul(y, inner), neg(mul(g, bpower)))
    more = mul(mul(mul(x, y), div(inner, below)), mul(back, bpower + 1))
    of_below = add(of_below, neg(more))
    gx = add(direct, mul(mul(back, y), inner))
    gx = add(gx, mul(mul(x, 2 * share), _neighbours(of_below, width)))
    return gx, add(mul(g, outer), mul(mul(back, x), inner))


WINDOW_ROWS: dict[str, Callable[..., Grads]] = {
    "conv": _conv,
    "conv_backward_data": _conv_backward_data,
    "conv_backward_filter": _conv_backward_filter,
    "pool": _pool,
    "max_pool_backward": _max_pool_backward,
    "max_pool_gather": _max_pool_gather,
    "avg_pool_backward": _avg_pool_backward,
    "lrn_denominator": _lrn_denominator,
    "lrn": _lrn,
    "lrn_backward": _lrn_backward,
    "roi_pool": _roi_pool,
    "roi_pool_backward": _roi_pool_backward,
    "roi_pool_gather": _roi_pool_gather,
}
