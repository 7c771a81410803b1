"""SkipNode: identity with buffers of its own, for the direct path of a residual block."""

from __future__ import annotations

from typing import Any

from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs


class SkipNode(Layer):
    """outputs = inputs + beta * outputs; deltas = alpha * error + beta * deltas.

    Args:
        name: given name, or None.

    Example:
        skip = SkipNode()
        skip.configure(3)
        skip.allocate()
        assert (skip.fprop(x).get() == x.get()).all()
    """

    neon_module = "neon.layers.layer"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.owns_delta = True

    def configure(self, in_obj: Any) -> SkipNode:
        """The shape stays."""
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Copy `inputs`, added to `beta` times what the output buffer holds."""
        check_inputs(self, inputs)
        self.inputs = inputs
        self.be.fprop_skipnode(inputs, self.outputs, beta)
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Pass `alpha * error` on, added to `beta` times what `deltas` holds."""
        check_error(self, error)
        if self.deltas is not None:
            self.be.bprop_skipnode(error, self.deltas, alpha, beta)
        return self.deltas
