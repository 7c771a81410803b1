"""Shapes, axes and memory layouts: pure functions on ints, shared by every backend.

A *layout* is `(shape, strides, offset)`, strides and offset in elements.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from neonport.errors import DtypeError, ShapeError

Shape = tuple[int, ...]
MIN_DIMS = 2


def as_shape(shape: Any) -> Shape:
    """Return `shape` (an int or a sequence of ints) as a tuple of at least two sizes.

    A number n of elements, or a 1-D shape, is a column (n, 1); 0-D is (1, 1).

    Raises:
        DtypeError: an entry is not an integer.
        ShapeError: an entry is negative.
    """
    result = integers(shape if isinstance(shape, Iterable) else (shape,), "shape")
    if any(n < 0 for n in result):
        raise ShapeError(f"shape {shape!r} has a negative size")
    return at_least_2d(result)


def integers(entries: Iterable[Any], what: str) -> Shape:
    """Return `entries` as Python ints.

    Raises:
        DtypeError: an entry is not an integer.
    """
    try:
        return tuple([operator.index(n) for n in entries])
    except TypeError as error:
        raise DtypeError(f"{what}: {entries!r} must hold integers only") from error


def at_least_2d(shape: Shape) -> Shape:
    """Append unit axes until there are two."""
    return shape + (1,) * (MIN_DIMS - len(shape))


@lru_cache(maxsize=4096)
def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides in elements."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """Whether a layout is row-major without gaps; unit and empty axes do not count."""
    step = 1
    for n, stride in zip(reversed(shape), reversed(strides), strict=True):
        if n == 0:
            return True
        if n != 1:
            if stride != step:
                return False
            step *= n
    return True


def broadcast_shapes(a: Shape, b: Shape) -> Shape | None:
    """NumPy's broadcasting of two shapes, or None when they do not fit."""
    if len(a) < len(b):
        a = (1,) * (len(b) - len(a)) + a
    elif len(b) < len(a):
        b = (1,) * (len(a) - len(b)) + b
    out = []
    for m, n in zip(a, b, strict=True):
        if m != n and m != 1 and n != 1:
            return None
        out.append(n if m == 1 else m)
    return tuple(out)


def broadcast_strides(shape: Shape, strides: Shape, target: Shape) -> Shape:
    """Strides with which an array of `shape` is read as if it had shape `target`."""
    lead = len(target) - len(shape)
    return (0,) * lead + tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True))


def normalize_axis(axis: Any, ndim: int, what: str) -> int:
    """Return `axis` as a non-negative int.

    Raises:
        DtypeError: not an integer.
        ShapeError: out of range.
    """
    (index,) = integers((axis,), f"{what}: axis")
    if not -ndim <= index < ndim:
        raise ShapeError(f"{what}: axis {axis} is out of range for {ndim} dimensions")
    return index % ndim


def normalize_axes(axis: Any, ndim: int, what: str) -> Shape:
    """Return sorted distinct axes for `axis` = None (all), an int or a sequence of ints."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, Iterable) and getattr(axis, "shape", None) != ():  # a 0-d array is none
        axes = sorted(normalize_axis(a, ndim, what) for a in axis)
        if len(set(axes)) != len(axes):
            raise ShapeError(f"{what}: axis {tuple(axis)!r} names an axis twice")
        return tuple(axes)
    return (normalize_axis(axis, ndim, what),)


def reduced_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    """`shape` with the reduced axes kept at length 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def resolve_reshape(shape: Shape, request: Sequence[Any]) -> Shape:
    """Return the full shape that `reshape(*request)` of an array of `shape` asks for.

    One entry may be -1 and is inferred; fewer than two entries give a column.

    Raises:
        ShapeError: the numbers of elements differ, naming both.
    """
    wanted = list(integers(request, f"reshape of {shape}"))
    size, unknown = prod(shape), [i for i, n in enumerate(wanted) if n == -1]
    known = prod(n for n in wanted if n != -1)
    if len(unknown) > 1 or any(n < -1 for n in wanted):
        raise ShapeError(f"reshape to {tuple(request)}: at most one -1 and no other negative size")
    if unknown:
        if known == 0 or size % known:
            raise ShapeError(
                f"reshape of {shape} ({size} elements) to {tuple(request)}: no -1 fits"
            )
        wanted[unknown[0]] = size // known
    elif known != size:
        raise ShapeError(
            f"reshape of {shape} ({size} elements) to {tuple(request)} ({known} elements)"
        )
    return at_least_2d(tuple(wanted))


def reshape_strides(shape: Shape, strides: Shape, target: Shape) -> Shape | None:
    """Strides of a view of shape `target`, or None when only a copy could have that shape."""
    if prod(shape) == 0 or is_contiguous(shape, strides):
        return contiguous_strides(target)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result: list[int] = []
    i = j = 0
    while j < len(target):
        if target[j] == 1:
            result.append(0)
            j += 1
            continue
        # grow both groups until they hold the same number of elements
        first_new, n_new, n_old, first_old = j, target[j], 1, i
        while n_old != n_new:
            if n_old < n_new:
                n_old *= old[i][0]
                i += 1
            else:
                j += 1
                n_new *= target[j]
        group = old[first_old:i]
        if any(group[k][1] != group[k + 1][0] * group[k + 1][1] for k in range(len(group) - 1)):
            return None
        step, steps = group[-1][1], []
        for n in reversed(target[first_new : j + 1]):
            steps.append(step)
            step *= n
        result.extend(reversed(steps))
        j += 1
    return tuple(result)


def span(shape: Shape, strides: Shape, offset: int) -> tuple[int, int]:
    """Half-open range of element positions that a layout touches (empty when size is 0)."""
    if 0 in shape:
        return offset, offset
    low = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s < 0)
    high = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s > 0)
    return low, high + 1


def layouts_overlap(a: tuple[Shape, Shape, int], b: tuple[Shape, Shape, int]) -> bool:
    """Whether two layouts of equal item size in one storage share an element.

    An element is shared when `sum(d_k * s_k) = offset_b - offset_a` has a solution with each digit
    d_k in the range that the two extents along stride s_k allow. The search tries the large strides
    first, where the small ones leave one or two candidates; past a bound it answers True, which
    costs a temporary and never a wrong result.
    """
    (low_a, high_a), (low_b, high_b) = span(*a), span(*b)
    if low_a == high_a or low_b == high_b or high_a <= low_b or high_b <= low_a:
        return False
    ranges: dict[int, tuple[int, int]] = {}
    for (shape, strides, _), sign in ((a, 1), (b, -1)):
        for n, stride in zip(shape, strides, strict=True):
            if n == 1 or stride == 0:
                continue
            reach = (n - 1) * sign * (1 if stride > 0 else -1)
            low, high = ranges.get(abs(stride), (0, 0))
            ranges[abs(stride)] = (low + min(reach, 0), high + max(reach, 0))
    digits = sorted(((s, *r) for s, r in ranges.items()), reverse=True)
    below = [(0, 0)]  # what the digits after k can add up to
    for stride, low, high in reversed(digits):
        below.append((below[-1][0] + low * stride, below[-1][1] + high * stride))
    below.reverse()
    budget = 256

    def solvable(k: int, rest: int) -> bool:
        nonlocal budget
        if k == len(digits):
            return rest == 0
        stride, low, high = digits[k]
        least, most = below[k + 1]
        first = max(low, -((most - rest) // stride))  # ceil((rest - most) / stride)
        last = min(high, (rest - least) // stride)
        for digit in range(first, last + 1):
            budget -= 1
            if budget < 0 or solvable(k + 1, rest - digit * stride):
                return True
        return False

    return solvable(0, b[2] - a[2])


def overlaps_itself(shape: Shape, strides: Shape) -> bool:
    """Whether two elements of a layout lie at one place.

    The differences of two indices are digits between -(n - 1) and n - 1; the search looks for some
    that add up to 0. Past a bound it answers True: such a layout is copied before it is written.
    """
    if 0 in shape:
        return False
    axes = sorted((abs(s), n - 1) for n, s in zip(shape, strides, strict=True) if n > 1)
    if axes and axes[0][0] == 0:
        return True
    reach = [0]  # of the axes before k
    for stride, most in axes:
        reach.append(reach[-1] + stride * most)
    if all(stride > reach[k] for k, (stride, _) in enumerate(axes)):
        return False
    budget = 1 << 14

    def solvable(k: int, rest: int) -> bool:
        nonlocal budget
        if k == 0:
            return rest == 0
        stride, most = axes[k - 1]
        first = max(-most, -((reach[k - 1] - rest) // stride))
        last = min(most, (rest + reach[k - 1]) // stride)
        for digit in range(first, last + 1):
            budget -= 1
            if budget < 0 or solvable(k - 1, rest - digit * stride):
                return True
        return False

    # the largest digit that is not 0 may be taken to be positive
    return any(
        solvable(k, digit * stride)
        for k, (stride, most) in enumerate(axes)
        for digit in range(1, min(most, reach[k] // stride) + 1)
    )
