"""`all`, `any`, `diff`."""

from __future__ import annotations

from neonport.array_api.core.array import Array, bits
from neonport.array_api.core.dtypes import NUMERIC, bool_, check_kind
from neonport.array_api.core.evaluate import array_of, axes_of, lead, left, result
from neonport.array_api.elementwise import subtract
from neonport.array_api.manipulation import concat
from neonport.errors import ShapeError
from neonport.optree.node import apply
from neonport.shape import normalize_axis

Axis = int | tuple[int, ...] | None


def _decided(op: str, x: Array, axis: Axis, keepdims: bool, sought: str, found: str) -> Array:
    """Whether the number of elements for which `sought` holds is (or is not) 0."""
    array_of(op, x)
    axes = axes_of(op, x, axis)
    count = apply("sum", apply(sought, bits(x.tensor), 0), axes=tuple(a + lead(x) for a in axes))
    shape = left(x, axes, keepdims)
    return result(x.tensor.backend, apply(found, count, 0), bool_, shape)


def all(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all elements over axes are not 0; so it is where there are none.

    Args:
        x: the array.
        axis: one or several; None is all.
        keepdims: whether folded axes stay, with size 1.

    Raises:
        ShapeError: an axis is out of range.
    """
    return _decided("all", x, axis, keepdims, "eq", "eq")


def any(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether an element over axes is not 0; arguments as `all`."""
    return _decided("any", x, axis, keepdims, "ne", "ne")


def diff(
    x: Array,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Array | None = None,
    append: Array | None = None,
) -> Array:
    """Differences of neighbours along an axis.

    Args:
        x: an array of numbers.
        axis: along which.
        n: how often; 0 is x itself.
        prepend, append: what is put in front and behind first.

    Raises:
        ShapeError: n is negative, or shapes do not fit.
    """
    array_of("diff", x)
    check_kind("diff", x.dtype, NUMERIC)
    at = normalize_axis(axis, x.ndim, "diff")
    if n < 0:
        raise ShapeError(f"diff: n={n} must not be negative")
    if n == 0:
        return x
    parts = [part for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        x = concat(parts, axis=at)
    front = (slice(None),) * at
    for _ in range(n):
        second, first = (*front, slice(1, None)), (*front, slice(None, -1))
        x = subtract(x[second], x[first])
    return x


__all__ = ["all", "any", "diff"]
