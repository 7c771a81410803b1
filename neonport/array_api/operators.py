"""The operators and indexing of `Array`, which are functions of the namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.array_api import elementwise as e
from neonport.array_api.core.array import Array, bits
from neonport.array_api.core.evaluate import SCALARS
from neonport.array_api.indexing import get_item, set_item
from neonport.array_api.linear_algebra import matmul
from neonport.errors import DtypeError, ShapeError

_OPERAND = (Array, np.generic, *SCALARS)

BINARY: dict[str, Callable[[Any, Any], Array]] = {
    "add": e.add,
    "sub": e.subtract,
    "mul": e.multiply,
    "truediv": e.divide,
    "floordiv": e.floor_divide,
    "mod": e.remainder,
    "pow": e.pow,
    "matmul": matmul,
    "and": e.bitwise_and,
    "or": e.bitwise_or,
    "xor": e.bitwise_xor,
    "lshift": e.bitwise_left_shift,
    "rshift": e.bitwise_right_shift,
}
COMPARISONS = {
    "eq": e.equal,
    "ne": e.not_equal,
    "lt": e.less,
    "le": e.less_equal,
    "gt": e.greater,
    "ge": e.greater_equal,
}
UNARY = {"neg": e.negative, "pos": e.positive, "abs": e.abs, "invert": e.bitwise_invert}


def _forward(function: Callable[[Any, Any], Array]) -> Callable[[Array, Any], Any]:
    def operator(self: Array, other: Any, /) -> Any:
        return function(self, other) if isinstance(other, _OPERAND) else NotImplemented

    return operator


def _reflected(function: Callable[[Any, Any], Array]) -> Callable[[Array, Any], Any]:
    def operator(self: Array, other: Any, /) -> Any:
        return function(other, self) if isinstance(other, _OPERAND) else NotImplemented

    return operator


def _in_place(name: str, function: Callable[[Any, Any], Array]) -> Callable[[Array, Any], Any]:
    def operator(self: Array, other: Any, /) -> Any:
        if not isinstance(other, _OPERAND):
            return NotImplemented
        self.tensor.check_writable(name)
        found = function(self, other)
        if found.dtype != self.dtype:
            raise DtypeError(f"{name}: a result of {found.dtype} in an array of {self.dtype}")
        if found.shape != self.shape:
            raise ShapeError(f"{name}: a result of shape {found.shape} in one of {self.shape}")
        bits(self.tensor)[:] = bits(found.tensor)
        return self

    return operator


def _attach() -> None:
    """Give `Array` its operators."""
    methods: dict[str, Any] = {"getitem": get_item, "setitem": set_item}
    for name, function in BINARY.items():
        methods[name] = _forward(function)
        methods[f"r{name}"] = _reflected(function)
        methods[f"i{name}"] = _in_place(f"i{name}", function)
    methods |= {name: _forward(function) for name, function in COMPARISONS.items()}
    methods |= UNARY
    for name, method in methods.items():
        setattr(Array, f"__{name}__", method)


_attach()
