"""Every reduction: axes, dtypes, layouts, long and short axes, ties, nan, no elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import is_float
from neonport.ops.op import OPS, Kind, of_kind
from neonport.testing.cases import FLOATS, Batch, Case, Statement
from neonport.testing.inputs import numbers
from neonport.testing.operands import Operands

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]

NAMES = [n for n in OPS if n in of_kind(Kind.REDUCTION)]
WITHOUT_ELEMENTS = ["sum", "prod", "var"]  # the others have no value
# label: shape, layout, axes
CLASSES: dict[str, tuple[tuple[int, ...], str, tuple[int, ...]]] = {
    "rows": ((7, 13), "plain", (1,)),
    "columns": ((7, 13), "plain", (0,)),
    "all": ((7, 13), "plain", (0, 1)),
    "one element": ((1, 1), "plain", (1,)),
    "axis of length 1": ((64, 1), "plain", (1,)),
    "long row": ((1, 1023), "plain", (1,)),
    "wide": ((64, 327), "plain", (0,)),
    "transposed": ((7, 13), "transposed", (1,)),
    "strided rows": ((7, 13), "strided", (1,)),
    "strided columns": ((7, 13), "strided", (0,)),
    "reversed": ((7, 13), "reversed", (1,)),
    "many rows": ((40001, 3), "plain", (0,)),
    "many columns": ((3, 40001), "plain", (1,)),
    "3-D first": ((3, 5, 7), "plain", (0,)),
    "3-D middle": ((3, 5, 7), "plain", (1,)),
    "3-D last": ((3, 5, 7), "permuted", (2,)),
}
SUMS_ONLY = {"3-D outer": ((3, 5, 7), "plain", (0, 2)), "4-D": ((2, 3, 4, 5), "strided", (1, 2))}
FEW = ("rows", "columns", "strided columns", "3-D middle", "many rows", "many columns", "all")


def _spread(values: Array) -> Array:
    """Add a distance from 0 to half of the rows, which a variance in one pass would not survive."""
    if values.dtype.kind != "f" or values.dtype.itemsize < 4:
        return values
    moved = values.copy()
    moved[::2] += 1000
    return moved


def _factors(values: Array, axes: tuple[int, ...]) -> Array:
    """The operand of a product: magnitudes nearer to 1 where many are multiplied."""
    count = int(np.prod([values.shape[a] for a in axes]))
    if values.dtype.kind in "iub" or count <= 16:
        return values
    wide = values.astype(np.float64)
    moved = np.copysign(np.abs(wide) ** (4 / count), wide)
    return moved.astype(values.dtype)


def _statements(
    names: Sequence[str], values: Array, layout: str, axes: tuple[int, ...], be: Backend
) -> list[Statement]:
    operands, statements = Operands(be), []
    x = operands.add(0, values, layout)
    factors = operands.add("factors", _factors(values, axes), layout)
    for name in names:
        target = "int32" if name == "argmax" else "float32"
        if is_float(values.dtype) and name != "argmax":
            target = values.dtype.name
        operand = [factors if name == "prod" else x]
        statements.append(operands.statement(name, operand, target, "plain", axes=axes))
    return statements


def _batch(
    label: str, values: Array, layout: str, axes: tuple[int, ...], names: Sequence[str] = NAMES
) -> Iterator[Case]:
    kind = values.dtype.name
    build = partial(_statements, names, values, layout, axes)
    needs = [kind] if kind in FLOATS else []
    return Batch([(name, f"{kind} {label}") for name in names], build, needs).cases()


def cases() -> Iterator[Case]:
    """All reduction cases."""
    for dtype in FLOATS:
        for label, (shape, layout, axes) in CLASSES.items():
            if dtype == "float32" or label in FEW:
                values = _spread(numbers(1, shape, dtype))
                if dtype == "float16":
                    values = np.clip(values, -8, 8)  # sums must fit
                yield from _batch(label, values, layout, axes)
        for label, (shape, layout, axes) in SUMS_ONLY.items():
            names = ["sum", "prod", "max", "min", "var"]
            yield from _batch(label, numbers(2, shape, dtype), layout, axes, names)
        yield from _special(dtype)
    for dtype in ("int8", "int32", "uint16", "bool"):
        for label in ("rows", "columns"):
            shape, layout, axes = CLASSES[label]
            yield from _batch(label, numbers(1, shape, dtype), layout, axes)


def _special(dtype: str) -> Iterator[Case]:
    """Ties, nan, infinities and no elements."""
    ties = np.array([[2, 2, 1, 2], [1, 3, 3, 0], [0, 0, 0, 0], [-1, -1, -2, -2]], dtype)
    zeros = np.array([[0.0, -0.0], [-0.0, 0.0]], dtype)
    inf, nan = np.inf, np.nan
    rows = [
        [1, nan, 3, nan],
        [inf, 1, inf, 2],
        [-inf, 1, 2, -inf],
        [inf, -inf, 0, 1],
        [nan, nan, nan, nan],
        [inf, nan, -inf, 0],
        [-inf, -inf, -inf, -inf],
    ]
    special = np.array(rows, dtype)
    for axis in (0, 1):
        yield from _batch(f"ties along axis {axis}", ties, "plain", (axis,))
        yield from _batch(f"nan and inf along axis {axis}", special, "plain", (axis,))
        yield from _batch(f"signed zeros along axis {axis}", zeros, "plain", (axis,))
    yield from _batch("no result", np.zeros((0, 5), dtype), "plain", (1,))
    for axes in ((0,), (0, 1)):
        empty = np.zeros((0, 5), dtype)
        yield from _batch(f"of nothing along {axes}", empty, "plain", axes, WITHOUT_ELEMENTS)
