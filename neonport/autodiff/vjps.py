"""The derivative table: one row an op.

A row is a function `row(ans, g, x, y, ..., **params)` that returns a tuple with one gradient for
each operand, `None` for an operand that gets none (indices, conditions):

    ans       the node itself; use it where the derivative needs the value of the op
    g         the gradient of `ans`: a number, a tensor or a tree
    x, y, z   the operands: numbers, tensors or trees
    params    the parameters of the op, by name (`axes`, `perm`, ...)

Rows only build trees, so their results have derivatives as well. `g` and what a row returns may be
smaller than the shape they stand for, by broadcasting; an op that does not broadcast first writes
`g = full(g, ans.shape, ans)`. Rows of elementwise ops ignore broadcasting of operands: the walk
sums over repeated axes, once, for all of them. Never multiply by 0 to get a shape: 0 * inf is nan.

An op of your own:

    register("cube", lambda ans, g, x: (g * 3 * x * x,))

Every op of the op table is in exactly one of `ROWS`, `ZERO` and `NOT_DIFFERENTIABLE`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, prod, sqrt
from typing import Any

from neonport.autodiff.simplify import (
    add,
    div,
    full,
    gate,
    is_number,
    mul,
    neg,
    raise_to,
    reshape,
    shape_of,
    swap,
    take_region,
    total,
    transpose,
    with_rank,
)
from neonport.autodiff.vjps_along_axis import AXIS_ROWS
from neonport.autodiff.vjps_recurrence import RECURRENCE_ROWS, SECOND
from neonport.autodiff.vjps_windows import WINDOW_ROWS
from neonport.errors import ConfigurationError
from neonport.ops.elementwise import LN2, SAFELOG_FLOOR
from neonport.optree.node import apply
from neonport.shape import Shape

Row = Callable[..., tuple[Any, ...]]

# Constant wherever they have a derivative, or without a tensor operand to have one.
ZERO = frozenset(
    {
        *("eq", "ne", "lt", "le", "gt", "ge", "isnan", "finite"),
        *("logical_and", "logical_or", "logical_xor", "logical_not"),
        *("sgn", "rint", "floor", "ceil", "trunc", "floordiv"),
        *("argmax", "argmin", "argsort", "onehot", "rand", "pool_index", "roi_index"),
    }
)

# No useful derivative: op -> the way out.
NOT_DIFFERENTIABLE: dict[str, str] = {
    "shift": "its factor jumps between powers of two; differentiate the product x * s in its place",
    **SECOND,
}


def _div(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    if not is_number(y) and prod(shape_of(y)) < prod(ans.shape):
        # one y divides many numbers: its reciprocal is one division, and the quotient is rounded
        # once more, 1.5 units in the last place
        gx = mul(g, div(1.0, y))
    else:
        gx = div(g, y)
    return gx, neg(mul(gx, ans))


def _pow(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    if is_number(y):
        return (mul(mul(g, y), raise_to(x, y - 1)) if y else None), None
    # x^0 is 1 and 0^y is 0 around them, yet the formulas are 0 * inf there; the base is replaced
    # before, so that second derivatives are numbers as well
    constant = apply("eq", ans, 0.0)
    if is_number(x):
        if x == 0:
            constant = apply("ge", y, 0.0)
        return None, mul(mul(g, ans), apply("log", apply("where", constant, 1.0, x)))
    corner = apply("logical_and", apply("eq", x, 0.0), apply("eq", y, 0.0))
    gx = mul(mul(g, y), raise_to(apply("where", corner, 1.0, x), add(y, -1.0)))
    constant = apply("logical_or", constant, corner)
    return gx, mul(mul(g, ans), apply("log", apply("where", constant, 1.0, x)))


def _chosen(op: str, g: Any, x: Any, y: Any) -> Any:
    """Gradient of x where `op` holds, half of it where x equals y.

    A number gets no gradient, so x gets none where it equals one: 0 at the kink of a rectifier.
    """
    if is_number(x) or is_number(y):
        return gate(apply(op, x, y), g)
    return apply("where", apply(op, x, y), g, gate(apply("eq", x, y), mul(g, 0.5)))


def _maximum(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    return _chosen("gt", g, x, y), _chosen("gt", g, y, x)


def _minimum(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    return _chosen("lt", g, x, y), _chosen("lt", g, y, x)


def _mod(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    # floor(x / y) would be wrong where the quotient is rounded up to an integer
    return g, neg(mul(g, apply("rint", div(add(x, neg(ans)), y))))


def _logaddexp(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    # equal infinities share, as equal numbers do; their difference is nan
    ahead = apply("where", apply("eq", x, y), 0.0, apply("sub", x, y))
    return mul(g, apply("sig", ahead)), mul(g, apply("sig", neg(ahead)))


def _arctan2(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    # squares of tiny and of huge operands leave the range: both are divided by a power of two,
    # which is exact and, as a constant step by step, has no derivative
    largest = apply("maximum", apply("abs", x), apply("abs", y))
    exponent = apply("floor", apply("log2", apply("where", largest, largest, 1.0)))
    scale = apply("exp2", apply("minimum", apply("maximum", exponent, -126.0), 126.0))
    u, v = div(x, scale), div(y, scale)
    squares = add(mul(u, u), mul(v, v))
    scaled = div(div(g, apply("where", squares, squares, 1.0)), scale)  # 0 at the origin
    return mul(scaled, v), neg(mul(scaled, u))


def _where(ans: Any, g: Any, x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    return None, apply("where", x, g, 0.0), apply("where", x, 0.0, g)


def _extreme(ans: Any, g: Any, x: Any, axes: Shape) -> tuple[Any, ...]:
    # equals share: a subgradient, whose elements add up to g
    equal = apply("eq", x, ans)
    return (gate(equal, div(g, total(equal, axes))),)


def _safelog(ans: Any, g: Any, x: Any) -> tuple[Any, ...]:
    above = apply("gt", x, SAFELOG_FLOOR)  # the second derivative must not divide by 0 either
    return (gate(above, div(g, apply("where", above, x, 1.0))),)


def _var(ans: Any, g: Any, x: Any, axes: Shape) -> tuple[Any, ...]:
    n = prod(shape_of(x)[a] for a in axes)
    if n == 0:
        return (None,)
    mean = mul(apply("sum", x, axes=axes), 1.0 / n)
    return (mul(apply("sub", x, mean), mul(g, 2.0 / n)),)


def _transpose(ans: Any, g: Any, x: Any, perm: Shape) -> tuple[Any, ...]:
    inverse = tuple(perm.index(a) for a in range(len(perm)))
    return (transpose(with_rank(g, len(perm)), inverse),)


def _reshape(ans: Any, g: Any, x: Any, shape: Shape) -> tuple[Any, ...]:
    return (g if is_number(g) else reshape(full(g, shape, ans), shape_of(x)),)


def _slice(ans: Any, g: Any, x: Any, starts: Shape, steps: Shape, shape: Shape) -> tuple[Any, ...]:
    g = full(g, ans.shape, ans)
    return (apply("pad_region", g, starts=starts, steps=steps, shape=shape_of(x)),)


def _pad_region(
    ans: Any, g: Any, x: Any, starts: Shape, steps: Shape, shape: Shape
) -> tuple[Any, ...]:
    g = g if is_number(g) else full(g, shape, ans)
    return (take_region(g, starts, steps, shape_of(x)),)


def _take(ans: Any, g: Any, x: Any, y: Any, axis: int) -> tuple[Any, ...]:
    g = full(g, ans.shape, ans)
    return apply("scatter_add", g, y, axis=axis, size=shape_of(x)[axis]), None


def _scatter_add(ans: Any, g: Any, x: Any, y: Any, axis: int, size: int) -> tuple[Any, ...]:
    return apply("take", full(g, ans.shape, ans), y, axis=axis), None


def _dot(ans: Any, g: Any, x: Any, y: Any) -> tuple[Any, ...]:
    # equal columns of g, or equal rows, turn a product into a sum
    if is_number(g) or (g.shape[1] == 1 != ans.shape[1]):
        gx = mul(g, swap(total(y, (1,))))
    else:
        gx = apply("dot", g, swap(y))
    if is_number(g) or (g.shape[0] == 1 != ans.shape[0]):
        gy = mul(swap(total(x, (0,))), g)
    else:
        gy = apply("dot", swap(x), g)
    return gx, gy


def _product(a: Any, b: Any, reduce: bool) -> Any:
    if len(shape_of(a)) == len(shape_of(b)) == 2:
        return apply("dot", a, b)
    return apply("batched_dot", a, b, reduce=reduce)


def _batched_dot(ans: Any, g: Any, x: Any, y: Any, reduce: bool) -> tuple[Any, ...]:
    g = full(g, ans.shape, ans)
    gx = _product(g, swap(y), reduce=len(shape_of(x)) == 2)
    return gx, _product(swap(x), g, reduce=len(shape_of(y)) == 2)


ROWS: dict[str, Row] = {
    "add": lambda ans, g, x, y: (g, g),
    "sub": lambda ans, g, x, y: (g, neg(g)),
    "mul": lambda ans, g, x, y: (mul(g, y), mul(g, x)),
    "div": _div,
    "pow": _pow,
    "maximum": _maximum,
    "minimum": _minimum,
    "where": _where,
    "neg": lambda ans, g, x: (neg(g),),
    "abs": lambda ans, g, x: (mul(g, apply("sgn", x)),),
    "sqrt": lambda ans, g, x: (div(mul(g, 0.5), ans),),
    "sqr": lambda ans, g, x: (mul(mul(g, 2.0), x),),
    "exp": lambda ans, g, x: (mul(g, ans),),
    "exp2": lambda ans, g, x: (mul(mul(g, LN2), ans),),
    "log": lambda ans, g, x: (div(g, x),),
    "log2": lambda ans, g, x: (div(mul(g, 1.0 / LN2), x),),
    "safelog": _safelog,
    "sig": lambda ans, g, x: (mul(g, ans * (1.0 - ans)),),
    "sig2": lambda ans, g, x: (mul(mul(g, LN2), ans * (1.0 - ans)),),
    "tanh": lambda ans, g, x: (mul(g, 1.0 - ans * ans),),
    "tanh2": lambda ans, g, x: (mul(mul(g, LN2), 1.0 - ans * ans),),
    "sin": lambda ans, g, x: (mul(g, apply("cos", x)),),
    "cos": lambda ans, g, x: (neg(mul(g, apply("sin", x))),),
    "tan": lambda ans, g, x: (mul(g, 1.0 + ans * ans),),
    "arcsin": lambda ans, g, x: (mul(g, apply("rsqrt", (1.0 - x) * (1.0 + x))),),
    "arccos": lambda ans, g, x: (neg(mul(g, apply("rsqrt", (1.0 - x) * (1.0 + x)))),),
    "arctan": lambda ans, g, x: (div(g, 1.0 + x * x),),
    "arctan2": _arctan2,
    "sinh": lambda ans, g, x: (mul(g, apply("cosh", x)),),
    "cosh": lambda ans, g, x: (mul(g, apply("sinh", x)),),
    "erf": lambda ans, g, x: (mul(mul(g, 2.0 / sqrt(pi)), apply("exp", -(x * x))),),
    "log1p": lambda ans, g, x: (div(g, 1.0 + x),),
    "expm1": lambda ans, g, x: (mul(g, 1.0 + ans),),
    "logaddexp": _logaddexp,
    "softplus": lambda ans, g, x: (mul(g, apply("sig", x)),),
    "rsqrt": lambda ans, g, x: (mul(mul(g, -0.5), div(ans, x)),),
    "mod": _mod,
    "sum": lambda ans, g, x, axes: (g,),
    "max": _extreme,
    "min": _extreme,
    "var": _var,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast": lambda ans, g, x, shape: (g,),
    "slice": _slice,
    "pad_region": _pad_region,
    "take": _take,
    "scatter_add": _scatter_add,
    "dot": _dot,
    "batched_dot": _batched_dot,
    **AXIS_ROWS,
    **WINDOW_ROWS,
    **RECURRENCE_ROWS,
}


def register(op: str, row: Row) -> None:
    """Add the derivative of an op that is in the op table.

    Raises:
        ConfigurationError: the op already has a derivative.
    """
    if op in ROWS or op in ZERO or op in NOT_DIFFERENTIABLE:
        raise ConfigurationError(f"register: the op {op!r} already has a derivative row")
    ROWS[op] = row
