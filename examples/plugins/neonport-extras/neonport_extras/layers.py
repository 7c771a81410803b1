"""A layer over an op of this package."""

from __future__ import annotations

from typing import Any

from neonport.layers import OpTreeLayer


class Mish(OpTreeLayer):
    """x * tanh(log(1 + e^x)) (Misra, "Mish: A Self Regularized Non-Monotonic Activation", 2019).

    Args:
        name: given name.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)

    def forward(self, x: Any) -> Any:
        """The expression; its gradient comes from the derivative of the op."""
        return self.be.mish(x)
