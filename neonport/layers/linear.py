"""Linear: a fully connected layer without bias."""

from __future__ import annotations

from typing import Any

from neonport.layers.base import Layer, interpret_in_shape
from neonport.layers.checks import check_error, check_inputs, check_positive_int
from neonport.layers.parameter import ParameterLayer


class Linear(ParameterLayer):
    """outputs = W . inputs, for every sample and every time step.

    Args:
        nout: number of outputs.
        init: initializer of W (nout, nin), or an array of that shape.
        bsum: also keep the sum of the outputs over all columns, for a BatchNorm that follows.
        name: given name, or None.
        parallelism: label kept for neon.

    Example:
        layer = Linear(nout=2, init=Constant(0.5))
        layer.configure(3)
        layer.allocate()
        assert np.allclose(layer.fprop(x).get(), 0.5 * x.get().sum(axis=0))
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
        super().__init__(init, name, parallelism)
        self.nout = check_positive_int(self, "nout", nout)
        self.bsum = bsum
        self.nin: int | None = None
        self.nsteps: int = 1

    def __str__(self) -> str:
        return f"{self.classnm} Layer '{self.name}': {self.nin or '?'} inputs, {self.nout} outputs"

    def configure(self, in_obj: Any) -> Linear:
        """Set `out_shape` (nout, time steps) and the shape of W; images count as flat."""
        super().configure(in_obj)
        self.nin, self.nsteps = interpret_in_shape(self.in_shape)
        self.out_shape = (self.nout, self.nsteps)
        self.weight_shape = (self.nout, self.nin)
        if self.bsum:
            self.batch_sum_shape = (self.nout, 1)
        return self

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Compute W . inputs + beta * outputs.

        Args:
            inputs: (nin, steps * batch).
            inference: no sums for a BatchNorm are kept.
            beta: factor of what the output buffer holds.

        With `set_batch_size` or `set_seq_len` only the first columns are computed.
        """
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        self.inputs = inputs
        x, y = inputs, self.outputs
        if self.actual_bsz is not None or self.actual_seq_len is not None:
            batch = self.be.bsz if self.actual_bsz is None else self.actual_bsz
            steps = self.nsteps if self.actual_seq_len is None else self.actual_seq_len
            x, y = inputs[:, : batch * steps], self.outputs[:, : batch * steps]
        bsum = None if inference else self.batch_sum
        self.be.compound_dot(A=self._factor(), B=x, C=y, beta=beta, bsum=bsum)
        return self.outputs

    def _factor(self) -> Any:
        """The matrix that the inputs are multiplied by."""
        return self.W

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Compute deltas = alpha * W' . error + beta * deltas, and dW = error . inputs'.

        Args:
            error: (nout, steps * batch).
            alpha: factor of the input gradient; dW is not scaled.
            beta: factor of what `deltas` holds.
        """
        check_error(self, error)
        if self.deltas is not None:
            self.be.compound_dot(A=self._factor().T, B=error, C=self.deltas, alpha=alpha, beta=beta)
        if not self.frozen:
            self.be.compound_dot(A=error, B=self.inputs.T, C=self.dW)
        return self.deltas
