"""The walk from a tree to the gradients of its tensors, and from those to any view of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from neonport.autodiff.patterns import PATTERNS
from neonport.autodiff.simplify import (
    add,
    as_tree,
    full,
    is_number,
    reshape,
    shape_of,
    take_region,
    transpose,
    unbroadcast,
    with_rank,
)
from neonport.autodiff.vjps import NOT_DIFFERENTIABLE, ROWS, ZERO
from neonport.errors import ConfigurationError, NotDifferentiableError, ShapeError
from neonport.ops.op import OPS, Kind
from neonport.optree.custom_gradient import custom_operands
from neonport.optree.node import Expression, OpTreeNode, apply, as_operand, walk
from neonport.optree.random_nodes import is_random, replaying
from neonport.shape import broadcast_shapes
from neonport.tensor.overlaps import MemoryIndex
from neonport.tensor.storage import views_overlap
from neonport.tensor.tensor import Tensor


class Blocked(NamedTuple):
    """In place of a gradient: the op that has none."""

    op: str


class Leaf(NamedTuple):
    """A tensor of a tree and the gradient it receives, a number or a tree."""

    tensor: Tensor
    gradient: Any


class Leaves:
    """The tensors of a tree that receive a gradient, found by the memory they view."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        self._leaves = leaves
        self._memory = MemoryIndex([leaf.tensor for leaf in leaves])

    def sharing(self, tensor: Tensor) -> list[Leaf]:
        """Those that share memory with a tensor."""
        near = [self._leaves[i] for i in self._memory.near(tensor)]
        return [leaf for leaf in near if views_overlap(leaf.tensor, tensor)]


def leaf_gradients(root: Any, seed: Any) -> Leaves:
    """Gradient of each tensor of a tree; tensors without one are left out.

    A node is visited once, after all its users, whatever the number of paths to it. Random nodes
    of the tree replay in its gradients what the tree drew.

    Args:
        root: tensor, op-tree or number.
        seed: gradient of the root.
    """
    leaves: dict[int, Leaf] = {}
    grads: dict[int, Any] = {}

    def give(x: Any, g: Any) -> None:
        if isinstance(x, OpTreeNode):
            grads[id(x)] = _sum(grads.get(id(x)), g)
        else:
            known = leaves.get(x.tokens[0])
            leaves[x.tokens[0]] = Leaf(x, g) if known is None else Leaf(x, _sum(known.gradient, g))

    if isinstance(root, Expression):
        give(root, seed)
    nodes = walk(root)
    for node in reversed(nodes):
        g = grads.pop(id(node), None)
        if g is None or node.op in ZERO:
            continue
        for x, gx in _operand_gradients(node, g):
            # numbers, and trees of numbers only, are constants
            if gx is not None and isinstance(x, Expression) and x.sig.backend is not None:
                give(x, gx)
    # a rule of the user's may put random nodes into a gradient that are not in the tree
    found = list(leaves.values())
    if any(is_random(n) or n.sig.custom is not None for n in (*nodes, *walk(seed))):
        replayed = replaying(*(leaf.gradient for leaf in found))
        found = [Leaf(leaf.tensor, g) for leaf, g in zip(found, replayed, strict=True)]
    return Leaves(found)


def _operand_gradients(node: OpTreeNode, g: Any) -> list[tuple[Any, Any]]:
    """(operand, gradient) pairs: of a rule of the user's, a pattern of several ops, or the row."""
    if node.sig.custom is not None:
        operands = custom_operands(node)
        return list(zip(operands, _apply_rule(node, g, operands), strict=True))
    pattern = PATTERNS.get(node.op)
    if pattern is not None and not isinstance(g, Blocked):
        found = pattern(node, g)
        if found is not None:
            return [(x, unbroadcast(gx, node.shape, x.sig.shape)) for x, gx in found]
    return list(zip(node.args, _apply_row(node, g), strict=True))


def _sum(a: Any, b: Any) -> Any:
    for x in (a, b):
        if isinstance(x, Blocked):
            return x
    return add(a, b)


def _apply_row(node: OpTreeNode, g: Any) -> list[Any]:
    """Gradients of the operands of a node."""
    name = node.op
    row = ROWS.get(name)
    if row is None:
        return [Blocked(name)] * len(node.args)
    if isinstance(g, Blocked):
        return [None if x is None else g for x in row(node, 1.0, *node.args, **node.params)]
    results = row(node, g, *node.args, **node.params)
    if OPS[name].kind is not Kind.ELEMENTWISE and name != "broadcast":
        return list(results)
    return [
        None if gx is None or is_number(x) else unbroadcast(gx, node.shape, x.sig.shape)
        for x, gx in zip(node.args, results, strict=True)
    ]


def _apply_rule(node: OpTreeNode, g: Any, operands: Sequence[Any]) -> list[Any]:
    """Gradients that the rule of a node made by `custom_gradient` gives to its operands.

    Raises:
        ConfigurationError: not one gradient for each operand.
        ShapeError: a gradient does not broadcast to the shape of its operand.
        DtypeError: a gradient is no number, tensor or tree.
    """
    blocked = isinstance(g, Blocked)
    given: Any = 1.0 if blocked else g
    if node.dtype == np.float64 and (is_number(given) or given.sig.backend is None):
        given = as_tree(given, node)  # a tree of numbers only computes in float32
    found = node._held(full(given, node.shape, node), *operands)
    results = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(results) != len(operands):
        raise ConfigurationError(
            f"custom_gradient: the rule {node._held} gave {len(results)} gradients for "
            f"{len(operands)} operands; return one for each, None for an operand that gets none"
        )
    for x, gx in zip(operands, results, strict=True):
        if gx is None:
            continue
        shape = shape_of(as_operand(gx, "custom_gradient"))
        if broadcast_shapes(shape, x.sig.shape) != x.sig.shape:
            raise ShapeError(
                f"custom_gradient: the rule {node._held} gave a gradient of shape {shape} for an "
                f"operand of shape {x.sig.shape}; sum over the axes along which it was repeated"
            )
    return [g if blocked and gx is not None else gx for gx in results]


def gradient_of(tensor: Tensor, leaves: Leaves) -> Any:
    """Gradient of a tensor, or of a view of one, collected from all leaves that share its memory.

    Returns:
        A number or a tree that broadcasts to the tensor's shape; None for a tensor that gets none.

    Raises:
        NotDifferentiableError: the tensor is used by an op without a derivative, or through a view
            of another dtype.
    """
    used = leaves.sharing(tensor)
    if not used:
        return None
    for leaf in used:
        if isinstance(leaf.gradient, Blocked):
            op = leaf.gradient.op
            way_out = NOT_DIFFERENTIABLE.get(op, "register a row: neonport.autodiff.vjps.register")
            raise NotDifferentiableError(
                f"{op}: has no derivative, and the gradient of the tensor {tensor} of shape "
                f"{tensor.shape} needs it; {way_out}"
            )
    path = [tensor]
    while path[-1].base is not None and path[-1].derivation is not None:
        path.append(path[-1].base)
    levels: dict[Any, Any] = {_place(t): None for t in path}
    for leaf in used:
        view, g = leaf
        while _place(view) not in levels:
            if view.base is None or view.derivation is None:
                raise NotDifferentiableError(
                    f"gradient of {tensor} of shape {tensor.shape}: the tree reads its memory as "
                    f"{leaf.tensor.dtype} {leaf.tensor.shape}, which is no view of it by slicing, "
                    "transposing, reshaping or sharing; use such a view, or a copy"
                )
            g, view = _undo(view, g), view.base
        levels[_place(view)] = add(levels[_place(view)], g)
    g = levels[_place(path[-1])]
    for view in reversed(path[:-1]):
        g = add(None if g is None else _derive(view, g), levels[_place(view)])
    return g


def _place(tensor: Tensor) -> Any:
    """Equal for tensors of one dtype and layout at one address, whoever made them."""
    start = tensor.storage.address + tensor.offset * tensor.dtype.itemsize
    return tensor.storage.space, start, tensor.dtype, tensor.shape, tensor.strides


def _undo(view: Tensor, g: Any) -> Any:
    """Gradient of the base from the gradient of a view; zeros where the view does not reach."""
    name, params = view.derivation  # type: ignore[misc]
    base = view.base.shape  # type: ignore[union-attr]
    if name == "transpose":
        perm = params["perm"]
        inverse = tuple(perm.index(a) for a in range(len(perm)))
        return transpose(with_rank(g, len(perm)), inverse)
    if name == "reshape":
        return g if is_number(g) else reshape(full(g, view.shape, view), base)
    if name == "slice":
        starts, steps = params["starts"], params["steps"]
        return apply(
            "pad_region", full(g, view.shape, view), starts=starts, steps=steps, shape=base
        )
    flat = reshape(full(g, view.shape, view), (view.size, 1))
    size = (prod(base), 1)
    if view.size != size[0]:
        flat = apply("pad_region", flat, starts=(0, 0), steps=(1, 1), shape=size)
    return reshape(flat, base)


def _derive(view: Tensor, g: Any) -> Any:
    """The same view of the gradient of its base."""
    name, params = view.derivation  # type: ignore[misc]
    base = view.base
    assert base is not None
    if is_number(g):
        return g
    if name == "transpose":
        return transpose(with_rank(g, base.ndim), params["perm"])
    g = full(g, base.shape, base)
    if name == "slice":
        return take_region(g, params["starts"], params["steps"], params["shape"])
    if name == "share" and view.size != base.size:
        g = take_region(reshape(g, (base.size, 1)), (0, 0), (1, 1), (view.size, 1))
    return reshape(g, view.shape)
