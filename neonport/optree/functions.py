"""Nodes from loose arguments: axis None or negative, neon's keyword names."""

from __future__ import annotations

from typing import Any

from neonport.errors import DtypeError, ShapeError, UnknownOpError
from neonport.ops.op import OPS, Kind
from neonport.optree import operators as builders
from neonport.optree.node import OpTreeNode, apply, transpose
from neonport.optree.operators import emit as emit
from neonport.optree.operators import expression as expression
from neonport.optree.operators import power
from neonport.shape import as_shape, normalize_axis


def reduction(op: str, a: Any, axis: Any) -> OpTreeNode:
    """Node of a reduction; axis None, an int or several; reduced axes are kept with length 1.

    Raises:
        ShapeError: an axis out of range, or named twice; several axes of argmax or argmin.
    """
    node: OpTreeNode = builders.reduction(op)(a, axis)
    return node


def take(a: Any, indices: Any, axis: Any) -> OpTreeNode:
    """Node that picks entries along an axis; `indices` is an integer tensor or tree."""
    where = normalize_axis(axis, len(expression(a, "take").sig.shape), "take")
    return apply("take", a, indices, axis=where)


def onehot(indices: Any, axis: Any, classes: Any = None) -> OpTreeNode:
    """Node with 1 at each index along axis 0 or 1; `classes` None is decided on assignment.

    Raises:
        ShapeError: another axis, or a negative number of classes.
    """
    if axis not in (0, 1):
        raise ShapeError(f"onehot: axis {axis!r} must be 0 for (classes, n) or 1 for (n, classes)")
    size = None if classes is None else as_shape((classes, 1))[0]
    return apply("onehot", indices, axis=int(axis), classes=size)


def rand(shape: Any = None) -> OpTreeNode:
    """Node of uniform numbers; shape None is decided on assignment."""
    return apply("rand", shape=None if shape is None else as_shape(shape))


fresh_numbers = rand()
"""The random numbers of functions that run their statement and hand out no tree.

Each run draws anew; a node of its own would make each call a statement that was never seen.
"""


def build(name: str, a: Any, b: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Neon's `OpTreeNode.build`: a node, or `out` after the node was assigned to it.

    Args:
        name: an op of the op table, or "assign", which stores b into a and returns a.
        a, b: operands; None where the op has none.
        out: assign there and return it.
        kwargs: `axis` (reductions, `take`, `onehot`), `idx` (`onehot`), or the op's parameters.

    Raises:
        UnknownOpError: no such op, or a parameter that it does not have.
    """
    if name == "assign":
        a[:] = b
        return a
    op = OPS.get(name)
    if op is None:
        raise UnknownOpError(f"unknown op {name!r}; known are {', '.join(sorted(OPS))}")
    operands = [x for x in (a, b) if x is not None]
    try:
        node = _node(name, op.kind, operands, kwargs)
    except TypeError as error:
        if isinstance(error, DtypeError):
            raise
        given = ", ".join(kwargs) or "none"
        raise UnknownOpError(
            f"{name}: takes {op.arity} operand(s) and parameters ({', '.join(op.params)}); given "
            f"are {len(operands)} and ({given})"
        ) from error
    return emit(node, out)


setattr(OpTreeNode, "build", staticmethod(build))  # noqa: B010


def _node(name: str, kind: Kind, operands: list[Any], kwargs: dict[str, Any]) -> OpTreeNode:
    if kind is Kind.REDUCTION:
        axis = kwargs.pop("axes", None)
        return reduction(name, *operands, **{"axis": axis, **kwargs})
    if name == "transpose":
        return transpose(*operands, **kwargs)
    if name == "pow":
        return power(*operands, **kwargs)
    if name == "onehot":
        indices = [kwargs.pop("idx")] if "idx" in kwargs else operands
        return onehot(*indices, **kwargs)
    if name == "take":
        return take(*operands, **kwargs)
    if name == "rand":
        return rand(**kwargs)
    if set(kwargs) != set(OPS[name].params):
        raise TypeError("parameters differ")
    return apply(name, *operands, **kwargs)
