"""LayerNorm (Ba, Kiros and Hinton, 2016)."""

from __future__ import annotations

from neonport.errors import ConfigurationError
from neonport.initializers.values import Constant
from neonport.layers.checks import label
from neonport.layers.optree_layer import OpTreeLayer
from neonport.layers.shapes import show
from neonport.optree.node import OpTreeNode
from neonport.tensor.tensor import Tensor
from neonport.transforms.operands import number


class LayerNorm(OpTreeLayer):
    """y = gain * (x - mean) / sqrt(var + eps) + bias over the features of each column.

    A column is one sample at one time step; of images all maps and positions count as features.
    Training and inference are the same.

    Args:
        eps: added to the biased variance, > 0.
        name: given name, or None.

    Attributes:
        parameters: "gain" and "bias", (features, 1), at first 1 and 0.

    Raises:
        ConfigurationError: `eps` is not above 0.

    Example:
        layer = LayerNorm()
        layer.configure(3)
        layer.allocate()
        outputs = layer.fprop(x).get()
        assert np.allclose(outputs.mean(axis=0), 0, atol=1e-6)
    """

    neon_module = "neonport.layers.layernorm"

    def __init__(self, eps: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name)
        self.eps = number(self, "eps", eps)
        if self.eps <= 0:
            raise ConfigurationError(f"{label(self)}: eps={eps!r} must be above 0")

    def __str__(self) -> str:
        return f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs and outputs"

    def forward(self, x: Tensor) -> OpTreeNode:
        """Return the expression of the class."""
        be, shape = self.be, (x.shape[0], 1)
        gain = self.parameter("gain", shape, Constant(1.0))
        bias = self.parameter("bias", shape, Constant(0.0))
        centred = x - be.mean(x, axis=0)
        return centred * be.rsqrt(be.var(x, axis=0) + self.eps) * gain + bias
