"""Activation: a transform of the outputs of the layer below, in place where that can be."""

from __future__ import annotations

from typing import Any

from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, check_transform


class Activation(Layer):
    """A transform of the inputs, written over them; deltas = transform.bprop(outputs) * error.

    With a transform whose derivative needs the inputs, as GELU's does, the outputs have a buffer of
    their own, and deltas = transform.bprop(inputs) * error.

    What a BatchNorm below has made already, and makes the gradient of, is handed on.

    Args:
        transform: a Transform such as Rectlin(), or its name, "relu".
        name: given name, or None.

    Example:
        layer = Activation(Rectlin())
        layer.configure(3)
        layer.allocate()
        assert layer.fprop(x).get().min() == 0
    """

    neon_module = "neon.layers.layer"

    def __init__(self, transform: Any, name: str | None = None) -> None:
        super().__init__(name)
        self.transform = transform = check_transform(
            self, transform, needs_bprop=True, keeps_inputs=True, argument="transform"
        )
        self.owns_output = self._keeps = getattr(transform, "needs_inputs", False)
        self.owns_delta = True

    def __str__(self) -> str:
        return f"{self.classnm} Layer '{self.name}': {type(self.transform).__name__}"

    def configure(self, in_obj: Any) -> Activation:
        """The shape stays."""
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    @property
    def _made_below(self) -> bool:
        """Whether the layer below, when it ran last, did what this one is for."""
        return getattr(self.prev_layer, "made_above", None) is self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Transform `inputs`, in place unless the derivative needs them; return the outputs."""
        check_inputs(self, inputs)
        self.inputs = inputs
        if not self._keeps:
            self.outputs = inputs
        if self._made_below and inputs is self.prev_layer.outputs:
            return self.outputs
        self.be.fprop_transform(None, self.transform, inputs, self.outputs)
        return self.outputs

    def bprop(self, error: Any) -> Any:
        """Return transform.bprop(outputs) * error, or None where nobody needs it."""
        check_error(self, error)
        if self._made_below:
            return error
        if self.deltas is not None:
            known = self.inputs if self._keeps else self.outputs
            self.be.bprop_transform(None, self.transform, known, error, self.deltas, False)
        return self.deltas
