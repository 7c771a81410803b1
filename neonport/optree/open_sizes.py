"""Sizes that the target of an assignment decides, as of `onehot` without a number of classes."""

from __future__ import annotations

from typing import Any

from neonport.errors import ShapeError
from neonport.ops.inference import LEADING
from neonport.optree.node import OpTreeNode, walk
from neonport.shape import Shape


def resolve_wild(root: Any, shape: Shape) -> dict[int, Shape]:
    """Shapes of the nodes whose size the target decides, when `root` is assigned to `shape`.

    Raises:
        ShapeError: one node would have to take two sizes.
    """
    resolved: dict[int, Shape] = {}
    if not isinstance(root, OpTreeNode) or not root.sig.open:
        return resolved
    lead = len(shape) - len(root.shape)
    if lead < 0:
        raise ShapeError(
            f"assign: a value of shape {root.shape} does not fit a target of shape {shape}"
        )
    resolved[id(root)] = _filled(root, shape)
    for node in reversed(walk(root)):
        own = resolved.get(id(node), node.shape)
        for arg in node.args:
            if not isinstance(arg, OpTreeNode) or not arg.sig.wild:
                continue
            if node.op == "transpose":
                perm = node.params["perm"]
                sizes = tuple(own[perm.index(a)] for a in range(len(perm)))
            else:
                sizes = own
            wanted = _filled(arg, sizes)
            if resolved.setdefault(id(arg), wanted) != wanted:
                raise ShapeError(
                    f"{arg.op}: used at sizes {resolved[id(arg)]} and {wanted} in one tree; give "
                    "the size (onehot: classes=, rand: shape=)"
                )
    return resolved


def _filled(node: OpTreeNode, shape: Shape) -> Shape:
    """Shape of a node whose open sizes are those of the last axes of `shape`."""
    wild, lead = node.sig.wild, len(shape) - len(node.shape)
    own = tuple([shape[lead + a] if a in wild else n for a, n in enumerate(node.shape)])
    return shape[:lead] + own if LEADING in wild else own
