"""Every element-wise op: dtypes, memory layouts, broadcasting, special values, numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import BFLOAT16
from neonport.ops.op import ANYWHERE, OPS, POSITIVE, Kind, of_kind
from neonport.testing.cases import FLOATS, INTEGERS, Batch, Case, Statement
from neonport.testing.inputs import (
    BROADCASTS,
    CLASSES,
    Domain,
    numbers,
    special,
    special_integers,
)
from neonport.testing.operands import Operands

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

# enough to see that a dtype is read and written right
FEW = ["add", "div", "pow", "lt", "maximum", "where", "neg", "sqrt", "exp"]
FEW_OPERANDS = [n for n in FEW if OPS[n].arity > 1]
NUMBERS = (0.7, -3, np.float32(2.5))
ALL_DTYPES = ("odd", "long", "column", "row", "no rows", "one element", "strided")
THIN = (
    "odd",
    "long",
    "no rows",
    "one element",
    "strided",
    "reversed",
    "transposed",
    "3-D permuted",
)
SIDES = {2: ("right", "left"), 3: ("right",)}
# dtypes of the operands and of the target
MIXED = (
    ("float32", "float64", "float64"),
    ("float64", "float16", "float32"),
    ("float16", "float32", "float16"),
    ("int32", "float32", "float64"),
    ("uint8", "float16", "float32"),
    ("bool", "float32", "float16"),
    ("int8", "uint16", "float64"),
    ("bfloat16", "float32", "bfloat16"),
    ("float64", "bfloat16", "float16"),
)


def every_op() -> list[str]:
    """Every element-wise op; plugins may have added some."""
    kind = of_kind(Kind.ELEMENTWISE)
    return [name for name in OPS if name in kind]


def with_operands() -> list[str]:
    """Those of more than one operand."""
    return [name for name in every_op() if OPS[name].arity > 1]


Source = Callable[[int, Domain], Array]


def _statements(
    names: Sequence[str], source: Source, target: str, layout: str, be: Backend
) -> list[Statement]:
    """Statements of `names`; `source(i, domain)` gives the values of operand i."""
    operands, statements = Operands(be), []
    for name in names:
        args = []
        for i in range(OPS[name].arity):
            domain = ANYWHERE if i else OPS[name].domain
            args.append(operands.add((i, domain), source(i, domain), layout))
        statements.append(operands.statement(name, args, target, layout))
    return statements


def _random(shapes: Sequence[Shape], dtypes: Sequence[str]) -> Source:
    """Random values; operand i has shapes[i] and dtypes[i]."""
    return lambda i, domain: numbers(i, shapes[i], dtypes[i], domain)


def _special(dtype: str) -> Source:
    """Special values: every pair of them meets."""
    values = special(dtype) if dtype in FLOATS else special_integers(dtype)
    n = len(values)
    grids = [np.tile(values, (1, n)), np.tile(values.T, (n, 1)), np.tile(values[::-1], (1, n))]
    return lambda i, domain: grids[i]


def _numbers(names: Sequence[str], dtype: str, be: Backend) -> list[Statement]:
    """A tensor and Python numbers, on both sides."""
    operands, statements = Operands(be), []
    x = operands.add(0, numbers(0, (7, 13), dtype, POSITIVE), "plain")
    for name in names:
        for number in NUMBERS:
            for side in SIDES[OPS[name].arity]:
                args: tuple[Any, ...] = (x, number) if side == "right" else (number, x)
                if name == "where":
                    args = (x, number, x)
                elif name == "pow" and side == "left":
                    args = (abs(number), x)
                statements.append(operands.statement(name, args, dtype, "plain"))
    return statements


def cases() -> Iterator[Case]:
    """All element-wise cases."""
    for dtype in FLOATS:
        full = dtype == "float32"
        thin = dtype == BFLOAT16
        for label, (shape, layout) in CLASSES.items():
            if thin and label not in THIN:
                continue
            source = _random([shape] * 3, [dtype] * 3)
            names = every_op() if full or (label in ALL_DTYPES and not thin) else FEW
            yield from _batch(names, f"{dtype} {label}", source, dtype, layout)
        for label, shapes in BROADCASTS.items():
            names = with_operands() if full else FEW_OPERANDS
            yield from _batch(
                names, f"{dtype} {label}", _random(shapes, [dtype] * 3), dtype, "plain"
            )
        yield from _batch(every_op(), f"{dtype} special values", _special(dtype), dtype, "plain")
        for names in _groups([] if thin else with_operands() if full else FEW_OPERANDS, 5):
            ids = [
                (name, f"{dtype} with number {n!r} on the {side}")
                for name in names
                for n in NUMBERS
                for side in SIDES[OPS[name].arity]
            ]
            yield from Batch(ids, partial(_numbers, names, dtype), [dtype]).cases()
    for dtype in (*INTEGERS, "bool"):
        full = dtype in ("int32", "uint8", "bool")
        names = every_op() if full else FEW
        for label in ("odd", "strided") if full else ("odd",):
            shape, layout = CLASSES[label]
            source = _random([shape] * 3, [dtype] * 3)
            yield from _batch(names, f"{dtype} {label}", source, "float32", layout)
        if dtype != "bool":
            yield from _batch(names, f"{dtype} extremes", _special(dtype), "float32", "plain")
    for a, b, target in MIXED:
        source = _random([(7, 13)] * 3, [a, b, a])
        label = f"{a} with {b} into {target}"
        yield from _batch(FEW_OPERANDS, label, source, target, "plain", a, b)


def _groups(names: list[str], size: int) -> Iterator[list[str]]:
    return (names[i : i + size] for i in range(0, len(names), size))


def _batch(
    names: Sequence[str], label: str, source: Source, target: str, layout: str, *dtypes: str
) -> Iterator[Case]:
    build = partial(_statements, names, source, target, layout)
    needs = [d for d in (target, *dtypes) if d in FLOATS]
    return Batch([(name, label) for name in names], build, needs).cases()
