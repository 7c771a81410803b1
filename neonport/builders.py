"""Builders of nodes for the ops that user code applies most: `apply`, unrolled.

Everything here gives the node that `apply` gives, and in any unusual case calls it. What a builder
derived from the structure of its operands it finds again by small integers: a structure's `uid` is
followed by numbers that are nobody else's, one for each builder.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

from neonport.errors import DtypeError
from neonport.ops import OPS
from neonport.optree import Expression, OpTreeNode, apply, as_operand, make_node
from neonport.signature import MAX_DERIVED, UID_STEP, Signature
from neonport.traced import Traced

_codes = itertools.count(1)


def _next_code() -> int:
    code = next(_codes)
    assert code < UID_STEP, "more builders than numbers after a structure's own"
    return code


@cache
def unary(name: str) -> Callable[[Any], OpTreeNode]:
    """The builder of an element-wise op on one operand."""
    new: Any = tuple.__new__
    node = OpTreeNode
    code = _next_code()

    def build(a: Any) -> OpTreeNode:
        try:
            out = a.sig.derived[code]
        except (AttributeError, KeyError):  # not an expression, or the first of its structure
            return first(a)
        if out.large:
            return make_node(out, (a,))
        return new(node, (out, (a,), a.tokens, a.scalars))

    def first(a: Any) -> OpTreeNode:
        made = apply(name, a)
        if isinstance(a, Expression) and not a.sig.constant:
            _keep(a.sig, code, made.sig)
        return made

    build.__name__ = name
    build.__doc__ = OPS[name].summary
    return build


@cache
def binary(name: str) -> Callable[[Any, Any], OpTreeNode]:
    """The builder of an op on two operands, of which either may be a number."""
    direct = operator(name)

    def build(a: Any, b: Any) -> OpTreeNode:
        if isinstance(a, Expression):
            node: OpTreeNode = direct(a, b)
            if node is not NotImplemented:
                return node
        return apply(name, a, b)

    return build


@cache
def reduction(name: str) -> Callable[[Any, Any], OpTreeNode | None]:
    """The builder of a reduction along one axis, or over all: None where it was not built before.

    The result of `keep_reduction` is found the next time.
    """
    new: Any = tuple.__new__
    node = OpTreeNode

    def build(a: Any, axis: Any) -> OpTreeNode | None:
        if axis is not None and type(axis) is not int:  # True and 1.0 equal 1 and are no axes
            return None
        try:
            out = a.sig.derived.get((name, axis))
        except AttributeError:
            return None
        if out is None or out.large:
            return None
        return new(node, (out, (a,), a.tokens, a.scalars))

    return build


def keep_reduction(a: Any, axis: Any, made: OpTreeNode) -> OpTreeNode:
    """Remember a reduction of `a` along an axis as it was given; returns the node."""
    if axis is None or type(axis) is int:
        _keep(a.sig, (made.op, axis), made.sig)
    return made


def where(condition: Any, a: Any, b: Any) -> OpTreeNode:
    """Node of `a` where the condition is not 0, else `b`."""
    try:
        sig = condition.sig
    except AttributeError:
        return apply("where", condition, a, b)
    uids: list[int] = []
    tokens, scalars = condition.tokens, condition.scalars
    for x in (a, b):
        if type(x) is float or type(x) is int:
            uids.append(0)
            scalars += (x,)
        elif isinstance(x, Expression) and not x.sig.constant:
            uids.append(x.sig.uid)
            tokens += x.tokens
            scalars += x.scalars
        else:
            return apply("where", condition, a, b)
    key = ("where", *uids)
    out = sig.derived.get(key)
    if out is None:
        made = apply("where", condition, a, b)
        if not sig.constant:
            _keep(sig, key, made.sig)
        return made
    if out.large:
        return make_node(out, (condition, a, b))
    new: Any = tuple.__new__
    node: OpTreeNode = new(OpTreeNode, (out, (condition, a, b), tokens, scalars))
    return node


def _keep(sig: Signature, key: Any, out: Signature) -> None:
    """Remember what follows from a structure, unless that would keep a backend alive."""
    if sig.backend is out.backend:
        if len(sig.derived) > MAX_DERIVED:
            sig.derived.clear()
        sig.derived[key] = out


@cache
def operator(name: str, reflected: bool = False) -> Callable[[Any, Any], Any]:
    """The method of a binary operator; it returns NotImplemented for what is no operand."""
    op = OPS[name]
    new: Any = tuple.__new__
    node = OpTreeNode
    code = _next_code()  # found again as derived[operand's uid + code]: no key has to be built

    def method(self: Any, other: Any) -> Any:
        sig = self.sig
        kind = type(other)
        if kind is float or kind is int:
            out = sig.derived.get(code)
            if out is None:
                if sig.constant:
                    return apply(name, other, self) if reflected else apply(name, self, other)
                out = _derive(sig, code, name, (other, self) if reflected else (self, other))
            if out.large:
                return make_node(out, (other, self) if reflected else (self, other))
            if reflected:
                return new(node, (out, (other, self), self.tokens, (other,) + self.scalars))  # noqa: RUF005
            return new(node, (out, (self, other), self.tokens, self.scalars + (other,)))  # noqa: RUF005
        try:
            other_sig = other.sig
        except AttributeError:
            try:
                other = as_operand(other, name)
            except DtypeError:
                if hasattr(other, "__array__"):
                    raise
                return NotImplemented
            if type(other) is Traced:
                return apply(name, other, self) if reflected else apply(name, self, other)
            return method(self, other)
        if reflected:
            return apply(name, other, self)
        out = sig.derived.get(other_sig.uid + code)
        if out is None:
            if sig.constant or other_sig.constant:
                return apply(name, self, other)
            out = _derive(sig, other_sig.uid + code, name, (self, other))
        if out.large:
            return make_node(out, (self, other))
        return new(
            node, (out, (self, other), self.tokens + other.tokens, self.scalars + other.scalars)
        )

    method.__name__ = name
    method.__doc__ = op.summary
    return method


def _derive(sig: Signature, key: int, name: str, operands: tuple[Any, Any]) -> Signature:
    """Signature of a binary op by way of `apply`; kept under `key` for the next time."""
    out: Signature = apply(name, *operands).sig
    _keep(sig, key, out)
    return out


_OPERATORS = {
    "add": ("__add__", "__radd__"),
    "sub": ("__sub__", "__rsub__"),
    "mul": ("__mul__", "__rmul__"),
    "div": ("__truediv__", "__rtruediv__"),
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


def power(a: Any, b: Any) -> OpTreeNode:
    """A ** b; the exponents 2 and 0.5 become `sqr` and `sqrt`, as in NumPy's operator."""
    exponent = as_operand(b, "pow")
    if not isinstance(exponent, Expression) and exponent in _POWERS:
        return _POWERS[exponent](a)
    return _power(a, exponent) if isinstance(a, Expression) else apply("pow", a, exponent)


setattr(Expression, "__pow__", power)  # noqa: B010
