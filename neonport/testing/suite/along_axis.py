"""Ops along an axis: running sums and products, orders, picking line by line, putting together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.optree.node import apply
from neonport.testing.cases import FLOATS, Batch, Case, Statement, exactly
from neonport.testing.inputs import generator, numbers
from neonport.testing.layouts import Target
from neonport.testing.operands import Operands

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

# (op, label, parameters but the axis)
UNARY: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("cumsum", "forward", {"reverse": False}),
    ("cumsum", "reverse", {"reverse": True}),
    ("cumprod", "forward", {"reverse": False, "exclusive": False}),
    ("cumprod", "reverse", {"reverse": True, "exclusive": False}),
    ("cumprod", "exclusive", {"reverse": False, "exclusive": True}),
    ("cumprod", "reverse exclusive", {"reverse": True, "exclusive": True}),
    ("sort", "ascending", {"descending": False}),
    ("sort", "descending", {"descending": True}),
    ("argsort", "ascending", {"descending": False}),
    ("argsort", "descending", {"descending": True}),
    ("argsort", "the first two", {"descending": True, "size": 2}),
)
# label: shape, layout, axis
CLASSES: dict[str, tuple[Shape, str, int]] = {
    "rows": ((7, 13), "plain", 1),
    "columns": ((7, 13), "plain", 0),
    "strided": ((7, 13), "strided", 1),
    "transposed": ((7, 13), "transposed", 0),
    "3-D middle": ((3, 5, 7), "plain", 1),
    "3-D permuted": ((3, 5, 7), "permuted", 2),
    "no lines": ((0, 5), "plain", 1),
}
FEW = ("rows", "columns")
# dtypes of the parts of a concat
MIXED = ("float32", "float16", "int32", "float64", "bfloat16", "uint8")


def _unary(values: Array, layout: str, axis: int, be: Backend) -> list[Statement]:
    operands, statements = Operands(be), []
    for computed in (False, True):
        x = operands.add(0, values, layout)
        x = apply("mul", x, 2.0) if computed else x
        for name, _, params in UNARY:
            if name == "argsort":
                params = {"size": values.shape[axis], **params}
            target = "int32" if name == "argsort" else values.dtype.name
            params = {"axis": axis, **params}
            statements.append(operands.statement(name, [x], target, "plain", **params))
    return statements


def _unary_cases(label: str, values: Array, layout: str, axis: int) -> Iterator[Case]:
    head = f"{values.dtype.name} {label}"
    forms = ("tensor", "computed")
    names = [(op, f"{head} {variant}, {form}") for form in forms for op, variant, _ in UNARY]
    needs = [values.dtype.name] if values.dtype.name in FLOATS else []
    yield from Batch(names, partial(_unary, values, layout, axis), needs).cases()


def _factors(seed: int, shape: Shape, dtype: str) -> Array:
    """Numbers whose products stay small."""
    return np.clip(numbers(seed, shape, dtype), -2, 2).astype(dtype)


def _lines(dtype: str, shape: Shape, axis: int, be: Backend) -> list[Statement]:
    """A recurrence both ways, and entries picked and added up, some indices out of range."""
    operands, statements = Operands(be), []
    a = operands.add("a", _factors(5, shape, dtype), "plain")
    b = operands.add("b", numbers(6, shape, dtype), "strided")
    n = shape[axis]
    index = operands.add("index", _index(shape, n), "plain")
    for reverse in (False, True):
        params = {"axis": axis, "reverse": reverse}
        statements.append(operands.statement("linear_recurrence", [a, b], dtype, "plain", **params))
    for x in (b, apply("mul", b, 2.0)):
        args = [x, index]
        statements.append(operands.statement("take_along_axis", args, dtype, "plain", axis=axis))
    for size in (n, n + 2):
        added = {"axis": axis, "size": size}
        statements.append(
            operands.statement("scatter_add_along_axis", [b, index], dtype, "plain", **added)
        )
    return statements


def _index(shape: Shape, n: int) -> Array:
    return generator(7).randint(-1, n + 1, shape).astype(np.int32)


LINES = (
    ("linear_recurrence", "forward"),
    ("linear_recurrence", "reverse"),
    ("take_along_axis", "tensor"),
    ("take_along_axis", "computed"),
    ("scatter_add_along_axis", "same size"),
    ("scatter_add_along_axis", "longer"),
)


def _parts(dtypes: Sequence[str], shape: Shape, axis: int, be: Backend) -> tuple[list[Any], Array]:
    """Tensors of several sizes along an axis, and what they are together."""
    parts, values = [], []
    for i, dtype in enumerate(dtypes):
        own = tuple(i % 3 + 1 if a == axis else n for a, n in enumerate(shape))
        host = numbers(i, own, dtype)
        parts.append(be.array(host, dtype=dtype))
        values.append(host.astype(np.float64))
    return parts, np.concatenate(values, axis)


def _concat(dtypes: Sequence[str], shape: Shape, axis: int, be: Backend) -> list[Statement]:
    """Two; many; computed ones, in a larger expression; of which one is shared; transposed."""
    parts, whole = _parts(dtypes, shape, axis, be)
    target = "float64" if "float64" in dtypes else "float32"
    two = np.concatenate([x.get().astype(np.float64) for x in parts[:2]], axis)
    doubled = [apply("mul", x, 2.0) if i % 2 else x for i, x in enumerate(parts)]
    scale = np.concatenate(
        [np.full(x.shape, 2.0 if i % 2 else 1.0) for i, x in enumerate(parts)], axis
    )
    many = be.concat(doubled, axis)
    perm = tuple(reversed(range(len(shape))))
    trees = [
        (be.concat(parts[:2], axis), two),
        (be.concat(parts, axis), whole),
        (many, whole * scale),
        (apply("abs", apply("mul", many, 0.5)), np.abs(whole * scale * 0.5)),
        (be.concat([many, parts[0], many], axis),
         np.concatenate([whole * scale, parts[0].get().astype(np.float64), whole * scale], axis)),
        (apply("transpose", many, perm=perm), (whole * scale).transpose(perm)),
    ]  # fmt: skip
    statements = []
    for tree, want in trees:
        out = Target(be, want.shape, target, "strided" if tree is many else "plain")
        statements.append(Statement(out, tree, exactly(want.astype(target))))
    return statements


CONCATS = ("two", "many", "computed", "in an expression", "shared", "transposed")


def _special(dtype: str) -> Iterator[Case]:
    """Ties, signed zeros, infinities, nan and lines of one element."""
    inf, nan = np.inf, np.nan
    ties = np.array([[2, 1, 2, 1, 2], [0.0, -0.0, 0.0, 1, -0.0], [3, 3, 3, 3, 3]], dtype)
    special = np.array(
        [[1, nan, inf, -inf, nan], [nan, nan, 0, 1, -1], [inf, inf, 1, -inf, 2]], dtype
    )
    for axis in (0, 1) if dtype == "float32" else (1,):
        yield from _unary_cases(f"ties along axis {axis}", ties, "plain", axis)
        yield from _unary_cases(f"nan and inf along axis {axis}", special, "plain", axis)


def cases() -> Iterator[Case]:
    """All cases of ops along an axis."""
    for dtype in (*FLOATS, "int32", "uint8"):
        needs = [dtype] if dtype in FLOATS else []
        for label, (shape, layout, axis) in CLASSES.items():
            if dtype == "float32" or label in FEW:
                values = np.clip(numbers(1, shape, dtype), -3, 3).astype(dtype)
                yield from _unary_cases(label, values, layout, axis)
        for shape, axis in (((7, 13), 1), ((3, 5, 2), 1)):
            names = [(op, f"{dtype} {shape}, {form}") for op, form in LINES]
            yield from Batch(names, partial(_lines, dtype, shape, axis), needs).cases()
        if dtype in FLOATS:
            yield from _special(dtype)
    every = (((1, 13), 0), ((7, 1), 1), ((3, 1, 4), 1))
    for dtypes in (*([d] * 3 for d in FLOATS), list(MIXED), ["float32"] * 40):
        for shape, axis in every if dtypes[0] == "float32" and len(dtypes) < 9 else every[:1]:
            label = f"{', '.join(dict.fromkeys(dtypes))} x {len(dtypes)} along axis {axis}"
            names = [("concat", f"{label} of {len(shape)}, {form}") for form in CONCATS]
            needs = [d for d in dtypes if d in FLOATS]
            yield from Batch(names, partial(_concat, dtypes, shape, axis), needs).cases()
