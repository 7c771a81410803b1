"""GaussianNoise: noise added to the inputs, in training."""

from __future__ import annotations

from math import pi
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label
from neonport.layers.shapes import show
from neonport.transforms.operands import number


def standard_normal(be: Any, shape: tuple[int, ...]) -> Any:
    """Normal numbers of mean 0 and variance 1 as an op-tree, drawn on the device by every run.

    Each comes from two uniform ones (Box and Muller, 1958).

    Args:
        be: backend.
        shape: of the tree.

    Example:
        y[:] = standard_normal(be, (3, 4))
    """
    radius = be.sqrt(-2.0 * be.log(1.0 - be.rand(shape=shape)))  # 1 - [0, 1) is never 0
    return radius * be.cos(2.0 * pi * be.rand(shape=shape))


class GaussianNoise(Layer):
    """outputs = inputs + noise of mean 0 in training, inputs in inference.

    The outputs have a buffer of their own: what the layer below wrote is its own to keep. The error
    passes through untouched.

    Args:
        std: standard deviation of the noise, at least 0.
        name: given name, or None.

    Raises:
        ConfigurationError: `std` is negative or no finite number.

    Example:
        layer = GaussianNoise(std=0.1)
        layer.configure(3)
        layer.allocate()
        assert 0 < np.abs(layer.fprop(x).get() - x.get()).max() < 1
        assert (layer.fprop(x, inference=True).get() == x.get()).all()
    """

    neon_module = "neonport.layers.gaussian_noise"

    def __init__(self, std: float = 0.1, name: str | None = None) -> None:
        super().__init__(name)
        self.std = number(self, "std", std)
        if self.std < 0:
            raise ConfigurationError(f"{label(self)}: std={std!r} must not be negative")
        self._noisy: Any = None

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs and outputs, "
            f"std {self.std:g}"
        )

    def configure(self, in_obj: Any) -> GaussianNoise:
        """The shape stays."""
        super().configure(in_obj)
        self.out_shape = self.in_shape
        self._noisy = None
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Add noise, drawn anew by every call, or copy the inputs."""
        check_inputs(self, inputs)
        self.inputs = inputs
        if inference or not self.std:
            self.outputs[:] = inputs
            return self.outputs
        if self._noisy is None or self._noisy[0] is not inputs:
            self._noisy = inputs, inputs + self.std * standard_normal(self.be, inputs.shape)
        self.outputs[:] = self._noisy[1]
        return self.outputs

    def bprop(self, error: Any) -> Any:
        """Return `error`."""
        check_error(self, error)
        self.deltas = error
        return error
