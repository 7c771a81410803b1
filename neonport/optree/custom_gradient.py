"""Trees whose gradient a function of the user's gives, instead of the derivative table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any
from weakref import WeakMethod, ref

from neonport.errors import ConfigurationError, ShapeError
from neonport.optree.node import OpTreeNode, apply, make_node, tensors, walk
from neonport.optree.operators import expression
from neonport.optree.signature import Signature


def custom_gradient(
    tree: Any, rule: Callable[..., Any], operands: Sequence[Any] | None = None
) -> OpTreeNode:
    """Node with the value of `tree` and the gradient of `rule`; see `Backend.custom_gradient`."""
    shape = expression(tree, "custom_gradient").sig.shape
    if tree.sig.open:
        raise ShapeError(
            f"custom_gradient: a size in {tree} is only known on assignment; give the size "
            "(onehot: classes=, rand: shape=)"
        )
    if not callable(rule):
        raise ConfigurationError(
            f"custom_gradient: the rule must be a function rule(g, *operands), not "
            f"{type(rule).__name__}"
        )
    places = None if operands is None else _places(tree, operands)
    # a reshape to the same shape runs nothing
    plain = apply("reshape", tree, shape=shape)
    of = plain.sig

    def forget(gone: Any) -> None:
        for known in (of.derived, of.older):
            known.pop(("custom_gradient", gone, places), None)

    key = ("custom_gradient", _reference(rule, forget), places)
    sig = of.derived.get(key) or of.older.get(key)
    if sig is None:
        sig = Signature(of.op, of.args, of.params, of.shape, of.dtype, of.backend)
        sig.custom = places or ()
        of.keep(key, sig)
    node = make_node(sig, (tree,))
    node._held = rule
    return node


def custom_operands(node: OpTreeNode) -> list[Any]:
    """The operands that the rule of a node made by `custom_gradient` receives."""
    (tree,) = node.args
    places = node.sig.custom
    if not places:
        return list(tensors(tree))
    below = _below(tree)
    return [below[i] for i in places]


def _below(tree: Any) -> list[Any]:
    return [*tensors(tree), *walk(tree)]


def _places(tree: Any, operands: Sequence[Any]) -> tuple[int, ...]:
    """Where the operands are among all tensors and nodes of the tree."""
    if not isinstance(operands, (list, tuple)):
        raise ConfigurationError(
            f"custom_gradient: operands must be a list, not a {type(operands).__name__}"
        )
    place = {id(x): i for i, x in enumerate(_below(tree))}
    found = []
    for number, x in enumerate(operands):
        if id(x) not in place:
            raise ConfigurationError(
                f"custom_gradient: operand {number} is not in the tree {tree}; give tensors or "
                "nodes that it was built of, the same objects"
            )
        found.append(place[id(x)])
    if not found or len(set(found)) != len(found):
        raise ConfigurationError("custom_gradient: operands must be one or several, each once")
    return tuple(found)


def _reference(rule: Any, forget: Callable[[Any], None]) -> Any:
    """A key for a rule that does not keep alive what it holds; `forget` gets it when that ends."""
    try:
        return WeakMethod(rule, forget) if isinstance(rule, MethodType) else ref(rule, forget)
    except TypeError as error:
        raise ConfigurationError(
            f"custom_gradient: {type(rule).__name__} objects cannot be told apart later; give a "
            "function"
        ) from error
