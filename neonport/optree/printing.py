"""Op-trees as text and as neon's postfix lists; nothing recurses, for trees may be deep.

The functions take what looks like a node, so that `node.py` can use them: a node has `args`, and
every expression has a signature. Nodes come with the list that `walk` gives, operands before users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neonport.ops.op import OPS

MAX_TEXT = 4000  # characters; shared nodes would make the text exponentially long


def leaf_name(leaf: Any) -> str:
    """Name of a tensor, or the number as it would be typed."""
    if hasattr(leaf, "sig"):
        name = getattr(leaf, "name", None)
        return name if name else f"tensor-{id(leaf):x}"
    return repr(leaf)


def formula(root: Any, nodes: Sequence[Any]) -> str:
    """The expression in infix form; a shared node is written out at each place.

    Parts longer than MAX_TEXT are shortened to `op(...)`.
    """
    text: dict[int, str] = {}
    for node in nodes:
        parts = [text[id(a)] if id(a) in text else leaf_name(a) for a in node.args]
        line = OPS[node.op].text.format(*parts, **node.params)
        text[id(node)] = line if len(line) <= MAX_TEXT else f"{node.op}(...)"
    return text[id(root)] if id(root) in text else leaf_name(root)


def op_dict(node: Any) -> dict[str, Any]:
    """What neon keeps in a node's first place: name, shape and parameters of the op.

    A reduction over one axis also says `axis`, as neon's do.
    """
    items = {"op": node.op, "shape": node.shape, **node.params}
    if len(items.get("axes", ())) == 1:
        items["axis"] = items["axes"][0]
    return items


def traverse(root: Any, result: list[Any]) -> list[Any]:
    """Append the postfix items of `root` to `result`: leaves, and a dict for each op."""
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        item, ready = stack.pop()
        if not hasattr(item, "args"):
            result.append(item)
        elif ready:
            result.append(op_dict(item))
        else:
            stack.append((item, True))
            stack.extend((arg, False) for arg in reversed(item.args))
    return result


def key(root: Any) -> tuple[Any, ...]:
    """Postfix items with each dict reduced to the op's name and parameters."""
    return tuple(
        (item["op"], *((name, item[name]) for name in OPS[item["op"]].params))
        if isinstance(item, dict)
        else item
        for item in traverse(root, [])
    )


def intrinsic_key_maps(
    root: Any,
) -> tuple[tuple[Any, ...], dict[Any, int], dict[int, Any]]:
    """The structure of a tree apart from which tensors it holds.

    Returns:
        The key with each tensor replaced by (number of its first occurrence, shape), and the maps
        tensor -> number and number -> tensor.
    """
    numbers: dict[Any, int] = {}
    items = []
    for item in key(root):
        if hasattr(item, "sig"):
            items.append((numbers.setdefault(item, len(numbers)), item.sig.shape))
        else:
            items.append(item)
    return tuple(items), numbers, {number: tensor for tensor, number in numbers.items()}


def optree_to_list(root: Any, nodes: Sequence[Any]) -> Any:
    """A tree as nested mutable lists `[op dictionary, operand, ...]`; a shared node is one list."""
    lists: dict[int, Any] = {}
    for node in nodes:
        operands = [lists.get(id(a), a) for a in node.args]
        lists[id(node)] = [op_dict(node), *operands]
    return lists.get(id(root), root)


def list_to_optree(nested: Any, make: Callable[..., Any]) -> Any:
    """The tree of lists made by `optree_to_list`; shapes are derived anew.

    Args:
        nested: lists of an op dictionary and operands.
        make: makes a node of an op's name, operands and parameters, as `apply` does.
    """
    nodes: dict[int, Any] = {}
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
        nodes[id(item)] = make(head["op"], *args, **params)
    return nodes[id(nested)] if isinstance(nested, list) else nested
