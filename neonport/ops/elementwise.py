"""Element-wise ops: rows and NumPy definitions."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from typing import Any

import numpy as np

from neonport.ops.op import (
    EXACT,
    LIBM,
    LOGARITHM,
    POSITIVE,
    QUOTIENT,
    ROUNDED,
    Accuracy,
    Array,
    Cost,
    Kind,
    Op,
    register,
)

SAFELOG_FLOOR = exp(-50.0)  # safelog never returns less than -50
LN2 = log(2.0)


def compare(ufunc: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    """Definition of a comparison: 0 or 1 in the compute dtype, for bools do not add up."""
    return lambda a, b: ufunc(a, b).astype(a.dtype)


def finite(x: Array) -> Array:
    """1 where `x` is neither infinite nor nan."""
    return np.isfinite(x).astype(x.dtype)


def where(condition: Array, a: Array, b: Array) -> Array:
    """`a` where the condition is not 0 (nan is not), else `b`."""
    return np.where(condition != 0, a, b)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x); only non-positive numbers are exponentiated, so nothing overflows."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def sigmoid2(x: Array) -> Array:
    """1 / (1 + 2^-x)."""
    return sigmoid(x * x.dtype.type(LN2))


def tanh2(x: Array) -> Array:
    """(2^2x - 1) / (2^2x + 1), without its overflow."""
    return np.tanh(x * x.dtype.type(LN2))


def safelog(x: Array) -> Array:
    """log(max(x, e^-50)), at least -50; e^-50 = 1.9e-22 is a normal float32."""
    return np.maximum(np.log(np.maximum(x, x.dtype.type(SAFELOG_FLOOR))), x.dtype.type(-50))


def shift(x: Array, s: Array) -> Array:
    """`x` times the power of two nearest to `s`, in the logarithm."""
    return x * np.sign(s) * np.exp2(np.rint(np.log2(np.abs(s))))


def _row(name: str, numpy: Callable[..., Any], text: str, summary: str, **columns: Any) -> None:
    arity = text.count("{")
    register(Op(name, arity, Kind.ELEMENTWISE, numpy, text, summary, **columns))


def _function(
    name: str,
    numpy: Callable[..., Any],
    summary: str,
    accuracy: Accuracy = LIBM,
    cost: Cost = Cost.COSTLY,
    **columns: Any,
) -> None:
    """The row of a function of one operand, which users call by the op's name."""
    columns = {"public": (name,), **columns}
    _row(name, numpy, f"{name}({{0}})", summary, accuracy=accuracy, cost=cost, **columns)


# ---- arithmetic ----------------------------------------------------------------------------------

_row("add", np.add, "({0} + {1})", "a + b", accuracy=ROUNDED, public=("add",))
_row("sub", np.subtract, "({0} - {1})", "a - b", accuracy=ROUNDED, public=("subtract",))
_row("mul", np.multiply, "({0} * {1})", "a * b", accuracy=ROUNDED, public=("multiply",))
_row(
    "div",
    np.true_divide,
    "({0} / {1})",
    "a / b, always a true division",
    accuracy=QUOTIENT,
    public=("divide", "true_divide"),
)
_row(
    "pow",
    np.power,
    "({0} ** {1})",
    "a to the power b; nan for a < 0 with a fraction",
    accuracy=Accuracy(16),  # what OpenCL allows
    cost=Cost.COSTLY,
    domain=POSITIVE,
    public=("power",),
)

# ---- comparisons and choices ---------------------------------------------------------------------

_row("maximum", np.maximum, "maximum({0}, {1})", "larger of a and b; nan wins", public=("maximum",))
_row(
    "minimum", np.minimum, "minimum({0}, {1})", "smaller of a and b; nan wins", public=("minimum",)
)
for _name, _ufunc, _sign, _public in (
    ("eq", np.equal, "==", "equal"),
    ("ne", np.not_equal, "!=", "not_equal"),
    ("lt", np.less, "<", "less"),
    ("le", np.less_equal, "<=", "less_equal"),
    ("gt", np.greater, ">", "greater"),
    ("ge", np.greater_equal, ">=", "greater_equal"),
):
    _row(
        _name,
        compare(_ufunc),
        f"({{0}} {_sign} {{1}})",
        f"1 where a {_sign} b, else 0",
        public=(_public,),
    )
_row(
    "shift",
    shift,
    "shift({0}, {1})",
    "a * sgn(b) * 2^rint(log2|b|)",
    accuracy=LIBM,
    cost=Cost.COSTLY,
)
_row(
    "where",
    where,
    "where({0}, {1}, {2})",
    "a where the condition is not 0, else b",
    public=("where",),
)

# ---- functions of one operand --------------------------------------------------------------------

_row("neg", np.negative, "(-{0})", "-a", public=("negative",))
_row("abs", np.abs, "abs({0})", "magnitude", public=("absolute", "fabs"))
_function("sgn", np.sign, "-1, 0 or 1", EXACT, Cost.CHEAP)
_function("sqrt", np.sqrt, "square root; nan below 0", QUOTIENT, Cost.CHEAP, domain=POSITIVE)
_row("sqr", np.square, "sqr({0})", "a * a", accuracy=ROUNDED, public=("square",))
_function("exp", np.exp, "e^a")
_function("exp2", np.exp2, "2^a")
_function("log", np.log, "natural logarithm; -inf at 0, nan below", LOGARITHM, domain=POSITIVE)
_function("log2", np.log2, "logarithm to base 2", LOGARITHM, domain=POSITIVE)
_function("safelog", safelog, "log(max(a, e^-50)), at least -50", LOGARITHM, domain=POSITIVE)
_function("sig", sigmoid, "logistic function 1 / (1 + e^-a)")
_function("sig2", sigmoid2, "1 / (1 + 2^-a)")
_function("tanh", np.tanh, "hyperbolic tangent")
_function("tanh2", tanh2, "(2^2a - 1) / (2^2a + 1) = tanh(a ln 2)", Accuracy(6))
_function("rint", np.rint, "nearest integer, ties to even", EXACT, Cost.CHEAP)
_function("finite", finite, "1 where a is finite, else 0", EXACT, Cost.CHEAP)
