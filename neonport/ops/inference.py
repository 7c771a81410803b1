"""Shape and dtype rules of the op table; every mistake is found here, when a tree is built."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.dtypes import FLOAT32, INT32, INTEGERS, compute_dtype
from neonport.errors import DtypeError, ShapeError
from neonport.ops.table import Kind, Op
from neonport.ops.window_inference import WINDOW_RULES
from neonport.shape import Shape, broadcast_shapes, reduced_shape

Params = dict[str, Any]
# Axes whose size the assignment target decides; LEADING stands for any number of axes before the
# first one, for random numbers fill a target of any rank.
Wild = frozenset[int]
NO_WILD: Wild = frozenset()
# ops whose results are positions
POSITIONS = frozenset({"argmax", "argmin", "pool_index", "roi_index"})
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


def _reduce(op: Op, shapes: Sequence[Shape], axes: Shape) -> Shape:
    (shape,) = shapes
    if op.name in ("max", "min", "argmax", "argmin") and prod(shape[a] for a in axes) == 0:
        result = reduced_shape(shape, axes)
        if prod(result):
            raise ShapeError(
                f"{op.name}: axis {axes} of shape {shape} is empty, so no element exists"
            )
    return reduced_shape(shape, axes)


def _transpose(op: Op, shapes: Sequence[Shape], perm: Shape) -> Shape:
    (shape,) = shapes
    if sorted(perm) != list(range(len(shape))):
        raise ShapeError(f"transpose: {perm} is not an order of the axes of shape {shape}")
    return tuple(shape[p] for p in perm)


def _reshape(op: Op, shapes: Sequence[Shape], shape: Shape) -> Shape:
    if prod(shape) != prod(shapes[0]):
        raise ShapeError(f"reshape: shape {shapes[0]} has not the number of elements of {shape}")
    return shape


def _broadcast_to(op: Op, shapes: Sequence[Shape], shape: Shape) -> Shape:
    if broadcast_shapes(shapes[0], shape) != shape:
        raise ShapeError(f"broadcast: shape {shapes[0]} does not broadcast to {shape}")
    return shape


def _slice(op: Op, shapes: Sequence[Shape], starts: Shape, steps: Shape, shape: Shape) -> Shape:
    (source,) = shapes
    if not len(source) == len(starts) == len(steps) == len(shape):
        raise ShapeError(f"slice: {starts}, {steps}, {shape} do not match the axes of {source}")
    for n, start, step, m in zip(source, starts, steps, shape, strict=True):
        if m and not (0 <= start < n and 0 <= start + (m - 1) * step < n):
            raise ShapeError(f"slice: {starts} by {steps} of size {shape} leaves shape {source}")
    return shape


def _unslice(op: Op, shapes: Sequence[Shape], starts: Shape, steps: Shape, shape: Shape) -> Shape:
    _slice(op, [shape], starts, steps, shapes[0])
    return shape


def _index_count(op: Op, indices: Shape) -> int:
    """Number of indices in a tensor of shape `indices`, which is a list: one axis is not 1."""
    if sum(n != 1 for n in indices) > 1:
        raise ShapeError(
            f"{op.name}: indices of shape {indices} must have one axis that is not 1; reshape them "
            "to (n, 1)"
        )
    return prod(indices)


def _take(op: Op, shapes: Sequence[Shape], axis: int) -> Shape:
    source, indices = shapes
    return (*source[:axis], _index_count(op, indices), *source[axis + 1 :])


def _untake(op: Op, shapes: Sequence[Shape], axis: int, size: int) -> Shape:
    source, indices = shapes
    count = _index_count(op, indices)
    if count != source[axis]:
        raise ShapeError(f"untake: {count} indices for axis {axis} of shape {source}")
    return (*source[:axis], size, *source[axis + 1 :])


def _onehot(op: Op, shapes: Sequence[Shape], axis: int, classes: int | None) -> Shape:
    n = _index_count(op, shapes[0])
    size = 1 if classes is None else classes
    return (size, n) if axis == 0 else (n, size)


def _dot(op: Op, shapes: Sequence[Shape]) -> Shape:
    a, b = shapes
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise ShapeError(
            f"dot: shapes {a} and {b} do not fit; needed are (m, k) and (k, n). Reshape to 2-D or "
            "transpose an operand with .T"
        )
    return (a[0], b[1])


def _batched_dot(op: Op, shapes: Sequence[Shape], reduce: bool) -> Shape:
    a, b = shapes
    batches = {s[0] for s in shapes if len(s) == 3}
    if {len(a), len(b)} - {2, 3} or len(batches) != 1 or a[-1] != b[-2]:
        raise ShapeError(
            f"batched_dot: shapes {a} and {b} do not fit; needed are (x, m, k) and (x, k, n), one "
            "of them may lack the batch axis x"
        )
    return (a[-2], b[-1]) if reduce else (batches.pop(), a[-2], b[-1])


def _rand(op: Op, shapes: Sequence[Shape], shape: Shape | None) -> Shape:
    return (1, 1) if shape is None else shape


SHAPE_RULES: dict[str, Any] = {
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast": _broadcast_to,
    "slice": _slice,
    "unslice": _unslice,
    "take": _take,
    "untake": _untake,
    "onehot": _onehot,
    "dot": _dot,
    "batched_dot": _batched_dot,
    "rand": _rand,
    **WINDOW_RULES,
}
KIND_SHAPE_RULES: dict[Kind, Any] = {Kind.ELEMENTWISE: _broadcast, Kind.REDUCTION: _reduce}


def infer_shape(op: Op, shapes: Sequence[Shape], params: Params) -> Shape:
    """Shape of `op` applied to operands of `shapes`; ShapeError names op and shapes."""
    rule = SHAPE_RULES.get(op.name) or KIND_SHAPE_RULES[op.kind]
    result: Shape = rule(op, shapes, **params)
    return result


def infer_dtype(op: Op, dtypes: Sequence[np.dtype | None], params: Params) -> np.dtype:
    """Compute dtype of `op`; None stands for a Python number, which adapts to the others.

    Raises:
        DtypeError: an index operand is not of integer type.
    """
    for dtype, letter in zip(dtypes, op.reads, strict=False):
        if letter == "i" and dtype not in INTEGERS:
            raise DtypeError(
                f"{op.name}: indices of dtype {dtype} are not integers; make them int32 with "
                "be.array(indices, dtype=np.int32)"
            )
    if op.name in POSITIONS:
        return INT32
    if op.kind is Kind.SOURCE:
        return FLOAT32
    return value_dtype(op, dtypes)


def value_dtype(op: Op, dtypes: Sequence[np.dtype | None]) -> np.dtype:
    """The dtype in which `op` reads its values."""
    values = zip(dtypes, op.reads, strict=False)
    return compute_dtype(d for d, letter in values if letter == "v" and d is not None)


def operand_dtypes(op: Op, dtypes: Sequence[np.dtype | None]) -> tuple[np.dtype | None, ...]:
    """The dtype in which `op` reads each of its operands, None: as it is stored."""
    found = {"v": value_dtype(op, dtypes), "i": None, "f": FLOAT32}
    return tuple(found[letter] for letter in op.reads[: len(dtypes)])


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
