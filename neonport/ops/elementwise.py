"""Element-wise ops: rows and NumPy definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import exp, inf, log
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

EXACT_ON_INTEGERS = frozenset(
    {
        *("add", "sub", "mul", "mod", "floordiv", "neg", "abs", "sgn", "sqr"),
        *("maximum", "minimum", "where", "eq", "ne", "lt", "le", "gt", "ge"),
        *("logical_and", "logical_or", "logical_xor", "logical_not"),
        *("rint", "floor", "ceil", "trunc"),
    }
)


MASKS = frozenset(
    {
        *("eq", "ne", "lt", "le", "gt", "ge", "isnan", "finite"),
        *("logical_and", "logical_or", "logical_xor", "logical_not"),
    }
)
"""Ops whose results are 0 and 1, of what holds and what does not."""


def compare(ufunc: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    """Definition of a comparison: 0 or 1 in the compute dtype, for bools do not add up."""
    return lambda a, b: ufunc(a, b).astype(a.dtype)


def compare_one(ufunc: Callable[..., Array]) -> Callable[[Array], Array]:
    """Definition of a test of one operand: 0 or 1 in the compute dtype."""
    return lambda a: ufunc(a).astype(a.dtype)


def whole(ufunc: Callable[..., Array]) -> Callable[[Array], Array]:
    """Definition of a rounding: integers stay as they are."""
    return lambda a: a if a.dtype.kind in "iu" else ufunc(a)


def where(condition: Array, a: Array, b: Array) -> Array:
    """`a` where the condition is not 0 (nan is not), else `b`."""
    return np.where(condition != 0, a, b)


def sigmoid(x: Array) -> Array:
    """`1 / (1 + e^-x)`; only non-positive numbers are exponentiated, so nothing overflows."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def sigmoid2(x: Array) -> Array:
    """`1 / (1 + 2^-x)`."""
    return sigmoid(x * x.dtype.type(LN2))


def tanh2(x: Array) -> Array:
    """`(2^2x - 1) / (2^2x + 1)`, without its overflow."""
    return np.tanh(x * x.dtype.type(LN2))


def safelog(x: Array) -> Array:
    """log(max(x, e^-50)), at least -50; e^-50 = 1.9e-22 is a normal float32."""
    return np.maximum(np.log(np.maximum(x, x.dtype.type(SAFELOG_FLOOR))), x.dtype.type(-50))


def shift(x: Array, s: Array) -> Array:
    """`x` times the power of two nearest to `s`, in the logarithm."""
    return x * np.sign(s) * np.exp2(np.rint(np.log2(np.abs(s))))


def softplus(x: Array) -> Array:
    """log(1 + e^x); only non-positive numbers are exponentiated, so nothing overflows."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def rsqrt(x: Array) -> Array:
    """1 / sqrt(x); inf at 0, nan below."""
    return 1 / np.sqrt(x)


_erf = np.vectorize(math.erf, otypes=[np.float64])


def error_function(x: Array) -> Array:
    """2 / sqrt(pi) times the integral of e^-t^2 from 0 to x, in float64."""
    return np.asarray(_erf(x)).astype(x.dtype)


def _row(name: str, numpy: Callable[..., Any], text: str, summary: str, **columns: Any) -> None:
    arity = text.count("{")
    columns = {"integers": name in EXACT_ON_INTEGERS, **columns}
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

_row(
    "mod",
    np.mod,
    "mod({0}, {1})",
    "a - b * floor(a / b), with the sign of b; nan for b = 0, 0 for integers",
    accuracy=ROUNDED,
    cost=Cost.COSTLY,
    public=("mod",),
)
_row(
    "floordiv",
    np.floor_divide,
    "({0} // {1})",
    "a / b rounded down; 0 for integers where b is 0",
    accuracy=QUOTIENT,
    cost=Cost.COSTLY,
    public=("floor_divide",),
)
_row(
    "logaddexp",
    np.logaddexp,
    "logaddexp({0}, {1})",
    "log(e^a + e^b), without its overflow",
    accuracy=Accuracy(4, 2),  # a sum of opposite signs may cancel
    cost=Cost.COSTLY,
    public=("logaddexp",),
)
_row(
    "arctan2",
    np.arctan2,
    "arctan2({0}, {1})",
    "angle of the point (b, a), -pi to pi",
    accuracy=Accuracy(7),
    cost=Cost.COSTLY,
    public=("arctan2",),
)

# ---- comparisons and choices ---------------------------------------------------------------------

_row("maximum", np.maximum, "maximum({0}, {1})", "larger of a and b; nan wins", public=("maximum",))
_row(
    "minimum", np.minimum, "minimum({0}, {1})", "smaller of a and b; nan wins", public=("minimum",)
)
_COMPARISONS: dict[str, tuple[Any, str, str]] = {
    "eq": (np.equal, "==", "equal"),
    "ne": (np.not_equal, "!=", "not_equal"),
    "lt": (np.less, "<", "less"),
    "le": (np.less_equal, "<=", "less_equal"),
    "gt": (np.greater, ">", "greater"),
    "ge": (np.greater_equal, ">=", "greater_equal"),
}
for _name, (_ufunc, _sign, _public) in _COMPARISONS.items():
    _row(
        _name,
        compare(_ufunc),
        f"({{0}} {_sign} {{1}})",
        f"1 where a {_sign} b, else 0",
        public=(_public,),
    )
_LOGICAL: dict[str, Any] = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
for _word, _ufunc in _LOGICAL.items():
    _row(
        f"logical_{_word}",
        compare(_ufunc),
        f"logical_{_word}({{0}}, {{1}})",
        f"1 where a is not 0 {_word} b is not 0, else 0; nan is not 0",
        public=(f"logical_{_word}",),
    )
_function("logical_not", compare_one(np.logical_not), "1 where a is 0, else 0", EXACT, Cost.CHEAP)
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
    reads="cvv",
    public=("where",),
)

# ---- functions of one operand --------------------------------------------------------------------

_row("neg", np.negative, "(-{0})", "-a", public=("negative",))
_row("abs", np.abs, "abs({0})", "magnitude", public=("absolute", "fabs", "abs"))
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
_function(
    "rint",
    whole(np.rint),
    "nearest integer, ties to even",
    EXACT,
    Cost.CHEAP,
    public=("rint", "round"),
)
_function(
    "finite",
    compare_one(np.isfinite),
    "1 where a is finite, else 0",
    EXACT,
    Cost.CHEAP,
    public=("finite", "isfinite"),
)
_function("isnan", compare_one(np.isnan), "1 where a is nan, else 0", EXACT, Cost.CHEAP)
_function("floor", whole(np.floor), "largest integer that is not above a", EXACT, Cost.CHEAP)
_function("ceil", whole(np.ceil), "smallest integer that is not below a", EXACT, Cost.CHEAP)
_function("trunc", whole(np.trunc), "a without its fraction", EXACT, Cost.CHEAP)
_function("rsqrt", rsqrt, "1 / sqrt(a); inf at 0, nan below", LIBM, Cost.CHEAP, domain=POSITIVE)
_function("log1p", np.log1p, "log(1 + a), exact near 0", domain=(-1.0, inf))
_function("expm1", np.expm1, "e^a - 1, exact near 0")
_function("softplus", softplus, "log(1 + e^a), without its overflow")
_function("erf", error_function, "error function", Accuracy(16))  # what OpenCL allows

# ---- trigonometry: the bounds are OpenCL's, and one more for a vectorised library ----------------

_function("sin", np.sin, "sine", Accuracy(5))
_function("cos", np.cos, "cosine", Accuracy(5))
_function("tan", np.tan, "tangent", Accuracy(6))
_function("arcsin", np.arcsin, "inverse sine; nan beyond -1 and 1", Accuracy(5), domain=(-1, 1))
_function("arccos", np.arccos, "inverse cosine; nan beyond -1 and 1", Accuracy(5), domain=(-1, 1))
_function("arctan", np.arctan, "inverse tangent", Accuracy(6))
_function("sinh", np.sinh, "hyperbolic sine", Accuracy(5))
_function("cosh", np.cosh, "hyperbolic cosine", Accuracy(5))
