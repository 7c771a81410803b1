"""Expressions over host copies of their tensors, for the evaluator."""

from __future__ import annotations

from typing import Any

from neonport.optree.node import OpTreeNode, make_node, walk
from neonport.tensor.tensor import Tensor


def on_host(operand: Any) -> Any:
    """The same expression, its tensors replaced by ones whose `native` is a host copy."""
    done: dict[int, Any] = {}

    def moved(arg: Any) -> Any:
        if isinstance(arg, Tensor):
            copy = Tensor(arg.backend, arg.storage, arg.dtype, arg.layout)
            copy._native = arg.get()
            return copy
        return done[id(arg)] if isinstance(arg, OpTreeNode) else arg

    for node in walk(operand):
        args = tuple(moved(a) for a in node.args)
        done[id(node)] = make_node(node.sig, args)
    return moved(operand)
