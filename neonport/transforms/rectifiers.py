"""Rectifying activations: Rectlin (ReLU), Rectlinclip, Explin (ELU)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neonport.errors import ConfigurationError
from neonport.transforms.operands import backend_of, number
from neonport.transforms.transform import Transform

if TYPE_CHECKING:
    from neonport.optree.node import OpTreeNode
    from neonport.tensor.tensor import Tensor
    from neonport.transforms.operands import Operand


class Rectlin(Transform):
    """f(x) = max(x, 0) + slope min(x, 0): rectifier, leaky with a slope (Maas et al., 2013).

    Args:
        slope: slope below 0.
        name: given name.

    Backends may bring their own: the work goes through `be.fprop_relu` and `be.bprop_relu`.

    Example:
        y[:] = Rectlin(slope=0.1)(x)
        assert np.allclose(y.get(), np.where(x.get() > 0, 1, 0.1) * x.get())
    """

    neon_module = "neon.transforms.activation"
    is_mklop = True

    def __init__(self, slope: float = 0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.slope = number(self, "slope", slope)

    def __call__(self, x: Operand, nglayer: Any = None) -> OpTreeNode:
        """Return the rectified `x`.

        Args:
            x: input.
            nglayer: what `be.relu_layer()` gave, for backends that keep state.
        """
        return backend_of(self, x).fprop_relu(nglayer, x, self.slope)

    def bprop(
        self,
        x: Operand,
        nglayer: Any = None,
        error: Tensor | None = None,
        deltas: Tensor | None = None,
    ) -> OpTreeNode:
        """Return (y > 0) + slope (y < 0): 0 at 0.

        Args:
            x: output of the activation.
            nglayer: what `be.relu_layer()` gave.
            error, deltas: for backends that do the product themselves.
        """
        return backend_of(self, x).bprop_relu(nglayer, x, error, deltas, self.slope)


class Rectlinclip(Transform):
    """f(x) = min(max(x, 0) + slope min(x, 0), xcut).

    Args:
        slope: slope below 0.
        name: given name.
        xcut: largest output, above 0.

    Raises:
        ConfigurationError: `xcut` is not above 0.

    Example:
        y[:] = Rectlinclip(xcut=1.0)(x)
        assert y.get().max() == 1
    """

    neon_module = "neon.transforms.activation"

    def __init__(self, slope: float = 0, name: str | None = None, xcut: float = 20.0) -> None:
        super().__init__(name=name)
        self.slope = number(self, "slope", slope)
        self.xcut = number(self, "xcut", xcut)
        if self.xcut <= 0:
            raise ConfigurationError(f"Rectlinclip: xcut={xcut} must be above 0")

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return the rectified and clipped `x`."""
        be = backend_of(self, x)
        rectified = be.maximum(x, 0.0)
        if self.slope:
            rectified = rectified + self.slope * be.minimum(x, 0.0)
        return be.minimum(rectified, self.xcut)

    def bprop(self, x: Operand) -> OpTreeNode:
        """Return ((y > 0) + slope (y < 0)) (y < xcut): 0 at 0 and at the cut."""
        rising = x > 0.0
        if self.slope:
            rising = rising + self.slope * (x < 0.0)
        return rising * (x < self.xcut)


class Explin(Transform):
    """f(x) = max(x, 0) + alpha (e^min(x, 0) - 1): exponential linear unit (Clevert et al., 2016).

    Args:
        alpha: magnitude of the limit below 0.
        name: given name.

    Example:
        y[:] = Explin()(x)
        assert y.get().min() > -1
    """

    neon_module = "neon.transforms.activation"

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.alpha = number(self, "alpha", alpha)

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return the exponential linear unit of `x`."""
        be = backend_of(self, x)
        return be.maximum(x, 0.0) + self.alpha * (be.exp(be.minimum(x, 0.0)) - 1.0)

    def bprop(self, x: Operand) -> OpTreeNode:
        """Return 1 above 0, y + alpha below, 0 at 0."""
        be = backend_of(self, x)
        return (x > 0.0) + be.minimum(x, 0.0) + self.alpha * (x < 0.0)
