"""Op-trees as text and as neon's postfix lists; nothing recurses, for trees may be deep."""

from __future__ import annotations

from typing import Any

from neonport.ops.table import OPS
from neonport.optree.node import Expression, OpTreeNode, apply, walk

MAX_TEXT = 4000  # characters; shared nodes would make the text exponentially long


def leaf_name(leaf: Any) -> str:
    """Name of a tensor, or the number as it would be typed."""
    if isinstance(leaf, Expression):
        name = getattr(leaf, "name", None)
        return name if name else f"tensor-{id(leaf):x}"
    return repr(leaf)


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


def op_dict(node: OpTreeNode) -> dict[str, Any]:
    """What neon keeps in a node's first place: name, shape and parameters of the op.

    A reduction over one axis also says `axis`, as neon's do.
    """
    items = {"op": node.op, "shape": node.shape, **node.params}
    if len(items.get("axes", ())) == 1:
        items["axis"] = items["axes"][0]
    return items


def traverse(root: OpTreeNode, result: list[Any]) -> list[Any]:
    """Append the postfix items of `root` to `result`: leaves, and a dict for each op."""
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        item, ready = stack.pop()
        if not isinstance(item, OpTreeNode):
            result.append(item)
        elif ready:
            result.append(op_dict(item))
        else:
            stack.append((item, True))
            stack.extend((arg, False) for arg in reversed(item.args))
    return result


def key(root: OpTreeNode) -> tuple[Any, ...]:
    """Postfix items with each dict reduced to the op's name and parameters."""
    return tuple(
        (item["op"], *((name, item[name]) for name in OPS[item["op"]].params))
        if isinstance(item, dict)
        else item
        for item in traverse(root, [])
    )


def intrinsic_key_maps(
    root: OpTreeNode,
) -> tuple[tuple[Any, ...], dict[Any, int], dict[int, Any]]:
    """The structure of a tree apart from which tensors it holds.

    Returns:
        The key with each tensor replaced by (number of its first occurrence, shape), and the maps
        tensor -> number and number -> tensor.
    """
    numbers: dict[Any, int] = {}
    items = []
    for item in key(root):
        if isinstance(item, Expression):
            items.append((numbers.setdefault(item, len(numbers)), item.sig.shape))
        else:
            items.append(item)
    return tuple(items), numbers, {number: tensor for tensor, number in numbers.items()}


def optree_to_list(root: Any) -> Any:
    """A tree as nested mutable lists `[op dictionary, operand, ...]`; a shared node is one list."""
    lists: dict[int, Any] = {}
    for node in walk(root):
        operands = [lists[id(a)] if isinstance(a, OpTreeNode) else a for a in node.args]
        lists[id(node)] = [op_dict(node), *operands]
    return lists[id(root)] if isinstance(root, OpTreeNode) else root


def list_to_optree(nested: Any) -> Any:
    """The tree of lists made by `optree_to_list`; shapes are derived anew."""
    nodes: dict[int, OpTreeNode] = {}
    stack = [nested]
    while stack:
        item = stack[-1]
        if not isinstance(item, list) or id(item) in nodes:
            stack.pop()
            continue
        head, *operands = item
        missing = [x for x in operands if isinstance(x, list) and id(x) not in nodes]
        if missing:
            stack.extend(missing)
            continue
        args = [nodes[id(x)] if isinstance(x, list) else x for x in operands]
        params = {name: head[name] for name in OPS[head["op"]].params}
        nodes[id(item)] = apply(head["op"], *args, **params)
    return nodes[id(nested)] if isinstance(nested, list) else nested
