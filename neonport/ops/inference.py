"""Shape and dtype of a result, found from the rows of the op table when a tree is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.dtypes import EXACT, FLOAT32, INT64, INTEGERS, compute_dtype
from neonport.errors import DtypeError, ShapeError
from neonport.ops.op import Kind, Op
from neonport.shape import Shape, broadcast_shapes, reduced_shape

Params = dict[str, Any]
# Axes whose size the assignment target decides; LEADING stands for any number of axes before the
# first one, for random numbers fill a target of any rank.
Wild = frozenset[int]
NO_WILD: Wild = frozenset()
LEADING = -1


def _broadcast(op: Op, shapes: Sequence[Shape]) -> Shape:
    out = shapes[0]
    for shape in shapes[1:]:
        merged = broadcast_shapes(out, shape)
        if merged is None:
            listed = " and ".join(map(str, shapes))
            raise ShapeError(
                f"{op.name}: shapes {listed} do not broadcast; along each axis the sizes must be "
                "equal or 1"
            )
        out = merged
    return out


def infer_shape(op: Op, shapes: Sequence[Shape], params: Params) -> Shape:
    """Shape of `op` applied to operands of `shapes`; ShapeError names op and shapes."""
    if op.infer is not None:
        return op.infer(op, shapes, **params)
    if op.kind is Kind.REDUCTION:
        return reduced_shape(shapes[0], params["axes"])
    return _broadcast(op, shapes)


def infer_dtype(op: Op, dtypes: Sequence[np.dtype | None], params: Params) -> np.dtype:
    """Compute dtype of `op`; None stands for a Python float, which adapts to the others.

    Raises:
        DtypeError: an index operand is not of integer type.
    """
    for dtype, letter in zip(dtypes, op.reads, strict=False):
        if letter == "i" and dtype not in INTEGERS:
            raise DtypeError(
                f"{op.name}: indices of dtype {dtype} are not integers; make them int32 with "
                "be.array(indices, dtype=np.int32)"
            )
    if op.result is not None:
        return op.result
    if op.kind is Kind.SOURCE:
        return FLOAT32
    return value_dtype(op, dtypes)


def value_dtype(op: Op, dtypes: Sequence[np.dtype | None]) -> np.dtype:
    """The dtype in which `op` reads its values."""
    pairs = list(zip(dtypes, op.reads, strict=False))
    values = [d for d, letter in pairs if letter == "v"]
    if op.integers and values and all(d in EXACT for d in values):
        return INT64
    return compute_dtype(d for d, letter in pairs if letter in "vc" and d is not None)


def operand_dtypes(op: Op, dtypes: Sequence[np.dtype | None]) -> tuple[np.dtype | None, ...]:
    """The dtype in which `op` reads each of its operands, None: as it is stored."""
    value = value_dtype(op, dtypes)
    found = {"v": value, "i": None, "f": FLOAT32}
    return tuple(
        _condition_dtype(d, value) if letter == "c" else found[letter]
        for d, letter in zip(dtypes, op.reads, strict=False)
    )


def _condition_dtype(dtype: np.dtype | None, value: np.dtype) -> np.dtype:
    """The dtype in which a condition is read: a fraction is not 0 where the values are integers."""
    if dtype is None:
        return value if value != INT64 else FLOAT32
    return INT64 if dtype in EXACT else compute_dtype([dtype])


def check_sizes(op: Op, operands: Sequence[tuple[Shape, Wild]], params: Params) -> None:
    """Raise ShapeError if `op` needs a size that only the assignment target will decide."""
    open_axes = next((wild for _, wild in operands if wild), None)
    if open_axes is None or op.kind is Kind.ELEMENTWISE or op.name == "transpose":
        return
    if op.kind is Kind.REDUCTION and not open_axes & set(params["axes"]):
        return
    raise ShapeError(
        f"{op.name}: the size of axis {sorted(open_axes - {LEADING})} of its operand is only known "
        "on assignment; give the size (onehot: classes=, rand: shape=)"
    )


def infer_wild(
    op: Op, operands: Sequence[tuple[Shape, Wild]], result: Shape, params: Params
) -> Wild:
    """Axes whose size the assignment target will decide (onehot, rand without a shape)."""
    if op.name == "onehot":
        return frozenset({params["axis"]}) if params["classes"] is None else NO_WILD
    if op.name == "rand":
        return frozenset({LEADING, 0, 1}) if params["shape"] is None else NO_WILD
    if not any(wild for _, wild in operands):
        return NO_WILD
    if op.kind is Kind.ELEMENTWISE:
        moved: set[int] = set()
        for shape, wild in operands:
            lead = len(result) - len(shape)
            moved.update(a + lead for a in wild if a != LEADING)
            if LEADING in wild:
                moved.update(range(LEADING, lead))
        # an axis that another operand makes longer is settled
        return frozenset(a for a in moved if a == LEADING or result[a] == 1)
    ((_, wild),) = operands
    if op.name == "transpose":
        return frozenset(i for i, p in enumerate(params["perm"]) if p in wild)
    return wild - {LEADING}  # the axes of a reduction are counted from the first
