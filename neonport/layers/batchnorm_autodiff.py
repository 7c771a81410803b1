"""BatchNormAutodiff: batch normalisation whose gradients come from its forward expression."""

from __future__ import annotations

from typing import Any

from neonport.autodiff.autodiff import Autodiff
from neonport.layers.base import Layer
from neonport.layers.batchnorm import BatchNorm
from neonport.layers.checks import check_inputs


class BatchNormAutodiff(BatchNorm):
    """BatchNorm written as one op-tree; the numbers are those of BatchNorm.

    Args:
        rho: share of the old running statistics that a step keeps.
        eps: added to the variance.
        name: given name, or None.

    Example:
        layer = BatchNormAutodiff()
        layer.configure(3)
        layer.allocate()
        assert np.allclose(layer.fprop(x).get().std(axis=1), 1, atol=1e-3)
    """

    neon_module = "neon.layers.layer"

    def __init__(self, rho: float = 0.99, eps: float = 1e-6, name: str | None = None) -> None:
        super().__init__(rho, eps, name)
        self.fprop_op_tree: Any = None
        self._tree_of: Any = None
        self._autodiff: Any = None

    def get_forward_optree(self) -> Any:
        """The forward expression on `self.x`."""
        mean, var = self.be.mean(self.x, axis=1), self.be.var(self.x, axis=1)
        return (self.x - mean) / self.be.sqrt(var + self.eps) * self.gamma + self.beta

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Run the tree and move the running statistics."""
        check_inputs(self, inputs)
        if inference or self.frozen:
            return self._fprop_inference(inputs, beta)
        self.init_buffers(inputs)
        if self._tree_of is not self.x:  # a tree holds tensors: another buffer, another tree
            self._tree_of, self._autodiff = self.x, None
            self.fprop_op_tree = self.get_forward_optree()
        tree, rho = self.fprop_op_tree, self.rho
        self.y[:] = tree + beta * self.y if beta else tree
        self.be.assign_many(
            [
                (self.gmean, self.gmean * rho + (1.0 - rho) * self.be.mean(self.x, axis=1)),
                (self.gvar, self.gvar * rho + (1.0 - rho) * self.be.var(self.x, axis=1)),
            ]
        )
        return self.outputs

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Gradients by autodiff of the forward tree; made once for each error buffer."""
        error_view, deltas = self._views(error, alpha, beta)
        if self.frozen:
            return self._bprop_frozen(error_view, deltas)
        if self._autodiff is None or self._autodiff[0] is not error_view:
            ad = Autodiff(self.fprop_op_tree, self.be, next_error=error_view)
            self._autodiff = error_view, ad
        self._autodiff[1].back_prop_grad(
            [self.x, self.gamma, self.beta], [deltas, self.grad_gamma, self.grad_beta]
        )
        return self.deltas
