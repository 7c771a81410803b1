"""Constructors of nodes that leave out what changes nothing; gradient trees are made of them.

A gradient is kept as small as it can be: a Python number stands for a constant array, and an axis
of length 1 for equal entries along it. So the gradient of a sum is the number 1.0 until an op needs
more. No rule here changes a value, NaN and Inf included: `x * 0` stays, `x * 1` goes.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from neonport.optree.node import Expression, OpTreeNode, apply, walk, with_draw
from neonport.optree.open_sizes import resolve_wild
from neonport.optree.operators import power
from neonport.optree.random_nodes import draw_of, is_random
from neonport.optree.replay_number import Traced
from neonport.shape import Shape

FLOAT32_MAX = 3.4028234e38


def is_number(x: Any) -> bool:
    """Whether an operand is a number, not a tensor or a tree."""
    return not isinstance(x, Expression)


def shape_of(x: Any) -> Shape:
    """Shape of an operand; a number has (1, 1)."""
    return (1, 1) if is_number(x) else x.sig.shape


def _real(x: Any) -> float:
    """A number as a float; a traced one stays traced."""
    return x if isinstance(x, float) else float(x)


def add(a: Any, b: Any) -> Any:
    """`a + b`; None counts as zero."""
    if a is None or b is None:
        return b if a is None else a
    if is_number(a) and is_number(b):
        return _real(a) + _real(b)
    if is_number(a) and a == 0:
        return b
    if is_number(b) and b == 0:
        return a
    return apply("add", a, b)


def neg(a: Any) -> Any:
    """`-a`."""
    if is_number(a):
        return -a
    if isinstance(a, OpTreeNode) and a.op == "neg":
        return a.left
    return apply("neg", a)


def mul(a: Any, b: Any) -> Any:
    """`a * b`."""
    if is_number(a) and is_number(b):
        return _real(a) * _real(b)
    for x, number in ((a, b), (b, a)):
        if is_number(number) and abs(number) == 1:
            return x if number == 1 else neg(x)
    return apply("mul", a, b)


def div(a: Any, b: Any) -> Any:
    """`a / b`."""
    if is_number(b):
        if is_number(a):
            if Traced in (type(a), type(b)):
                return _real(a) / _real(b)
            with np.errstate(all="ignore"):
                return float(np.float64(a) / np.float64(b))
        if b == 1:
            return a
    return apply("div", a, b)


def raise_to(a: Any, b: Any) -> Any:
    """`a ** b`."""
    if is_number(b) and b in (0, 1):
        return 1.0 if b == 0 else a
    return power(a, b)


def gate(condition: Any, g: Any) -> Any:
    """`g` where the condition (0 or 1) holds, else 0, whatever g is there."""
    return condition if is_number(g) and g == 1 else apply("where", condition, g, 0.0)


def total(x: Any, axes: tuple[int, ...]) -> Any:
    """The sum over axes, kept with length 1."""
    axes = tuple(a for a in axes if shape_of(x)[a] != 1)
    return apply("sum", x, axes=axes) if axes else x


def transpose(x: Any, perm: tuple[int, ...]) -> Any:
    """Axes in the order `perm`; transposes of transposes are joined, a tensor gives a view."""
    if is_number(x):
        return x
    if isinstance(x, OpTreeNode) and x.op == "transpose":
        inner = x.params["perm"]
        return transpose(x.left, tuple(inner[p] for p in perm))
    if perm == tuple(range(len(perm))):
        return x
    if isinstance(x, OpTreeNode):
        return apply("transpose", x, perm=perm)
    derivation = x.derivation
    if derivation is not None and derivation[0] == "transpose":
        inner = derivation[1]["perm"]
        return transpose(x.base, tuple(inner[p] for p in perm))
    return x.permute(perm)


def swap(x: Any) -> Any:
    """The last two axes exchanged."""
    rank = len(shape_of(x))
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def reshape(x: Any, shape: Shape) -> Any:
    """Same elements in row-major order, another shape; a number stays one."""
    if is_number(x) or x.sig.shape == shape:
        return x
    if isinstance(x, OpTreeNode) and x.op == "reshape" and x.sig.custom is None:
        return reshape(x.left, shape)
    return apply("reshape", x, shape=shape)


def take_region(x: Any, starts: Shape, steps: Shape, shape: Shape) -> Any:
    """A strided region of x."""
    if is_number(x):
        return x
    if isinstance(x, OpTreeNode) and x.op == "pad_region":
        put = x.params
        if (put["starts"], put["steps"], shape_of(x.left)) == (starts, steps, shape):
            return x.left
    return apply("slice", x, starts=starts, steps=steps, shape=shape)


def full(g: Any, shape: Shape, like: Any) -> Any:
    """`g` written out at `shape`, for ops that do not broadcast.

    Args:
        g: number, tensor or tree that broadcasts to `shape`.
        shape: the shape to give.
        like: an expression that broadcasts to `shape` and has the right dtype.
    """
    if is_number(g):
        exact = abs(g) <= FLOAT32_MAX and float(np.float32(g)) == g
        if not exact and like.sig.dtype == np.float64:
            # a tree of numbers only computes in float32
            g = apply("where", like, g, g)
    elif g.sig.shape == shape:
        return g
    elif isinstance(g, OpTreeNode) and g.op == "broadcast":
        g = g.left
    return apply("broadcast", g, shape=shape)


def with_rank(x: Any, rank: int) -> Any:
    """Unit axes put before x until it has `rank` axes; a number stays one."""
    if is_number(x):
        return x
    shape = x.sig.shape
    return reshape(x, (1,) * (rank - len(shape)) + shape)


def unbroadcast(g: Any, result: Shape, operand: Shape) -> Any:
    """Gradient of an operand that was broadcast: sum over the axes along which it was repeated.

    Args:
        g: gradient of the result; broadcasts to `result`.
        result: shape of the op's result.
        operand: shape of its operand.

    Returns:
        A gradient that broadcasts to `operand`, None when nothing was summed over.
    """
    rank = len(result)
    own = (1,) * rank if is_number(g) else (1,) * (rank - len(g.sig.shape)) + g.sig.shape
    wanted = (1,) * (rank - len(operand)) + operand
    repeated = [a for a in range(rank) if wanted[a] == 1 and result[a] != 1]
    # equal entries need no summing: n of them are n times one
    count = prod(result[a] for a in repeated if own[a] == 1)
    if count == 0:
        return None
    if not is_number(g):
        lead = rank - len(g.sig.shape)
        g = total(g, tuple(a - lead for a in repeated if own[a] != 1))
        surplus = len(g.sig.shape) - len(operand)
        if surplus > 0:
            g = reshape(g, g.sig.shape[surplus:])
    return mul(g, count)


def as_tree(g: Any, like: Any) -> OpTreeNode:
    """A gradient as an op-tree of the shape of the tensor `like`."""
    if is_number(g) or g.sig.backend is None:
        # whatever `like` holds, the result is g; it says shape, dtype and backend
        return apply("where", like, g, g)
    if isinstance(g, OpTreeNode) and g.sig.shape == like.shape:
        return g
    return apply("broadcast", g, shape=like.shape)


def close_sizes(root: Any, shape: Shape) -> Any:
    """The tree with every size filled in that an assignment to `shape` would decide."""
    sizes = resolve_wild(root, shape)
    if not sizes:
        return root
    new: dict[int, Any] = {}
    for node in walk(root):
        params = dict(node.params)
        if node.op == "onehot" and params["classes"] is None:
            params["classes"] = sizes.get(id(node), node.shape)[params["axis"]]
        elif node.op == "rand" and params["shape"] is None:
            params["shape"] = sizes.get(id(node), node.shape)
        args = [new.get(id(a), a) if isinstance(a, OpTreeNode) else a for a in node.args]
        changed = params != node.params or any(
            a is not b for a, b in zip(args, node.args, strict=True)
        )
        made = apply(node.op, *args, **params) if changed else node
        new[id(node)] = with_draw(made, draw_of(node)) if is_random(node) else made
    return new[id(root)]
