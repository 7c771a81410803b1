"""Parts of trees that have a better derivative as a whole than op by op.

`1 / (1 + exp(-x))` is a number between 0 and 1 also where `exp` overflows, but op by op its
gradient there is 0 * inf. A pattern says what the ops are together: its row gives a gradient
straight to the operand of `exp`. The values of the tree stay as they are.

| pattern, also with `exp2` | gradient at u |
|---|---|
| `c / (1 + exp(u))`, `(1 + exp(u)) ** -1` | `-g * ans * sig(u)` |
| `exp(u) / (1 + exp(u))` | `g * sig(u) * sig(-u)` |
| `log(1 + exp(u))`, `log1p(exp(u))`, `safelog`, `log2` | `g * sig(u)` |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonport.autodiff.simplify import is_number, mul, neg
from neonport.autodiff.vjps import ROWS
from neonport.ops.elementwise import LN2
from neonport.optree.node import Expression, OpTreeNode, apply

Gradients = list[tuple[Any, Any]]
"""(operand, its gradient) pairs."""

# the exponential -> what is 1 / (1 + exponential of -u), and the derivative of the exponent
_LOGISTIC = {"exp": ("sig", 1.0), "exp2": ("sig2", LN2)}
_LOGARITHMS = {"log": 1.0, "safelog": 1.0, "log1p": 1.0, "log2": 1.0 / LN2}


def _exponential(x: Any) -> Any:
    """The node if it is an exponential of an expression, else None."""
    found = isinstance(x, OpTreeNode) and x.op in _LOGISTIC and isinstance(x.left, Expression)
    return x if found else None


def _one_plus(x: Any) -> Any:
    """The exponential in `1 + exp(u)`, None in anything else."""
    if isinstance(x, OpTreeNode) and x.op == "add":
        for one, other in ((x.left, x.right), (x.right, x.left)):
            if is_number(one) and one == 1:
                return _exponential(other)
    return None


def _quotient(ans: OpTreeNode, g: Any) -> Gradients | None:
    c, below = ans.left, ans.right
    e = _one_plus(below)
    if e is None:
        return None
    logistic, slope = _LOGISTIC[e.op]
    u = e.left
    if isinstance(c, OpTreeNode) and c.op == e.op and c.left is u:
        rising = mul(apply(logistic, u), apply(logistic, neg(u)))
        return [(u, mul(mul(g, slope), rising))]
    gradients = [(u, neg(mul(mul(mul(g, slope), ans), apply(logistic, u))))]
    if not is_number(c):
        gradients.append((c, ROWS["div"](ans, g, c, below)[0]))
    return gradients


def _reciprocal(ans: OpTreeNode, g: Any) -> Gradients | None:
    e = _one_plus(ans.left) if is_number(ans.right) and ans.right == -1 else None
    if e is None:
        return None
    logistic, slope = _LOGISTIC[e.op]
    return [(e.left, neg(mul(mul(mul(g, slope), ans), apply(logistic, e.left))))]


def _logarithm(ans: OpTreeNode, g: Any) -> Gradients | None:
    e = _exponential(ans.left) if ans.op == "log1p" else _one_plus(ans.left)
    if e is None:
        return None
    logistic, slope = _LOGISTIC[e.op]
    return [(e.left, mul(mul(g, slope * _LOGARITHMS[ans.op]), apply(logistic, e.left)))]


PATTERNS: dict[str, Callable[[OpTreeNode, Any], Gradients | None]] = {
    "div": _quotient,
    "pow": _reciprocal,
    **dict.fromkeys(_LOGARITHMS, _logarithm),
}
"""Op of the last node -> its row; None where a node is no such pattern."""
