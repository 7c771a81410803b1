"""What an expression asks of the backend of its tensors; a tensor asks more."""

from __future__ import annotations

from typing import Any, Protocol


class ExpressionBackend(Protocol):
    """The backend of the tensors below an expression, as far as expressions use it."""

    def empty(self, shape: Any, dtype: Any = None) -> Any:
        """Make a tensor whose elements have no values yet."""

    def explain(self, statement: Any, source: bool = False) -> Any:
        """Tell which kernels and calls a statement becomes."""
