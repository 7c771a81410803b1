"""Builders of nodes for the ops that user code applies most: `apply`, unrolled.

Everything here gives the node that `apply` gives, and in any unusual case calls it. What a builder
derived from the structure of its operands it finds again by small integers: a structure's `uid` is
followed by numbers that are nobody else's, one for each builder.

A node is filled slot by slot: a constructor with arguments takes twice as long. For the same reason
the functions of a backend are builders themselves, with `out` behind the operands.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from neonport.dtypes import EXACT
from neonport.errors import DtypeError, ShapeError
from neonport.ops.op import OPS
from neonport.optree.node import Expression, OpTreeNode, apply, as_operand
from neonport.optree.replay_number import Traced
from neonport.optree.signature import UID_STEP, Signature
from neonport.shape import normalize_axes

_codes = itertools.count(1)


def _next_code() -> int:
    code = next(_codes)
    assert code < UID_STEP, "more builders than numbers after a structure's own"
    return code


@cache
def unary(name: str) -> Callable[..., Any]:
    """The function of an element-wise op on one operand: its node, or `out` after it ran."""
    new = OpTreeNode
    code = _next_code()

    def build(a: Any, out: Any = None) -> Any:
        try:
            sig = a.sig.derived[code]
        except (AttributeError, KeyError):  # not an expression, or the first of its structure
            node = None
        else:
            node = new()
            node.sig = sig
            node._first = a
            node._second = node._found = None
        if node is None:
            node = first(a)
        return node if out is None else emit(node, out)

    def first(a: Any) -> OpTreeNode:
        made = apply(name, a)
        if isinstance(a, Expression) and not a.sig.constant:
            _keep(a.sig, code, made.sig)
        return made

    return _described(build, name, "element by element; an op-tree, or `out`.", "x")


@cache
def binary(name: str) -> Callable[..., Any]:
    """The function of an op on two operands, of which either may be a number."""
    direct = operator(name)

    def build(a: Any, b: Any, out: Any = None) -> Any:
        node = direct(a, b)
        if node is NotImplemented:
            node = apply(name, a, b)  # which says what is wrong
        return node if out is None else emit(node, out)

    if name == "dot":
        return _described(build, name, "an op-tree, or `out`.", "x.T, p")
    return _described(build, name, "element by element; an op-tree, or `out`.", "x, p")


def _described(
    build: Callable[..., Any], name: str, about: str, operands: str
) -> Callable[..., Any]:
    """The function with a name and a docstring; its example applies it to `operands`."""
    public = (*OPS[name].public, name)[0]
    example = f"Example:\n    result = be.{public}({operands})"
    build.__name__ = name
    build.__doc__ = f"{OPS[name].summary}, {about}\n\n{example}\n"
    return build


@cache
def reduction(name: str, default: int | None = None) -> Callable[..., Any]:
    """The function of a reduction over an axis, several, or all: its node, or `out` after it ran.

    Args:
        name: of the op.
        default: axis where none is given.
    """
    new = OpTreeNode

    def build(a: Any, axis: Any = default, out: Any = None, keepdims: bool = True) -> Any:
        node = None
        if axis is None or type(axis) is int:  # True and 1.0 equal 1 and are no axes
            try:
                sig = a.sig.derived[name, axis]
            except (AttributeError, KeyError):
                pass
            else:
                node = new()
                node.sig = sig
                node._first = a
                node._second = node._found = None
        if node is None:
            node = first(a, axis)
        return node if out is None else emit(node, out)

    def first(a: Any, axis: Any) -> OpTreeNode:
        shape = expression(a, name).sig.shape
        axes = normalize_axes(axis, len(shape), name)
        if name in ("argmax", "argmin") and len(axes) not in (1, len(shape)):
            raise ShapeError(f"{name}: one axis, or None for all of shape {shape}; not {axis}")
        made = apply(name, a, axes=axes)
        if axis is None or type(axis) is int:
            _keep(a.sig, (name, axis), made.sig)
        return made

    about = "the axis stays with length 1 (`keepdims` is accepted and ignored)."
    return _described(build, name, about, "x, axis=0")


_sum = reduction("sum")


def mean(a: Any, axis: Any) -> OpTreeNode:
    """Node of sum(a, axis) * (1 / elements)."""
    total: OpTreeNode = _sum(a, axis)
    sig = total.sig
    scaled = sig.derived.get("mean")
    if scaled is None:
        made: OpTreeNode = total * sig.part
        _keep(sig, "mean", made.sig)
        return made
    node = OpTreeNode()
    node.sig = scaled
    node._first = total
    node._second = sig.part
    node._found = None
    return node


def expression(a: Any, op: str) -> Any:
    """Return `a` if it is a tensor or a tree.

    Raises:
        DtypeError: a number, an ndarray, anything else.
    """
    if not isinstance(as_operand(a, op), Expression):
        raise DtypeError(f"{op}: needs a tensor or an op-tree, not the number {a}")
    return a


def as_pairs(op: str, pairs: Any) -> list[tuple[Any, Any]]:
    """(target, value) pairs as a list.

    Raises:
        DtypeError: something else was given.
    """
    try:
        return [(target, value) for target, value in pairs]
    except (TypeError, ValueError) as error:
        raise DtypeError(
            f"{op}: needs (target, value) pairs in a list; a single statement is [(target, value)]"
        ) from error


def emit(node: Any, out: Any) -> Any:
    """The node, or `out` after the node was assigned to it."""
    if out is None:
        return node
    if not hasattr(out, "check_writable"):
        raise DtypeError(
            f"{getattr(node, 'op', 'out')}: out must be a tensor, not a {type(out).__name__}"
        )
    out[:] = node
    return out


def where(condition: Any, a: Any, b: Any) -> OpTreeNode:
    """Node of `a` where the condition is not 0, else `b`."""
    try:
        key = (
            0 if type(a) is float else 1 if type(a) is int else a.sig.uid,
            0 if type(b) is float else 1 if type(b) is int else b.sig.uid,
        )
        sig = condition.sig.derived.get(key)
    except AttributeError:  # an operand of another kind
        sig = key = None
    if sig is None:
        made = apply("where", condition, a, b)
        if key and not any(isinstance(x, Expression) and x.sig.constant for x in (condition, a, b)):
            _keep(condition.sig, key, made.sig)
        return made
    node = OpTreeNode()
    node.sig = sig
    node._first = condition
    node._second = a
    node._third = b
    node._found = None
    return node


def _keep(sig: Signature, key: Any, out: Signature) -> None:
    """Remember what follows from a structure, unless that would keep a backend alive."""
    if sig.backend is out.backend:
        sig.keep(key, out)


@cache
def operator(name: str, reflected: bool = False) -> Callable[[Any, Any], Any]:
    """The method of a binary operator; it returns NotImplemented for what is no operand."""
    new = OpTreeNode
    code = _next_code()  # found again as derived[operand's uid + code]: no key has to be built
    whole = -code  # of an int, which is another structure where integers meet it

    def method(self: Any, other: Any) -> Any:
        kind = type(other)
        try:
            if kind is float:
                sig = self.sig.derived[code]
            elif kind is int:
                sig = self.sig.derived[whole]
            else:
                sig = self.sig.derived[other.sig.uid + code]
        except (AttributeError, KeyError):  # no operand, or the first of its structure
            pass
        else:
            node = new()
            node.sig = sig
            node._first = self
            node._second = other
            node._found = None
            return node
        return first(self, other)  # not above: errors would speak of the key as well

    def turned(self: Any, other: Any) -> Any:
        kind = type(other)
        if kind is float or kind is int:
            sig = self.sig.derived.get(code if kind is float else whole)
            if sig is not None:
                node = new()
                node.sig = sig
                node._first = other
                node._second = self
                node._found = None
                return node
        return first(self, other)

    def first(self: Any, other: Any) -> Any:
        if not isinstance(self, Expression):
            return apply(name, self, other)
        number = not isinstance(other, Expression)
        if number and type(other) not in (float, int, Traced):
            try:
                other = as_operand(other, name)
            except DtypeError:
                if hasattr(other, "__array__"):
                    raise
                return NotImplemented
        made = apply(name, other, self) if reflected else apply(name, self, other)
        if not (self.sig.constant or (not number and (reflected or other.sig.constant))):
            own = whole if type(other) is int else code
            _keep(self.sig, own if number else other.sig.uid + code, made.sig)
        return made

    found = turned if reflected else method
    found.__name__ = name
    found.__doc__ = OPS[name].summary
    return found


_OPERATORS = {
    "add": ("__add__", "__radd__"),
    "sub": ("__sub__", "__rsub__"),
    "mul": ("__mul__", "__rmul__"),
    "div": ("__truediv__", "__rtruediv__"),
    "mod": ("__mod__", "__rmod__"),
    "floordiv": ("__floordiv__", "__rfloordiv__"),
    "eq": ("__eq__", None),
    "ne": ("__ne__", None),
    "lt": ("__lt__", None),
    "le": ("__le__", None),
    "gt": ("__gt__", None),
    "ge": ("__ge__", None),
    "pow": (None, "__rpow__"),
}
for _name, (_direct, _reflected) in _OPERATORS.items():
    if _direct:
        setattr(Expression, _direct, operator(_name))
    if _reflected:
        setattr(Expression, _reflected, operator(_name, reflected=True))


setattr(Expression, "__neg__", unary("neg"))  # noqa: B010
setattr(Expression, "__abs__", unary("abs"))  # noqa: B010


_POWERS = {2: unary("sqr"), 0.5: unary("sqrt")}
_power = operator("pow")
MOST_FACTORS = 64  # above, all but -1, 0 and 1 have wrapped around


def power(a: Any, b: Any) -> OpTreeNode:
    """`a ** b`; the exponents 2 and 0.5 become `sqr` and `sqrt`, as in NumPy's operator.

    Of integers, a whole exponent from 0 to 64 becomes products, which are exact.
    """
    exponent = as_operand(b, "pow")
    special = None if isinstance(exponent, Expression) else _POWERS.get(exponent)
    whole = special is None and type(exponent) is int and 0 <= exponent <= MOST_FACTORS
    if whole and isinstance(a, Expression) and a.sig.dtype in EXACT:
        return _whole_power(a, exponent)
    node: OpTreeNode = _power(a, exponent) if special is None else special(a)
    return node


def _whole_power(a: Expression, exponent: int) -> OpTreeNode:
    """`a ** exponent` by squaring."""
    if exponent < 2:
        return a * exponent + 1 if exponent == 0 else a * 1
    result, square = None, a
    while exponent:
        if exponent & 1:
            result = square if result is None else result * square
        exponent >>= 1
        if exponent:
            square = _POWERS[2](square)
    return cast("OpTreeNode", result)


setattr(Expression, "__pow__", power)  # noqa: B010


def product(a: Any, b: Any) -> OpTreeNode:
    """`a @ b`: a matrix product, or one for each entry of a leading axis."""
    for x in (a, b):
        expression(x, "matmul")
    if len(a.sig.shape) == 2 and len(b.sig.shape) == 2:
        return apply("dot", a, b)
    return apply("batched_dot", a, b, reduce=False)


setattr(Expression, "__matmul__", product)  # noqa: B010
