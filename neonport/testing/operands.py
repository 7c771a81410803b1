"""Operands of conformance statements: tensors with known contents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from neonport.optree.node import apply
from neonport.testing.cases import Statement, defined
from neonport.testing.layouts import Target, place

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]


class Operands:
    """Tensors with known contents, made once and shared by the statements of a batch."""

    def __init__(self, be: Backend) -> None:
        self.be = be
        self.values: dict[int, Array] = {}
        self.made: dict[Any, Any] = {}

    def add(self, key: Any, values: Array, layout: str) -> Any:
        """The tensor of that key."""
        if key not in self.made:
            tensor = self.made[key] = place(self.be, values, values.dtype, layout)
            self.values[id(tensor)] = values
        return self.made[key]

    def statement(
        self, name: str, args: Sequence[Any], dtype: str, layout: str, **params: Any
    ) -> Statement:
        """An op on operands, its target and what the definition says."""
        tree = apply(name, *args, **params)
        out = Target(self.be, tree.shape, dtype, layout)
        return Statement(out, tree, defined(tree, self.values, out))
