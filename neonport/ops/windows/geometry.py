"""Windows over images: where their cells lie, and the checks that window ops share.

Images lie as in neon, the batch last: x (C, D, H, W, N), filters (C, T, R, S, K), results
(K, M, P, Q, N). Definitions loop over the cells of a window and treat all positions at once; sums
are made in float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from neonport.errors import ShapeError
from neonport.ops.op import Array, Ints, Kind, Op, register
from neonport.shape import Shape

Cell = tuple[Ints, tuple[slice, ...], tuple[slice, ...]]

IMAGE = "(C, D, H, W, N)"
FILTER = "(C, T, R, S, K)"
RESULT = "(K, M, P, Q, N)"
LEAST = {"padding": 0, "stride": 1, "dilation": 1, "window": 1, "size": 0, "filter": 1}
"""The smallest value of each parameter of a window."""


def window_count(n: int, window: int, padding: int, stride: int, dilation: int = 1) -> int:
    """Positions of a window that lies in n cells and their padding; below 1 it does not fit."""
    return (n + 2 * padding - dilation * (window - 1) - 1) // stride + 1


def span_of_cell(n: int, count: int, start: int, stride: int) -> tuple[slice, slice]:
    """The positions at which one cell of a window is inside, and where it is then.

    Args:
        n: cells along the axis.
        count: positions of the window.
        start: where the cell is at position 0, negative in the padding.
        stride: cells from one position to the next.

    Returns:
        A slice of the positions and one of the cells, of equal length.
    """
    first = max(0, -(start // stride))  # ceil(-start / stride)
    last = min(count, -((start - n) // stride))
    if last <= first:
        return slice(0, 0), slice(0, 0)
    begin = start + first * stride
    return slice(first, last), slice(begin, begin + (last - first - 1) * stride + 1, stride)


def cells(
    sizes: Ints, counts: Ints, window: Ints, padding: Ints, stride: Ints, dilation: Ints
) -> Iterator[Cell]:
    """Each cell of a window in row-major order.

    Yields:
        Its indices in the window, the positions where it is inside, the cells it is at there.
    """
    axes = [
        [
            (t, *span_of_cell(n, m, t * dil - pad, step))
            for t in range(w)
        ]
        for n, m, w, pad, step, dil in zip(
            sizes, counts, window, padding, stride, dilation, strict=True
        )
    ]  # fmt: skip
    for choice in product(*axes):
        index, positions, places = zip(*choice, strict=True)
        yield index, positions, places


def images(x: Array) -> Ints:
    """Sizes of the axes between maps and batch."""
    return x.shape[1:4]


def of_maps(at: tuple[Any, ...]) -> Any:
    """An index of all maps at a place."""
    return (slice(None), *at)


def require_rank(op: Op, shape: Shape, form: str) -> Shape:
    """Return `shape`, which must have as many axes as `form`."""
    if len(shape) != form.count(",") + 1:
        raise ShapeError(f"{op.name}: an operand of shape {shape} must be {form}; reshape it")
    return shape


def require_ints(op: Op, count: int, least: dict[str, int], **params: Any) -> None:
    """Raise ShapeError unless each parameter is `count` integers, none below its least value."""
    for name, value in params.items():
        low = least[name]
        if len(value) != count or any(n < low for n in value):
            raise ShapeError(
                f"{op.name}: {name} {value} must be {count} integers, each at least {low}"
            )


def window_row(
    name: str,
    arity: int,
    params: str,
    numpy: Callable[..., Array],
    summary: str,
    **columns: Any,
) -> None:
    """Add the row of an op on images; it is printed as its name, operands and parameters."""
    names = tuple(params.split())
    inside = ", ".join(f"{{{what}}}" for what in (*range(arity), *names))
    text = f"{name}({inside})"
    register(Op(name, arity, Kind.WINDOW, numpy, text, summary, names, **columns))
