"""Matrix products: rows, shape rules and NumPy definitions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.errors import ShapeError
from neonport.ops.op import SUMS, Array, Kind, Op, register
from neonport.shape import Shape


def batched_dot(a: Array, b: Array, reduce: bool) -> Array:
    """Products over a leading axis that one of the operands may lack, or their sum."""
    product = np.matmul(a, b)
    return product.sum(axis=0) if reduce else product


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


def _terms(shapes: Sequence[Shape], params: dict[str, Any]) -> int:
    a = shapes[0]
    return a[-1] * (a[0] if params.get("reduce") else 1)


def _work(shapes: Sequence[Shape], params: dict[str, Any]) -> int:
    batch = max(prod(shape[:-2]) for shape in shapes)
    return 2 * batch * prod(shapes[-1][-2:]) * shapes[0][-1]


register(
    Op(
        "dot",
        2,
        Kind.CONTRACTION,
        np.matmul,
        "dot({0}, {1})",
        "matrix product",
        public=("dot",),
        accuracy=SUMS,
        infer=_dot,
        terms=_terms,
        work=_work,
    )
)
register(
    Op(
        "batched_dot",
        2,
        Kind.CONTRACTION,
        batched_dot,
        "batched_dot({0}, {1})",
        "matrix products over a leading axis, summed over it if asked",
        ("reduce",),
        accuracy=SUMS,
        infer=_batched_dot,
        terms=_terms,
        work=_work,
    )
)
