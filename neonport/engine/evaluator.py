"""The NumPy evaluator: slow and obvious, the definition of every op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import INT64, is_whole, whole_number
from neonport.ops.inference import operand_dtypes
from neonport.ops.op import OPS, Kind
from neonport.ops.philox import uniform
from neonport.optree.draw import Reserve
from neonport.optree.node import Expression, OpTreeNode, make_node, walk
from neonport.optree.open_sizes import resolve_wild
from neonport.optree.random_nodes import is_random, sources_of
from neonport.shape import Shape
from neonport.tensor.tensor import Tensor

Array = npt.NDArray[Any]
Uniform = Callable[[OpTreeNode, int], Array]
"""The numbers of a random node, that many of them."""


def drawn(pairs: Sequence[tuple[Tensor, Any]], reserve: Reserve) -> Uniform:
    """The random numbers of one run of a statement.

    Args:
        pairs: (target, operand).
        reserve: takes positions out of the stream.
    """
    sources = sources_of(pairs)
    positions = sources.positions(reserve)

    def numbers(node: OpTreeNode, count: int) -> Array:
        key, offset = positions[sources.slot(node, count)]
        return uniform(key, offset, count)

    return numbers


def evaluate(
    root: Any,
    shape: Shape,
    draws: Uniform,
    known: dict[int, Array] | None = None,
    lap: Callable[[OpTreeNode | None], None] | None = None,
) -> Array:
    """Value of a tree, tensor or number that is assigned to a target of `shape`.

    Args:
        root: the expression; its tensors must be in host memory.
        shape: shape of the target; decides sizes that the tree leaves open.
        draws: the numbers of random nodes; see `drawn`.
        known: values by node, of what other trees of the statement share with this one; more come
            in.
        lap: called with None at the start, and with each node when it is done; for a clock.

    Returns:
        Array in the root's dtype; it may share memory with a tensor if the root is one.
    """
    sizes = resolve_wild(root, shape)
    values: dict[int, Array] = {} if known is None else known

    def operand(arg: Any, dtype: np.dtype | None) -> Array:
        if isinstance(arg, OpTreeNode):
            value = values[id(arg)]
        elif isinstance(arg, Tensor):
            value = arg.native
        else:
            # the shape that the rules give it: a product needs two axes
            if dtype == INT64 or (dtype is None and is_whole(arg)):
                return np.full((1, 1), whole_number(arg), INT64)
            return np.full((1, 1), arg, np.float64 if dtype is None else dtype)
        return value if dtype is None else value.astype(dtype, copy=False)

    if lap is not None:
        lap(None)
    with np.errstate(all="ignore"):
        for node in walk(root, known=values):
            op, params = OPS[node.op], dict(node.params)
            if node.op in ("rand", "onehot"):
                params["shape"] = sizes.get(id(node), node.shape)
                params.pop("classes", None)
            dtypes = operand_dtypes(op, [a.dtype for a in node.sig.args])
            args: list[Any] = [operand(a, d) for a, d in zip(node.args, dtypes, strict=True)]
            if is_random(node):
                args = [partial(draws, node)]
            result = np.asarray(op.numpy(*args, **params))
            values[id(node)] = result.astype(node.dtype, copy=False)
            if lap is not None:
                lap(node)
        if isinstance(root, Expression):
            value = operand(root, root.sig.dtype)
            for node in walk(root) if root.sig.open else ():
                if node.sig.open:  # another target may decide another size
                    del values[id(node)]
            return value
    return operand(root, None).reshape(())


def is_drawn(root: Any) -> bool:
    """Whether an expression is uniform numbers, moved or not."""
    while (
        isinstance(root, OpTreeNode) and OPS[root.op].kind is Kind.MOVEMENT and root.right is None
    ):
        root = root.left
    return isinstance(root, OpTreeNode) and root.op == "rand"


def on_host(operands: Sequence[Any]) -> list[Any]:
    """The same expressions, their tensors replaced by ones whose `native` is a host copy."""
    done: dict[int, Any] = {}

    def moved(arg: Any) -> Any:
        if isinstance(arg, Tensor):
            copy = done.get(id(arg))
            if copy is None:
                copy = done[id(arg)] = Tensor(arg.backend, arg.storage, arg.dtype, arg.layout)
                copy._native = arg.get()
            return copy
        return done[id(arg)] if isinstance(arg, OpTreeNode) else arg

    for node in walk(*operands):
        random = is_random(node)  # its identity is its draw
        done[id(node)] = node if random else make_node(node.sig, [moved(a) for a in node.args])
    return [moved(operand) for operand in operands]
