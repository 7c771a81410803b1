"""PositionalEncoding: what tells a layer without order, such as attention, the time step."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.checks import check_init, label
from neonport.layers.optree_layer import OpTreeLayer
from neonport.layers.shapes import LogicalShape, is_int
from neonport.optree.node import OpTreeNode
from neonport.tensor.tensor import Tensor


class PositionalEncoding(OpTreeLayer):
    """Adds a vector of its own to each time step: fixed waves, or learned (Vaswani et al., 2017).

    The waves are sin(t / 10000^(2 i / F)) for feature 2 i and the cosine for feature 2 i + 1.

    Args:
        init: initializer of learned vectors, or its name, or an array (F, T, 1); None for waves.
        name: given name, or None.

    Attributes:
        parameters: "positions", (F, T, 1), if they are learned.

    Example:
        layer = PositionalEncoding()
        layer.configure((3, 1))
        layer.allocate()
        added = layer.fprop(x).get() - x.get()
        assert np.allclose(added[:, 0], [0, 1, 0])
    """

    neon_module = "neonport.layers.positional"

    def __init__(self, init: Any = None, name: str | None = None) -> None:
        super().__init__(name)
        self.init = check_init(self, init)
        self._waves: Any = None

    def configure(self, in_obj: Any) -> PositionalEncoding:
        """The shape stays.

        Raises:
            ConfigurationError: the input has no time steps.
        """
        self._waves = None
        super().configure(in_obj)
        return self

    def forward(self, x: Tensor) -> OpTreeNode:
        """Return the inputs plus the vectors."""
        if is_int(self.in_shape) or len(self.in_shape) != 2:
            raise ConfigurationError(
                f"{label(self)}: the input shape {self.in_shape} has no time steps; needed is "
                "(features, steps), for instance by Reshape((features, steps)) before it"
            )
        features, steps = self.in_shape
        if self.init is not None:
            vectors = self.parameter("positions", (features, steps, 1), self.init)
        elif self._waves is None:
            vectors = self._waves = self.be.array(waves(features, steps)[:, :, None])
        else:
            vectors = self._waves
        return x.reshape((features, steps, -1)) + vectors

    def infer_out_shape(self, shape: tuple[int, ...]) -> LogicalShape:
        """The shape of the inputs."""
        return self.in_shape


def waves(features: int, steps: int) -> np.ndarray:
    """Sines and cosines of falling frequency, (features, steps)."""
    exponents = np.arange(features) // 2 * 2 / features
    angles = np.arange(steps) * 10000.0 ** -exponents[:, None]
    return np.where(np.arange(features)[:, None] % 2, np.cos(angles), np.sin(angles))
