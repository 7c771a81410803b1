"""Movements and indexing as nodes: of tensors, of computed values, in every layout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.optree.node import apply
from neonport.testing.cases import FLOATS, Batch, Case, Statement, defined
from neonport.testing.inputs import numbers
from neonport.testing.layouts import Target
from neonport.testing.operands import Operands

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]

# (op, label, shape of the operand, parameters)
MOVES: tuple[tuple[str, str, tuple[int, ...], dict[str, Any]], ...] = (
    ("transpose", "2-D", (7, 13), {"perm": (1, 0)}),
    ("transpose", "3-D cyclic", (3, 5, 7), {"perm": (2, 0, 1)}),
    ("transpose", "3-D outer", (3, 5, 7), {"perm": (2, 1, 0)}),
    ("transpose", "4-D", (2, 3, 4, 5), {"perm": (0, 3, 2, 1)}),
    ("transpose", "same order", (7, 13), {"perm": (0, 1)}),
    ("reshape", "flat", (6, 4), {"shape": (24, 1)}),
    ("reshape", "other", (6, 4), {"shape": (3, 8)}),
    ("reshape", "3-D", (6, 4), {"shape": (2, 3, 4)}),
    ("reshape", "from 3-D", (2, 3, 4), {"shape": (4, 6)}),
    ("broadcast", "row", (1, 13), {"shape": (7, 13)}),
    ("broadcast", "column", (7, 1), {"shape": (7, 13)}),
    ("broadcast", "one", (1, 1), {"shape": (7, 13)}),
    ("broadcast", "to 3-D", (5, 1), {"shape": (3, 5, 7)}),
    ("slice", "steps", (7, 13), {"starts": (1, 2), "steps": (2, 3), "shape": (3, 4)}),
    ("slice", "backwards", (7, 13), {"starts": (6, 12), "steps": (-1, -2), "shape": (7, 6)}),
    ("slice", "one element", (7, 13), {"starts": (3, 4), "steps": (1, 1), "shape": (1, 1)}),
    ("slice", "nothing", (7, 13), {"starts": (3, 0), "steps": (1, 1), "shape": (0, 13)}),
    ("pad_region", "steps", (3, 4), {"starts": (1, 2), "steps": (2, 3), "shape": (7, 13)}),
    ("pad_region", "backwards", (7, 6), {"starts": (6, 12), "steps": (-1, -2), "shape": (7, 13)}),
    ("pad_region", "3-D", (1, 5, 3), {"starts": (1, 0, 2), "steps": (1, 1, 2), "shape": (3, 5, 7)}),
    ("pad_region", "nothing", (0, 4), {"starts": (0, 0), "steps": (1, 1), "shape": (3, 4)}),
)
INDEX = [3, 0, 6, 3, 3, 5]  # one occurs three times
OUTSIDE = [3, -1, 6, 7, 100, 0]  # of an axis of 7: some are not there
# (op, label, shape of the operand, indices, parameters)
PICKS: tuple[tuple[str, str, tuple[int, ...], list[int], dict[str, Any]], ...] = (
    ("take", "rows", (7, 13), INDEX, {"axis": 0}),
    ("take", "columns", (13, 7), INDEX, {"axis": 1}),
    ("take", "as many rows", (6, 13), [3, 0, 5, 3, 3, 5], {"axis": 0}),
    ("take", "as many columns", (13, 6), [5, 5, 3, 0, 3, 3], {"axis": 1}),
    ("take", "out of range", (7, 13), OUTSIDE, {"axis": 0}),
    ("take", "3-D middle", (3, 7, 5), INDEX, {"axis": 1}),
    ("take", "no indices", (7, 13), [], {"axis": 0}),
    ("take", "one index", (7, 13), [2], {"axis": 0}),
    ("scatter_add", "rows", (6, 5), INDEX, {"axis": 0, "size": 7}),
    ("scatter_add", "columns", (5, 6), INDEX, {"axis": 1, "size": 7}),
    ("scatter_add", "out of range", (6, 5), OUTSIDE, {"axis": 0, "size": 7}),
    ("scatter_add", "3-D middle", (3, 6, 5), INDEX, {"axis": 1, "size": 7}),
    ("scatter_add", "no indices", (0, 5), [], {"axis": 0, "size": 7}),
)
INDEX_DTYPES = ("int32", "uint32", "int64", "uint8", "int16")
FEW = ("2-D", "flat", "column", "steps", "rows")  # of the dtypes other than float32


def _operand(operands: Operands, values: Array, layout: str, computed: bool) -> Any:
    x = operands.add(0, values, layout)
    return apply("mul", x, 2.0) if computed else x  # doubling is exact


def _move(
    op: str, shape: tuple[int, ...], params: dict[str, Any], dtype: str, layout: str, be: Backend
) -> list[Statement]:
    operands, statements = Operands(be), []
    for computed in (False, True):
        x = _operand(operands, numbers(3, shape, dtype), layout, computed)
        statements.append(operands.statement(op, [x], dtype, "plain", **params))
    return statements


def _pick(
    op: str,
    shape: tuple[int, ...],
    indices: list[int],
    params: dict[str, Any],
    dtype: str,
    index_dtype: str,
    be: Backend,
) -> list[Statement]:
    operands, statements = Operands(be), []
    where = operands.add("index", np.array(indices, index_dtype).reshape(-1, 1), "plain")
    for computed in (False, True):
        x = _operand(operands, numbers(3, shape, dtype), "plain", computed)
        statements.append(operands.statement(op, [x, where], dtype, "plain", **params))
    counted = apply("add", where, 0)  # the same indices, computed in the statement
    statements.append(operands.statement(op, [x, counted], dtype, "plain", **params))
    return statements


def _onehot(dtype: str, index_dtype: str, axis: int, be: Backend) -> list[Statement]:
    operands, statements = Operands(be), []
    values = np.array(INDEX if index_dtype.startswith("u") else OUTSIDE, index_dtype)
    index = operands.add(0, values.reshape((1, -1) if axis == 0 else (-1, 1)), "plain")
    shape = (7, len(values)) if axis == 0 else (len(values), 7)
    scale = operands.add(1, numbers(4, shape, dtype), "plain")
    bare = [apply("onehot", index, axis=axis, classes=classes) for classes in (7, None)]
    for tree in (*bare, bare[1] * scale, 1 - bare[1] * 2, apply("transpose", bare[0], perm=(1, 0))):
        out = Target(be, shape if tree.op != "transpose" else shape[::-1], dtype, "plain")
        statements.append(Statement(out, tree, defined(tree, operands.values, out)))
    return statements


def cases() -> Iterator[Case]:
    """All cases of movements and indexing."""
    for dtype in (*FLOATS, "int32", "uint8"):
        needs = [dtype] if dtype in FLOATS else []
        for op, label, shape, params in MOVES:
            if dtype != "float32" and label not in FEW:
                continue
            for layout in ("plain", "strided") if dtype == "float32" else ("plain",):
                names = [(op, f"{dtype} {layout} {label}, {w}") for w in ("tensor", "computed")]
                build = partial(_move, op, shape, params, dtype, layout)
                yield from Batch(names, build, needs).cases()
        for op, label, shape, indices, params in PICKS:
            if dtype != "float32" and label not in FEW:
                continue
            kinds = INDEX_DTYPES if (dtype, label) == ("float32", "rows") else INDEX_DTYPES[:1]
            for index_dtype in kinds:
                head = f"{dtype} by {index_dtype} {label}"
                build = partial(_pick, op, shape, indices, params, dtype, index_dtype)
                pair = [(op, f"{head}, {w}") for w in ("tensor", "computed")]
                yield from Batch(pair, build, needs).cases()
    for dtype in FLOATS:
        for index_dtype in INDEX_DTYPES if dtype == "float32" else ("int32",):
            for axis in (0, 1):
                forms = ("classes", "open", "scaled", "in a sum", "transposed")
                names = [("onehot", f"{dtype} by {index_dtype} axis {axis}, {f}") for f in forms]
                build = partial(_onehot, dtype, index_dtype, axis)
                yield from Batch(names, build, [dtype]).cases()
