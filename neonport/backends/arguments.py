"""Checks of what users hand to a backend's functions, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.optree.node import Expression
from neonport.tensor.tensor import Tensor

Kind = TypeVar("Kind")
MOST = 2**31  # kernels count cells of an axis in 32 bits


def check_counts(op: str, least: int, **counts: Any) -> None:
    """Raise ConfigurationError unless all of these are integers of at least `least`."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < least:
            raise ConfigurationError(
                f"{op}: {name}={count!r} must be an integer of at least {least}"
            )
        if count >= MOST:
            raise ConfigurationError(f"{op}: {name}={count} is too large; the most is {MOST - 1}")


def named(op: str, build: Callable[..., Any], *arguments: Any) -> Any:
    """What a builder gives; its errors are in the name of the function that was called."""
    try:
        return build(*arguments)
    except (ShapeError, DtypeError) as error:
        renamed = type(error)(f"{op}:{str(error).partition(':')[2]}")
    raise renamed


def check_numbers(op: str, **numbers: Any) -> None:
    """Raise DtypeError unless all of these are real numbers."""
    for name, number in numbers.items():
        if not isinstance(number, (Real, np.bool_)):
            raise DtypeError(f"{op}: {name} must be a real number, not a {type(number).__name__}")


def check_probability(op: str, **numbers: Any) -> None:
    """Raise ConfigurationError unless all of these are numbers from 0 to 1."""
    check_numbers(op, **numbers)
    for name, number in numbers.items():
        if not 0 <= number <= 1:
            raise ConfigurationError(f"{op}: {name}={number} must be a probability, from 0 to 1")


def check_tensors(op: str, **tensors: Any) -> None:
    """Raise DtypeError unless all of these are tensors."""
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise DtypeError(f"{op}: {name} must be a Tensor, not a {type(value).__name__}")


def check_operands(op: str, **operands: Any) -> None:
    """Raise DtypeError unless all of these are tensors or op-trees."""
    for name, value in operands.items():
        if not isinstance(value, Expression):
            raise DtypeError(
                f"{op}: {name} must be a tensor or an op-tree, not a {type(value).__name__}"
            )


def check_paths(op: str, layers: Any, **each: Any) -> None:
    """Raise DtypeError unless these are layers, with a list of one value for each of them."""
    found = layers if isinstance(layers, (list, tuple)) else None
    if found is None or not all(hasattr(x, "fprop") and hasattr(x, "bprop") for x in found):
        raise DtypeError(f"{op}: layers must be a list of layers, not {str(layers)[:80]}")
    for name, values in each.items():
        if not isinstance(values, (list, tuple)) or len(values) != len(found):
            raise DtypeError(
                f"{op}: {name} must be a list of {len(found)}, one for each path, not "
                f"{str(values)[:80]}"
            )


def size_object(op: str, layer: Any, kind: type[Kind], maker: str) -> Kind:
    """The layer object of a call.

    Raises:
        DtypeError: something else was given.
    """
    if not isinstance(layer, kind):
        raise DtypeError(f"{op}: layer must be what be.{maker} returns, not {type(layer).__name__}")
    return layer
