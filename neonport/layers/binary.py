"""Layers of binary networks: products with signs, and normalisation by shifts."""

from __future__ import annotations

from typing import Any

from neonport.layers.batchnorm import BatchNorm
from neonport.layers.checks import check_inputs
from neonport.layers.linear import Linear
from neonport.tensor.tensor import Tensor


class BinaryLinear(Linear):
    """outputs = signs of W . inputs, where 0 counts as +1 (Courbariaux et al., 2016).

    W itself stays real and is what the optimizer moves: its gradient is that of its signs, as if
    these were W.

    Args:
        nout: number of outputs.
        init: initializer of W (nout, nin), or an array of that shape.
        bsum: also keep the sum of the outputs over all columns, for a ShiftBatchNorm that follows.
        name: given name, or None.
        parallelism: label kept for neon.

    Attributes:
        Wb: the signs of W, +1 or -1, of the last `fprop`.

    Example:
        layer = BinaryLinear(nout=2, init=Constant(-0.5))
        layer.configure(3)
        layer.allocate()
        assert np.allclose(layer.fprop(x).get(), -x.get().sum(axis=0))
    """

    neon_module = "neon.layers.layer"

    def __init__(
        self,
        nout: int,
        init: Any,
        bsum: bool = False,
        name: str | None = None,
        parallelism: str = "Disabled",
    ) -> None:
        super().__init__(nout, init, bsum, name, parallelism)
        self.Wb: Any = None

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, weights and room for their signs."""
        super().allocate(shared_outputs, accumulate_updates)
        if self.Wb is None:
            self.Wb = self.be.empty_like(self.W)

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Compute signs of W . inputs + beta * outputs; see `Linear.fprop`."""
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        self.be.binarize(self.W, self.Wb, stochastic=False)
        return super().fprop(inputs, inference, beta)

    def _factor(self) -> Any:
        return self.Wb


class ShiftBatchNorm(BatchNorm):
    """BatchNorm whose products are shifts: factors are rounded to powers of two.

    The square of the variance is such a product, too. Inference is that of BatchNorm, as in neon.

    Args:
        rho: share of the old running statistics that a step keeps, 0 <= rho <= 1.
        eps: added to the variance, > 0.
        name: given name, or None.

    Example:
        layer = ShiftBatchNorm()
        layer.configure(3)
        layer.allocate()
        assert layer.fprop(x).shape == x.shape
    """

    neon_module = "neon.layers.layer"

    def __init__(self, rho: float = 0.99, eps: float = 1e-6, name: str | None = None) -> None:
        super().__init__(rho, eps, name, binary=True)
