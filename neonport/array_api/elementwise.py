"""Element-wise functions: one tree each, of ops of the op table.

What the table has no op for, and all arithmetic of uint64, is computed by NumPy on the host; the
rows below say which.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.array_api.core.array import Array
from neonport.array_api.core.dtypes import (
    ALL,
    FLOATING,
    INTEGRAL,
    NUMERIC,
    bool_,
    check_kind,
    uint64,
    weak,
)
from neonport.array_api.core.evaluate import (
    SCALARS,
    Operands,
    array_of,
    broadcast,
    from_host,
    on_host,
    result,
    same_backend,
    scalar_of,
    wrapped,
)
from neonport.errors import ConfigurationError
from neonport.optree.node import apply

Kinds = tuple[np.dtype, ...]
Tree = Callable[..., Any]
Unary = Callable[[Array], Array]
Binary = Callable[[Any, Any], Array]

LOGIC = (bool_,)
BITS = (bool_, *INTEGRAL)


def _op(name: str) -> Tree:
    """Builds the node of an op of the table."""
    return lambda *terms: apply(name, *terms)


def _unary(
    name: str,
    tree: Tree | None,
    kinds: Kinds,
    summary: str,
    *,
    numpy: Callable[..., Any] | None = None,
    dtype: np.dtype | None = None,
) -> Unary:
    """A function of one array.

    Args:
        name: the standard's.
        tree: of the tensor; None where NumPy computes.
        kinds: dtypes that it takes.
        summary: its documentation.
        numpy: NumPy's function, if it has another name.
        dtype: of the result; None: the argument's.
    """
    definition = numpy or getattr(np, name)

    def function(x: Array, /) -> Array:
        array_of(name, x)
        check_kind(name, x.dtype, kinds)
        out = x.dtype if dtype is None else dtype
        if tree is None or x.dtype == uint64:
            return on_host(definition, [x], out)
        return result(x.tensor.backend, wrapped(tree(x.tensor), out), out, x.shape)

    function.__name__ = function.__qualname__ = name
    where = " Computed by NumPy on the host." if tree is None else ""
    function.__doc__ = f"{summary}{where}"
    return function


def _binary(
    name: str,
    tree: Tree | None,
    kinds: Kinds,
    summary: str,
    *,
    dtype: np.dtype | None = None,
    host: Kinds = (uint64,),
) -> Binary:
    """A function of two arrays, or an array and a Python scalar; see `_unary`.

    `host`: dtypes for which NumPy computes.
    """
    definition = getattr(np, name)

    def function(x1: Any, x2: Any, /) -> Array:
        given = Operands(name, [x1, x2], kinds)
        out = given.dtype if dtype is None else dtype
        if tree is None or given.dtype in host:
            return given.host(definition, out)
        return result(given.backend, wrapped(tree(*given.terms), out), out, given.shape)

    function.__name__ = function.__qualname__ = name
    where = " Computed by NumPy on the host." if tree is None else ""
    function.__doc__ = f"{summary}{where}"
    return function


def _is_infinite(x: Any) -> Any:
    return apply("eq", apply("abs", x), math.inf)


def _hypotenuse(x: Any, y: Any) -> Any:
    """Without the overflow of the squares; infinite next to nan, as C has it."""
    x, y = apply("abs", x), apply("abs", y)
    large, small = apply("maximum", x, y), apply("minimum", x, y)
    ratio = apply("div", small, apply("where", apply("eq", large, 0.0), 1.0, large))
    length = apply("mul", large, apply("sqrt", apply("add", apply("sqr", ratio), 1.0)))
    return apply("where", apply("logical_or", _is_infinite(x), _is_infinite(y)), math.inf, length)


def _power(x: Any, y: Any) -> Any:
    """The commonest exponent is a product, rounded once as NumPy's."""
    return apply("sqr", x) if type(y) is float and y == 2 else apply("pow", x, y)


# ---- arithmetic ----------------------------------------------------------------------------------

add = _binary("add", _op("add"), NUMERIC, "x1 + x2.")
subtract = _binary("subtract", _op("sub"), NUMERIC, "x1 - x2.")
multiply = _binary("multiply", _op("mul"), NUMERIC, "x1 * x2.")
divide = _binary("divide", _op("div"), FLOATING, "x1 / x2, of floats.")
floor_divide = _binary("floor_divide", _op("floordiv"), NUMERIC, "x1 / x2 rounded down.")
remainder = _binary("remainder", _op("mod"), NUMERIC, "The rest of x1 / x2, with x2's sign.")
pow = _binary(
    "pow",
    _power,
    NUMERIC,
    "x1 to the power x2; of integers by NumPy on the host.",
    host=INTEGRAL,
)
atan2 = _binary("atan2", _op("arctan2"), FLOATING, "Angle of the point (x2, x1), -pi to pi.")
logaddexp = _binary("logaddexp", _op("logaddexp"), FLOATING, "log(e^x1 + e^x2).")
hypot = _binary("hypot", _hypotenuse, FLOATING, "sqrt(x1^2 + x2^2), without its overflow.")
maximum = _binary("maximum", _op("maximum"), NUMERIC, "The larger of both; nan wins.")
minimum = _binary("minimum", _op("minimum"), NUMERIC, "The smaller of both; nan wins.")
copysign = _binary("copysign", None, FLOATING, "x1 with the sign of x2.")
nextafter = _binary("nextafter", None, FLOATING, "The number next to x1 on the way to x2.")

# ---- comparisons and logic -----------------------------------------------------------------------

equal = _binary("equal", _op("eq"), ALL, "x1 == x2.", dtype=bool_)
not_equal = _binary("not_equal", _op("ne"), ALL, "x1 != x2.", dtype=bool_)
less = _binary("less", _op("lt"), NUMERIC, "x1 < x2.", dtype=bool_)
less_equal = _binary("less_equal", _op("le"), NUMERIC, "x1 <= x2.", dtype=bool_)
greater = _binary("greater", _op("gt"), NUMERIC, "x1 > x2.", dtype=bool_)
greater_equal = _binary("greater_equal", _op("ge"), NUMERIC, "x1 >= x2.", dtype=bool_)
logical_and = _binary("logical_and", _op("logical_and"), LOGIC, "Both.")
logical_or = _binary("logical_or", _op("logical_or"), LOGIC, "One of them, or both.")
logical_xor = _binary("logical_xor", _op("logical_xor"), LOGIC, "One of them.")
logical_not = _unary("logical_not", _op("logical_not"), LOGIC, "Not x.")

# ---- bits: of bools they are logic, the op table has none of integers ----------------------------

_BY_NUMPY = "; of integers by NumPy on the host."
bitwise_and = _binary(
    "bitwise_and", _op("logical_and"), BITS, f"Bits of both{_BY_NUMPY}", host=INTEGRAL
)
bitwise_or = _binary(
    "bitwise_or", _op("logical_or"), BITS, f"Bits of either{_BY_NUMPY}", host=INTEGRAL
)
bitwise_xor = _binary(
    "bitwise_xor", _op("logical_xor"), BITS, f"Bits of one of them{_BY_NUMPY}", host=INTEGRAL
)
bitwise_left_shift = _binary("bitwise_left_shift", None, INTEGRAL, "x1 shifted by x2 bits.")
bitwise_right_shift = _binary("bitwise_right_shift", None, INTEGRAL, "x1 shifted by x2 bits.")


def bitwise_invert(x: Array, /) -> Array:
    """All bits turned round: -x - 1 of integers, `logical_not` of bools."""
    array_of("bitwise_invert", x)
    check_kind("bitwise_invert", x.dtype, BITS)
    if x.dtype == bool_:
        return logical_not(x)
    return _inverted(x)


_inverted = _unary(
    "bitwise_invert",
    lambda t: apply("sub", apply("neg", t), 1),
    INTEGRAL,
    "All bits turned round.",
)

# ---- functions of one array ----------------------------------------------------------------------

abs = _unary("abs", _op("abs"), NUMERIC, "Magnitude.")
negative = _unary("negative", _op("neg"), NUMERIC, "-x.")
positive = _unary("positive", lambda t: t, NUMERIC, "A copy.")
conj = _unary("conj", lambda t: t, NUMERIC, "A copy: real numbers are their own conjugates.")
real = _unary("real", lambda t: t, NUMERIC, "A copy: there are no complex numbers here.")
imag = _unary("imag", lambda t: apply("where", 1.0, 0, t), NUMERIC, "Zeros.")
sign = _unary("sign", _op("sgn"), NUMERIC, "-1, 0 or 1; nan of nan.")
square = _unary("square", _op("sqr"), NUMERIC, "x * x.")
ceil = _unary("ceil", _op("ceil"), NUMERIC, "The smallest integer that is not below.")
floor = _unary("floor", _op("floor"), NUMERIC, "The largest integer that is not above.")
round = _unary("round", _op("rint"), NUMERIC, "The nearest integer; ties go to even.")
trunc = _unary("trunc", _op("trunc"), NUMERIC, "x without its fraction.")
isfinite = _unary("isfinite", _op("finite"), NUMERIC, "Neither infinite nor nan.", dtype=bool_)
isinf = _unary("isinf", _is_infinite, NUMERIC, "Whether x is infinite.", dtype=bool_)
isnan = _unary("isnan", _op("isnan"), NUMERIC, "Whether x is nan.", dtype=bool_)
signbit = _unary(
    "signbit", None, FLOATING, "Whether the sign is negative, of -0.0 too.", dtype=bool_
)
reciprocal = _unary("reciprocal", lambda t: apply("div", 1.0, t), FLOATING, "1 / x.")
sqrt = _unary("sqrt", _op("sqrt"), FLOATING, "Square root; nan below 0.")
exp = _unary("exp", _op("exp"), FLOATING, "e^x.")
expm1 = _unary("expm1", _op("expm1"), FLOATING, "e^x - 1, exact near 0.")
log = _unary("log", _op("log"), FLOATING, "Natural logarithm.")
log1p = _unary("log1p", _op("log1p"), FLOATING, "log(1 + x), exact near 0.")
log2 = _unary("log2", _op("log2"), FLOATING, "Logarithm to base 2.")
log10 = _unary("log10", None, FLOATING, "Logarithm to base 10.")
sin = _unary("sin", _op("sin"), FLOATING, "Sine.")
cos = _unary("cos", _op("cos"), FLOATING, "Cosine.")
tan = _unary("tan", _op("tan"), FLOATING, "Tangent.")
asin = _unary("asin", _op("arcsin"), FLOATING, "Inverse sine.")
acos = _unary("acos", _op("arccos"), FLOATING, "Inverse cosine.")
atan = _unary("atan", _op("arctan"), FLOATING, "Inverse tangent.")
sinh = _unary("sinh", _op("sinh"), FLOATING, "Hyperbolic sine.")
cosh = _unary("cosh", _op("cosh"), FLOATING, "Hyperbolic cosine.")
tanh = _unary("tanh", _op("tanh"), FLOATING, "Hyperbolic tangent.")
asinh = _unary("asinh", None, FLOATING, "Inverse hyperbolic sine.")
acosh = _unary("acosh", None, FLOATING, "Inverse hyperbolic cosine.")
atanh = _unary("atanh", None, FLOATING, "Inverse hyperbolic tangent.")


def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:
    """x within bounds, in the dtype of x.

    Args:
        x: an array of numbers.
        min, max: the bounds: arrays, Python scalars, or None for no bound.

    Raises:
        DtypeError, ShapeError: bounds that do not go with x.
        ConfigurationError: a bound is a number that the dtype of x does not have.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.clip(xp.asarray([-1, 5, 9]), 0, 7)
        Array([0, 5, 7], dtype=int64, device='cpu:0')
    """
    array_of("clip", x)
    check_kind("clip", x.dtype, NUMERIC)
    bounds = [scalar_of(b) for b in (min, max)]
    arrays = [x]
    for bound in bounds:
        if isinstance(bound, SCALARS):
            weak("clip", bound, x.dtype)
        elif bound is not None:
            same = array_of("clip", bound)
            if same.dtype.kind != x.dtype.kind:
                raise ConfigurationError(
                    f"clip: bounds of {same.dtype} for an array of {x.dtype}; convert them"
                )
            arrays.append(same)
    backend = same_backend("clip", arrays)
    shape = broadcast("clip", [a.shape for a in arrays])
    sides = [
        (bound, op)
        for bound, op in zip(bounds, ("maximum", "minimum"), strict=True)
        if bound is not None
    ]
    if uint64 in [a.dtype for a in arrays]:
        found = x.host()
        for bound, op in sides:
            limit = bound.host() if isinstance(bound, Array) else bound
            found = getattr(np, op)(found, limit)
        return from_host(backend, found, x.dtype)
    tree: Any = x.tensor
    for bound, op in sides:
        tree = apply(op, tree, bound.tensor if isinstance(bound, Array) else bound)
    return result(backend, tree, x.dtype, shape)
