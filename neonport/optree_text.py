"""Op-trees as text and as neon's postfix lists."""

from __future__ import annotations

from typing import Any

from neonport.ops import OPS
from neonport.optree import Expression, OpTreeNode, apply, walk


def leaf_name(leaf: Any) -> str:
    """Name of a tensor, or the number as it would be typed."""
    if isinstance(leaf, Expression):
        name = getattr(leaf, "name", None)
        return name if name else f"tensor-{id(leaf):x}"
    return repr(leaf)


MAX_TEXT = 4000  # characters; shared nodes would make the text exponentially long


def formula(root: Any) -> str:
    """The expression in infix form; a shared node is written out at each place.

    Parts longer than MAX_TEXT are shortened to `op(...)`.
    """
    text: dict[int, str] = {}
    for node in walk(root):
        parts = [text[id(a)] if isinstance(a, OpTreeNode) else leaf_name(a) for a in node.args]
        line = OPS[node.op].text.format(*parts, **node.params)
        text[id(node)] = line if len(line) <= MAX_TEXT else f"{node.op}(...)"
    return text[id(root)] if isinstance(root, OpTreeNode) else leaf_name(root)


def traverse(root: OpTreeNode, result: list[Any]) -> list[Any]:
    """Append the postfix items of `root` to `result`: leaves, and a dict for each op."""
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        item, ready = stack.pop()
        if not isinstance(item, OpTreeNode):
            result.append(item)
        elif ready:
            result.append(item[0])
        else:
            stack.append((item, True))
            stack.extend((arg, False) for arg in reversed(item.args))
    return result


def key(root: OpTreeNode) -> tuple[Any, ...]:
    """Postfix items with each dict reduced to the op's name and parameters."""
    return tuple(
        (item["op"], *((k, v) for k, v in item.items() if k not in ("op", "shape")))
        if isinstance(item, dict)
        else item
        for item in traverse(root, [])
    )


def optree_to_list(root: Any) -> Any:
    """A tree as nested mutable lists `[op name, parameters, operands]`."""
    if not isinstance(root, OpTreeNode):
        return root
    return [root.op, dict(root.params), [optree_to_list(a) for a in root.args]]


def list_to_optree(nested: Any) -> Any:
    """The tree of a nested list made by `optree_to_list`."""
    if not isinstance(nested, list):
        return nested
    name, params, args = nested
    return apply(name, *(list_to_optree(a) for a in args), **params)
