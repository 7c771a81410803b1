"""The op table: one row an op. Adding an op means one row here, one derivative row, one C row.

Shape and dtype rules per kind (and the special ones) stand in `rules.py`.

The NumPy meaning is the definition of the op on every backend. It receives arrays of the compute
dtype (index operands keep their integer dtype), the op's parameters as keywords, and returns an
array of the shape that the shape rule gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import exp, log
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SAFELOG_FLOOR = exp(-50.0)  # safelog never returns less than -50
LN2 = log(2.0)


class Kind(Enum):
    """How an op relates the indices of its result to those of its operands."""

    ELEMENTWISE = "elementwise"  # result[i] depends on operands[i] (broadcast)
    REDUCTION = "reduction"  # axes are folded, kept at length 1
    MOVEMENT = "movement"  # elements change place, not value
    INDEXING = "indexing"  # an integer operand says which elements
    CONTRACTION = "contraction"  # a product summed over an axis
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
    """

    name: str
    arity: int
    kind: Kind
    numpy: Callable[..., Array]
    text: str
    summary: str

    def __repr__(self) -> str:
        return f"<op {self.name}>"


OPS: dict[str, Op] = {}


def _row(
    name: str, arity: int, kind: Kind, numpy: Callable[..., Array], text: str, summary: str
) -> None:
    OPS[name] = Op(name, arity, kind, numpy, text, summary)


def _as_type_of(flag: Array, operand: Array) -> Array:
    """Comparisons are 0/1 in the compute dtype, never bool (bool algebra is not arithmetic)."""
    return flag.astype(operand.dtype)


def _compare(ufunc: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    return lambda a, b: _as_type_of(ufunc(a, b), np.asarray(a) if np.ndim(a) else b)


def _sigmoid(x: Array) -> Array:
    # both branches only ever exponentiate a non-positive number: no overflow
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def _safelog(x: Array) -> Array:
    # smallest normal float32 is 1.2e-38, so exp(-50) = 1.9e-22 is representable
    return np.maximum(np.log(np.maximum(x, x.dtype.type(SAFELOG_FLOOR))), x.dtype.type(-50))


def _shift(x: Array, s: Array) -> Array:
    return x * np.sign(s) * np.exp2(np.rint(np.log2(np.abs(s))))


def _variance(x: Array, axes: tuple[int, ...]) -> Array:
    return np.mean(np.square(x - np.mean(x, axis=axes, keepdims=True)), axis=axes, keepdims=True)


def _arg(function: Callable[..., Any]) -> Callable[..., Array]:
    def meaning(x: Array, axes: tuple[int, ...]) -> Array:
        if len(axes) == 1:
            return np.expand_dims(function(x, axis=axes[0]), axes[0]).astype(np.int32)
        return np.full((1,) * x.ndim, function(x), np.int32)

    return meaning


def _slice(
    x: Array, starts: tuple[int, ...], steps: tuple[int, ...], shape: tuple[int, ...]
) -> Array:
    return x[region(starts, steps, shape)]


def region(
    starts: tuple[int, ...], steps: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """Slices that pick `shape` elements from `starts` on by `steps` (negative steps included)."""
    out = []
    for start, step, n in zip(starts, steps, shape, strict=True):
        stop: int | None = start + n * step
        out.append(slice(start, None if stop is not None and stop < 0 else stop, step))
    return tuple(out)


def _unslice(
    g: Array, starts: tuple[int, ...], steps: tuple[int, ...], shape: tuple[int, ...]
) -> Array:
    out = np.zeros(shape, g.dtype)
    if g.size:
        out[region(starts, steps, g.shape)] = g
    return out


def _dot(a: Array, b: Array) -> Array:
    return np.matmul(a, b)


def _batched_dot(a: Array, b: Array, reduce: bool) -> Array:
    product = np.matmul(a, b)
    return product.sum(axis=0) if reduce else product


def _take(x: Array, indices: Array, axis: int) -> Array:
    n = x.shape[axis]
    flat = indices.reshape(-1).astype(np.int64)
    inside = (flat >= 0) & (flat < n)
    if n == 0:
        shape = x.shape[:axis] + (flat.size,) + x.shape[axis + 1 :]
        return np.zeros(shape, x.dtype)
    rows = np.take(x, np.where(inside, flat, 0), axis=axis)
    keep = inside.reshape((1,) * axis + (-1,) + (1,) * (x.ndim - axis - 1))
    return np.where(keep, rows, x.dtype.type(0))


def _untake(g: Array, indices: Array, axis: int, size: int) -> Array:
    out = np.zeros(g.shape[:axis] + (size,) + g.shape[axis + 1 :], g.dtype)
    flat = indices.reshape(-1).astype(np.int64)
    for j, index in enumerate(flat):
        if 0 <= index < size:
            at: list[Any] = [slice(None)] * g.ndim
            at[axis] = index
            source = list(at)
            source[axis] = j
            out[tuple(at)] += g[tuple(source)]
    return out


def _onehot(indices: Array, axis: int, shape: tuple[int, ...]) -> Array:
    classes = np.arange(shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
    column = indices.reshape((1, -1) if axis == 0 else (-1, 1))
    return (classes == column).astype(np.float32)


def _rand(uniform: Callable[[int], Array], shape: tuple[int, ...]) -> Array:
    return uniform(int(np.prod(shape))).reshape(shape)


_EW = Kind.ELEMENTWISE
_row("add", 2, _EW, np.add, "({0} + {1})", "a + b")
_row("sub", 2, _EW, np.subtract, "({0} - {1})", "a - b")
_row("mul", 2, _EW, np.multiply, "({0} * {1})", "a * b")
_row("div", 2, _EW, np.true_divide, "({0} / {1})", "a / b, always a true division")
_row("pow", 2, _EW, np.power, "({0} ** {1})", "a to the power b; nan for a < 0 with a fraction")
_row("maximum", 2, _EW, np.maximum, "maximum({0}, {1})", "larger of a and b; nan wins")
_row("minimum", 2, _EW, np.minimum, "minimum({0}, {1})", "smaller of a and b; nan wins")
_row("eq", 2, _EW, _compare(np.equal), "({0} == {1})", "1 where a == b, else 0")
_row("ne", 2, _EW, _compare(np.not_equal), "({0} != {1})", "1 where a != b, else 0")
_row("lt", 2, _EW, _compare(np.less), "({0} < {1})", "1 where a < b, else 0")
_row("le", 2, _EW, _compare(np.less_equal), "({0} <= {1})", "1 where a <= b, else 0")
_row("gt", 2, _EW, _compare(np.greater), "({0} > {1})", "1 where a > b, else 0")
_row("ge", 2, _EW, _compare(np.greater_equal), "({0} >= {1})", "1 where a >= b, else 0")
_row("shift", 2, _EW, _shift, "shift({0}, {1})", "a * sgn(b) * 2^rint(log2|b|)")
_row(
    "where",
    3,
    _EW,
    lambda c, a, b: np.where(c != 0, a, b),
    "where({0}, {1}, {2})",
    "a where the condition is not 0, else b",
)
_row("neg", 1, _EW, np.negative, "(-{0})", "-a")
_row("abs", 1, _EW, np.abs, "abs({0})", "magnitude")
_row("sgn", 1, _EW, np.sign, "sgn({0})", "-1, 0 or 1")
_row("sqrt", 1, _EW, np.sqrt, "sqrt({0})", "square root; nan below 0")
_row("sqr", 1, _EW, np.square, "sqr({0})", "a * a")
_row("exp", 1, _EW, np.exp, "exp({0})", "e^a")
_row("exp2", 1, _EW, np.exp2, "exp2({0})", "2^a")
_row("log", 1, _EW, np.log, "log({0})", "natural logarithm; -inf at 0, nan below")
_row("log2", 1, _EW, np.log2, "log2({0})", "logarithm to base 2")
_row("safelog", 1, _EW, _safelog, "safelog({0})", "log(max(a, e^-50)), at least -50")
_row("sig", 1, _EW, _sigmoid, "sig({0})", "logistic function 1 / (1 + e^-a)")
_row(
    "sig2",
    1,
    _EW,
    lambda x: _sigmoid(x * x.dtype.type(LN2)),
    "sig2({0})",
    "1 / (1 + 2^-a)",
)
_row("tanh", 1, _EW, np.tanh, "tanh({0})", "hyperbolic tangent")
_row(
    "tanh2",
    1,
    _EW,
    lambda x: np.tanh(x * x.dtype.type(LN2)),
    "tanh2({0})",
    "(2^2a - 1) / (2^2a + 1) = tanh(a ln 2)",
)
_row("rint", 1, _EW, np.rint, "rint({0})", "nearest integer, ties to even")
_row(
    "finite",
    1,
    _EW,
    lambda x: _as_type_of(np.isfinite(x), x),
    "finite({0})",
    "1 where a is finite, else 0",
)

_RE = Kind.REDUCTION
_row(
    "sum",
    1,
    _RE,
    lambda x, axes: np.sum(x, axis=axes, keepdims=True),
    "sum({0}, axis={axes})",
    "sum over axes",
)
_row(
    "max",
    1,
    _RE,
    lambda x, axes: np.max(x, axis=axes, keepdims=True),
    "max({0}, axis={axes})",
    "maximum over axes; nan wins",
)
_row(
    "min",
    1,
    _RE,
    lambda x, axes: np.min(x, axis=axes, keepdims=True),
    "min({0}, axis={axes})",
    "minimum over axes; nan wins",
)
_row("var", 1, _RE, _variance, "var({0}, axis={axes})", "biased variance over axes")
_row(
    "argmax",
    1,
    _RE,
    _arg(np.argmax),
    "argmax({0}, axis={axes})",
    "first index of the maximum (int32); the first nan wins",
)
_row(
    "argmin",
    1,
    _RE,
    _arg(np.argmin),
    "argmin({0}, axis={axes})",
    "first index of the minimum (int32); the first nan wins",
)

_MV = Kind.MOVEMENT
_row(
    "transpose",
    1,
    _MV,
    lambda x, perm: np.transpose(x, perm),
    "transpose({0}, {perm})",
    "axes in another order",
)
_row(
    "reshape",
    1,
    _MV,
    lambda x, shape: np.reshape(x, shape),
    "reshape({0}, {shape})",
    "same elements in row-major order, another shape",
)
_row(
    "broadcast",
    1,
    _MV,
    lambda x, shape: np.broadcast_to(x, shape),
    "broadcast({0}, {shape})",
    "unit axes repeated",
)
_row("slice", 1, _MV, _slice, "slice({0}, {starts}, {steps}, {shape})", "a strided region")
_row(
    "unslice",
    1,
    _MV,
    _unslice,
    "unslice({0}, {starts}, {steps}, {shape})",
    "zeros of a shape with a region set",
)

_IX = Kind.INDEXING
_row(
    "take",
    2,
    _IX,
    _take,
    "take({0}, {1}, axis={axis})",
    "entries picked along an axis; 0 for an index out of range",
)
_row(
    "untake",
    2,
    _IX,
    _untake,
    "untake({0}, {1}, axis={axis})",
    "entries added up at their indices, zeros elsewhere",
)
_row(
    "onehot",
    1,
    _IX,
    _onehot,
    "onehot({0}, axis={axis})",
    "1 at each index along an axis; nothing for one out of range",
)

_row("dot", 2, Kind.CONTRACTION, _dot, "dot({0}, {1})", "matrix product")
_row(
    "batched_dot",
    2,
    Kind.CONTRACTION,
    _batched_dot,
    "batched_dot({0}, {1})",
    "matrix products over a leading axis, summed over it if asked",
)
_row("rand", 0, Kind.SOURCE, _rand, "rand()", "uniform numbers in [0, 1)")


def of_kind(*kinds: Kind) -> frozenset[str]:
    """Names of all ops of the given kinds."""
    return frozenset(name for name, op in OPS.items() if op.kind in kinds)
