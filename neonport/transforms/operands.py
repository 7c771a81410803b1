"""Checks of the operands of activations and costs: one backend, equal shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from neonport.base import finite_number
from neonport.errors import ConfigurationError, ShapeError

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.base import NervanaObject
    from neonport.optree.node import OpTreeNode
    from neonport.tensor.tensor import Tensor

    Operand: TypeAlias = Tensor | OpTreeNode


def backend_of(owner: Any, *operands: Any) -> Backend:
    """Return the backend of the first operand that has one, else the owner's.

    A transform may be older than the model's backend, or serve models on two of them, so the
    tensors decide.

    Raises:
        ConfigurationError: nothing says which backend.
    """
    for operand in operands:
        be = getattr(operand, "backend", None)
        if be is not None:
            return be
    if owner.be is None:
        raise ConfigurationError(
            f"{owner.classnm}: no operand is a tensor and no backend exists; call gen_backend()"
        )
    found: Backend = owner.be
    return found


def same_shape(owner: NervanaObject, y: Any, t: Any) -> None:
    """Check that targets fit predictions; a number fits anything.

    An axis of `t` whose size is still open (`be.onehot` without a class count) fits as well.

    Raises:
        ShapeError: the shapes differ.
    """
    a, b = getattr(y, "shape", None), getattr(t, "shape", None)
    if a is None or b is None or a == b:
        return
    open_axes = getattr(getattr(t, "sig", None), "wild", ())
    if len(a) == len(b) and all(
        m == n or i in open_axes for i, (m, n) in enumerate(zip(a, b, strict=True))
    ):
        return
    hint = ""
    if len(b) == 2 and b[0] == 1 < a[0]:
        hint = "; class indices are made one-hot by be.onehot(t, axis=0)"
    raise ShapeError(
        f"{owner.classnm}: predictions of shape {a} and targets of shape {b} must have the same "
        f"shape{hint}"
    )


def several_classes(owner: NervanaObject, y: Any) -> None:
    """Check that predictions have a row for each of several classes.

    Raises:
        ConfigurationError: there is one row, of which the largest is always the first.
    """
    if len(y.shape) == 2 and y.shape[0] == 1:
        raise ConfigurationError(
            f"{owner.classnm}: predictions of shape {y.shape} have one row, and the largest of one "
            "is always the first, so every column would count as right; for the probability of "
            "class 1 take BinaryAccuracy(), for a regression MAE(), RMSE() or R2(), and for "
            "several classes give the last layer one output a class"
        )


def number(owner: NervanaObject, argument: str, value: Any) -> float:
    """Return a constructor argument as a Python number, which trees take as a weak scalar.

    An int stays one, so that descriptions recognise the default 1 or 0.

    Raises:
        ConfigurationError: it is not a finite number.
    """
    result = finite_number(owner.classnm, argument, value)
    return value if type(value) is int else result


def count(owner: NervanaObject, argument: str, value: Any) -> int:
    """Return a constructor argument as an int of at least 1.

    Raises:
        ConfigurationError: it is not one.
    """
    try:
        result = int(value)
    except (TypeError, ValueError):
        result = 0
    if result < 1 or result != value:
        raise ConfigurationError(f"{owner.classnm}: {argument}={value!r} must be an integer > 0")
    return result
