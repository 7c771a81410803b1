"""The op table: one row an op. Adding an op means one row here, one derivative row, one C row.

Shape and dtype rules per kind (and the special ones) stand in `rules.py`, the NumPy meanings that
are more than one function of NumPy's in `meanings.py`.

The NumPy meaning is the definition of the op on every backend. It receives arrays of the compute
dtype with at least two axes (a number is (1, 1); index operands keep their integer dtype) and the
op's parameters as keywords, and returns an array of the shape that the shape rule gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from neonport.ops import definitions as m
from neonport.ops import windows as w
from neonport.ops.definitions import LN2 as LN2
from neonport.ops.definitions import SAFELOG_FLOOR as SAFELOG_FLOOR
from neonport.ops.definitions import Array


class Kind(Enum):
    """How an op relates the indices of its result to those of its operands."""

    ELEMENTWISE = "elementwise"  # result[i] depends on operands[i] (broadcast)
    REDUCTION = "reduction"  # axes are folded, kept at length 1
    MOVEMENT = "movement"  # elements change place, not value
    INDEXING = "indexing"  # an integer operand (the last one) says which elements
    CONTRACTION = "contraction"  # a product summed over an axis
    WINDOW = "window"  # result cells are made from windows of cells
    SOURCE = "source"  # no tensor operand


@dataclass(frozen=True, eq=False)
class Op:
    """A row of the table.

    Attributes:
        name: the key, neon's name where neon has the op.
        arity: number of operands.
        kind: how indices relate.
        numpy: meaning.
        text: format of the printed formula, `{0}`, `{1}` being the operands.
        summary: one line of documentation.
        params: names of the parameters, in the order in which they are given.
        reads: a letter for each operand, further ones do not count: "v" a value, read in the
            compute dtype; "i" integers, read as they are stored; "f" coordinates, as float32.
    """

    name: str
    arity: int
    kind: Kind
    numpy: Callable[..., Array]
    text: str
    summary: str
    params: tuple[str, ...] = ()
    reads: str = "vvv"

    def __repr__(self) -> str:
        return f"<op {self.name}>"


OPS: dict[str, Op] = {}


def _rows(kind: Kind, params: str, *rows: tuple[Any, ...], reads: str = "vvv") -> None:
    for name, arity, numpy, text, summary in rows:
        OPS[name] = Op(name, arity, kind, numpy, text, summary, tuple(params.split()), reads)


_rows(
    Kind.ELEMENTWISE,
    "",
    ("add", 2, np.add, "({0} + {1})", "a + b"),
    ("sub", 2, np.subtract, "({0} - {1})", "a - b"),
    ("mul", 2, np.multiply, "({0} * {1})", "a * b"),
    ("div", 2, np.true_divide, "({0} / {1})", "a / b, always a true division"),
    ("pow", 2, np.power, "({0} ** {1})", "a to the power b; nan for a < 0 with a fraction"),
    ("maximum", 2, np.maximum, "maximum({0}, {1})", "larger of a and b; nan wins"),
    ("minimum", 2, np.minimum, "minimum({0}, {1})", "smaller of a and b; nan wins"),
    ("eq", 2, m.compare(np.equal), "({0} == {1})", "1 where a == b, else 0"),
    ("ne", 2, m.compare(np.not_equal), "({0} != {1})", "1 where a != b, else 0"),
    ("lt", 2, m.compare(np.less), "({0} < {1})", "1 where a < b, else 0"),
    ("le", 2, m.compare(np.less_equal), "({0} <= {1})", "1 where a <= b, else 0"),
    ("gt", 2, m.compare(np.greater), "({0} > {1})", "1 where a > b, else 0"),
    ("ge", 2, m.compare(np.greater_equal), "({0} >= {1})", "1 where a >= b, else 0"),
    ("shift", 2, m.shift, "shift({0}, {1})", "a * sgn(b) * 2^rint(log2|b|)"),
    ("where", 3, m.where, "where({0}, {1}, {2})", "a where the condition is not 0, else b"),
    ("neg", 1, np.negative, "(-{0})", "-a"),
    ("abs", 1, np.abs, "abs({0})", "magnitude"),
    ("sgn", 1, np.sign, "sgn({0})", "-1, 0 or 1"),
    ("sqrt", 1, np.sqrt, "sqrt({0})", "square root; nan below 0"),
    ("sqr", 1, np.square, "sqr({0})", "a * a"),
    ("exp", 1, np.exp, "exp({0})", "e^a"),
    ("exp2", 1, np.exp2, "exp2({0})", "2^a"),
    ("log", 1, np.log, "log({0})", "natural logarithm; -inf at 0, nan below"),
    ("log2", 1, np.log2, "log2({0})", "logarithm to base 2"),
    ("safelog", 1, m.safelog, "safelog({0})", "log(max(a, e^-50)), at least -50"),
    ("sig", 1, m.sigmoid, "sig({0})", "logistic function 1 / (1 + e^-a)"),
    ("sig2", 1, m.sigmoid2, "sig2({0})", "1 / (1 + 2^-a)"),
    ("tanh", 1, np.tanh, "tanh({0})", "hyperbolic tangent"),
    ("tanh2", 1, m.tanh2, "tanh2({0})", "(2^2a - 1) / (2^2a + 1) = tanh(a ln 2)"),
    ("rint", 1, np.rint, "rint({0})", "nearest integer, ties to even"),
    ("finite", 1, m.finite, "finite({0})", "1 where a is finite, else 0"),
)
_rows(
    Kind.REDUCTION,
    "axes",
    ("sum", 1, m.total, "sum({0}, axis={axes})", "sum over axes"),
    ("max", 1, m.extreme(np.max), "max({0}, axis={axes})", "maximum over axes; nan wins"),
    ("min", 1, m.extreme(np.min), "min({0}, axis={axes})", "minimum over axes; nan wins"),
    ("var", 1, m.variance, "var({0}, axis={axes})", "biased variance over axes; nan of nothing"),
    (
        "argmax",
        1,
        m.position(np.argmax),
        "argmax({0}, axis={axes})",
        "first index of the maximum (int32); the first nan wins",
    ),
    (
        "argmin",
        1,
        m.position(np.argmin),
        "argmin({0}, axis={axes})",
        "first index of the minimum (int32); the first nan wins",
    ),
)
_rows(
    Kind.MOVEMENT,
    "perm",
    (
        "transpose",
        1,
        lambda x, perm: np.transpose(x, perm),
        "transpose({0}, {perm})",
        "axes in another order",
    ),
)
_rows(
    Kind.MOVEMENT,
    "shape",
    (
        "reshape",
        1,
        lambda x, shape: np.reshape(x, shape),
        "reshape({0}, {shape})",
        "same elements in row-major order, another shape",
    ),
    (
        "broadcast",
        1,
        lambda x, shape: np.broadcast_to(x, shape),
        "broadcast({0}, {shape})",
        "unit axes repeated",
    ),
)
_rows(
    Kind.MOVEMENT,
    "starts steps shape",
    ("slice", 1, m.cut, "slice({0}, {starts}, {steps}, {shape})", "a strided region"),
    (
        "unslice",
        1,
        m.paste,
        "unslice({0}, {starts}, {steps}, {shape})",
        "zeros of a shape with a region set",
    ),
)
_rows(
    Kind.INDEXING,
    "axis",
    (
        "take",
        2,
        m.take,
        "take({0}, {1}, axis={axis})",
        "entries picked along an axis; 0 for an index out of range",
    ),
    reads="vi",
)
_rows(
    Kind.INDEXING,
    "axis size",
    (
        "untake",
        2,
        m.untake,
        "untake({0}, {1}, axis={axis})",
        "entries added up at their indices, zeros elsewhere",
    ),
    reads="vi",
)
_rows(
    Kind.INDEXING,
    "axis classes",
    (
        "onehot",
        1,
        m.onehot,
        "onehot({0}, axis={axis})",
        "1 at each index along an axis; nothing for one out of range",
    ),
    reads="i",
)
_rows(Kind.CONTRACTION, "", ("dot", 2, np.matmul, "dot({0}, {1})", "matrix product"))
_rows(
    Kind.CONTRACTION,
    "reduce",
    (
        "batched_dot",
        2,
        m.batched_dot,
        "batched_dot({0}, {1})",
        "matrix products over a leading axis, summed over it if asked",
    ),
)
_rows(
    Kind.WINDOW,
    "padding stride dilation",
    (
        "conv",
        2,
        w.conv,
        "conv({0}, {1}, {padding}, {stride}, {dilation})",
        "cross-correlation of x (C, D, H, W, N) with filters (C, T, R, S, K), zeros outside",
    ),
)
_rows(
    Kind.WINDOW,
    "padding stride dilation size",
    (
        "conv_data",
        2,
        w.conv_data,
        "conv_data({0}, {1}, {padding}, {stride}, {dilation}, {size})",
        "adjoint of conv for x of a size: from filters and e (K, M, P, Q, N)",
    ),
    (
        "conv_filter",
        2,
        w.conv_filter,
        "conv_filter({0}, {1}, {padding}, {stride}, {dilation}, {size})",
        "adjoint of conv for filters of a size: from x and e",
    ),
)
_rows(
    Kind.WINDOW,
    "how window padding stride size",
    (
        "pool",
        1,
        w.pool,
        "pool({0}, {how}, {window}, {padding}, {stride}, {size})",
        "max, avg or sum of the cells of each window that are inside; 0 of none; nan wins",
    ),
    (
        "spread",
        1,
        w.spread,
        "spread({0}, {how}, {window}, {padding}, {stride}, {size})",
        "adjoint of pool avg and sum: e added to all cells of its window",
    ),
)
_rows(
    Kind.WINDOW,
    "window padding stride size",
    (
        "pool_index",
        1,
        w.pool_index,
        "pool_index({0}, {window}, {padding}, {stride}, {size})",
        "number in its window of the first maximum (int32); -1 of none; the first nan wins",
    ),
)
_rows(
    Kind.WINDOW,
    "window padding stride size",
    (
        "unpool",
        2,
        w.unpool,
        "unpool({0}, {1}, {window}, {padding}, {stride}, {size})",
        "adjoint of pool max: e added at the cell that an index names; nothing if it is outside",
    ),
    reads="vi",
)
_rows(
    Kind.WINDOW,
    "window padding stride",
    (
        "pool_pick",
        2,
        w.pool_pick,
        "pool_pick({0}, {1}, {window}, {padding}, {stride})",
        "the cell of each window that an index names; 0 if it is outside",
    ),
    reads="vi",
)
_rows(
    Kind.WINDOW,
    "size scale",
    (
        "roi_pool",
        2,
        w.roi_pool,
        "roi_pool({0}, {1}, {size}, {scale})",
        "max of each bin of each region of x (C, H, W, N); 0 of an empty bin; nan wins",
    ),
    (
        "roi_index",
        2,
        w.roi_index,
        "roi_index({0}, {1}, {size}, {scale})",
        "h * W + w of the first maximum of each bin (int32); -1 of an empty bin",
    ),
    reads="vf",
)
_rows(
    Kind.WINDOW,
    "size",
    (
        "roi_spread",
        3,
        w.roi_spread,
        "roi_spread({0}, {1}, {2}, {size})",
        "adjoint of roi_pool: e added where an index says in its region's image",
    ),
    reads="vfi",
)
_rows(
    Kind.WINDOW,
    "",
    (
        "roi_pick",
        3,
        w.roi_pick,
        "roi_pick({0}, {1}, {2})",
        "the cell of its region's image that an index names; 0 if it is outside",
    ),
    reads="vfi",
)
_rows(Kind.SOURCE, "shape", ("rand", 0, m.rand, "rand()", "uniform numbers in [0, 1)"))


def of_kind(*kinds: Kind) -> frozenset[str]:
    """Names of all ops of the given kinds."""
    return frozenset(name for name, op in OPS.items() if op.kind in kinds)
