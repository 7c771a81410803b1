"""Bias: a number added to each feature (each map of an image), in place."""

from __future__ import annotations

from typing import Any

from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs
from neonport.layers.parameter import ParameterLayer
from neonport.layers.shapes import leading, show


class Bias(ParameterLayer):
    """Adds W (C, 1) to the inputs seen as (C, -1), where C is the first entry of `in_shape`.

    Works in the buffer of the layer below; the error passes through untouched.

    Args:
        init: initializer of W, or an array (C, 1).
        name: given name, or None.

    Example:
        model = Model([Linear(nout=2, init=Gaussian()), Bias(init=Constant(0.1))])
        model.initialize(train)
        assert model.fprop(x).shape == (2, 4)
    """

    neon_module = "neon.layers.layer"

    def __init__(self, init: Any, name: str | None = None) -> None:
        super().__init__(init, name)
        self.owns_output = False
        self.owns_delta = False
        self._y: Any = None
        self._error: Any = None

    def __str__(self) -> str:
        return f"{self.classnm} Layer '{self.name}': size {show(self.in_shape)}"

    def configure(self, in_obj: Any) -> Bias:
        """The shape stays; W gets one row for each feature or map."""
        super().configure(in_obj)
        self.out_shape = self.in_shape
        self.weight_shape = (leading(self.in_shape), 1)
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Add W to `inputs`, in place, and return them."""
        check_inputs(self, inputs)
        if self.inputs is not inputs:
            self.inputs = self.outputs = inputs
            self._y = inputs.reshape((self.weight_shape[0], -1))
        self._y[:] = self._y + self.W
        return inputs

    @Layer.accumulates
    def bprop(self, error: Any) -> Any:
        """Sum the error over all columns (and positions) into dW; return `error`."""
        check_error(self, error)
        if self._error is None or self._error[0] is not error:
            self._error = error, error.reshape((self.weight_shape[0], -1))
        if not self.frozen:
            self.dW[:] = self.be.sum(self._error[1], axis=1)
        return error
