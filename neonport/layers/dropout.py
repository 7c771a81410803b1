"""Dropout (Srivastava et al., 2014), in place."""

from __future__ import annotations

from numbers import Real
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label
from neonport.layers.shapes import show
from neonport.tensor.tensor import Tensor


class Dropout(Layer):
    """Keeps each input with probability `keep`, in training; works in the buffer below.

    | mode | training | inference |
    |---|---|---|
    | neon | x * mask | x * keep |
    | caffe (`compat_mode="caffe"`) | x * mask / keep | x |

    Args:
        keep: probability, 0 < keep <= 1.
        name: given name, or None.

    Attributes:
        keep_mask: 0/1, drawn anew by every training `fprop`.

    Example:
        model = Model([Affine(nout=5, init=Gaussian(), activation=Rectlin()), Dropout(keep=0.9)])
        model.initialize(train)
        model.fprop(x, inference=True)  # nothing is dropped
    """

    neon_module = "neon.layers.layer"

    def __init__(self, keep: float = 0.5, name: str | None = None) -> None:
        super().__init__(name)
        if isinstance(keep, bool) or not isinstance(keep, Real) or not 0 < keep <= 1:
            raise ConfigurationError(
                f"{label(self)}: keep={keep!r} must be a probability with 0 < keep <= 1: the share "
                "of units that stay, not of those dropped"
            )
        self.keep: float = float(keep)
        self.keep_mask: Any = None
        self.owns_output = False
        self.caffe_mode: bool = False
        self._train_scaling: float = 1.0
        self._read_mode()

    def _read_mode(self) -> None:
        if self.be is not None:
            self.caffe_mode = self.be.check_caffe_compat()
            self._train_scaling = 1.0 / self.keep if self.caffe_mode else 1.0

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs and outputs, "
            f"keep {100 * self.keep:g}%, caffe_compat {self.caffe_mode}"
        )

    def configure(self, in_obj: Any) -> Dropout:
        """The shape stays."""
        super().configure(in_obj)
        self.out_shape = self.in_shape
        self._read_mode()  # a loaded checkpoint may have switched the backend's mode
        return self

    def allocate(self, shared_outputs: Tensor | None = None) -> None:
        """Make the mask."""
        super().allocate(shared_outputs)
        if self.keep_mask is None:
            self.keep_mask = self.be.iobuf(self.out_shape, parallelism=self.parallelism)

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Drop inputs (training) or scale them (inference), in place; returns `inputs`."""
        check_inputs(self, inputs)
        self.inputs = self.outputs = inputs
        if not inference:
            self.be.make_binary_mask(self.keep_mask, self.keep)
            inputs[:] = self._masked(inputs, self._train_scaling)
        elif not self.caffe_mode and self.keep != 1:
            inputs[:] = inputs * self.keep
        return inputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Write mask * error * alpha (/ keep) + beta * error over `error` and return it."""
        check_error(self, error)
        tree = self._masked(error, alpha * self._train_scaling)
        error[:] = tree + beta * error if beta else tree
        self.deltas = error
        return error

    def _masked(self, x: Any, scale: float) -> Any:
        tree = self.keep_mask * x
        return tree if scale == 1 else tree * scale
