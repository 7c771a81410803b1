"""What an assignment must satisfy before anything is written."""

from __future__ import annotations

from typing import Any

from neonport.errors import BackendMismatchError, DtypeError, ShapeError
from neonport.optree.node import Expression, OpTreeNode, as_operand
from neonport.optree.open_sizes import resolve_wild
from neonport.shape import Shape, broadcast_shapes
from neonport.tensor.tensor import Tensor


def check_pair(backend: Any, target: Any, value: Any) -> Any:
    """The value of an assignment as an operand.

    Args:
        backend: where the statement runs.
        target: a writable tensor of that backend.
        value: a tensor, an op-tree or a number.

    Raises:
        ShapeError, DtypeError, BackendMismatchError, ReadOnlyError: saying what does not fit.
    """
    check_target(target, "assign")
    if target.backend is not backend:
        raise BackendMismatchError(
            f"assign: the target lives on {target.backend}, not on {backend}; use "
            "target.copy_from(t)"
        )
    target.check_writable("assign")
    value = as_operand(value, "assign")
    if not isinstance(value, Expression):
        return value
    where = value.sig.backend
    if where is not None and where is not backend:
        raise BackendMismatchError(
            f"assign: the value lives on {where}, the target on {backend}; use target.copy_from(t)"
        )
    shape: Shape = value.sig.shape
    if value.sig.open and isinstance(value, OpTreeNode):
        shape = resolve_wild(value, target.shape).get(id(value), shape)
    if shape != target.shape and broadcast_shapes(shape, target.shape) != target.shape:
        raise ShapeError(
            f"assign: a value of shape {shape} does not fit a target of shape {target.shape}; "
            "along each axis the value's size must be equal or 1"
        )
    return value


def check_target(target: Any, op: str) -> None:
    """Raise DtypeError unless the target is a tensor."""
    if not isinstance(target, Tensor):
        raise DtypeError(f"{op}: the target must be a Tensor, not a {type(target).__name__}")


def is_array(value: Any) -> bool:
    """Whether a value to assign is host data and not one number."""
    if isinstance(value, (list, tuple)):
        return True
    axes = getattr(value, "ndim", 0)
    return isinstance(axes, int) and axes > 0
