"""Local response normalisation (Krizhevsky, Sutskever, Hinton, 2012)."""

from __future__ import annotations

from typing import Any

from neonport.base import finite_number
from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import (
    check_error,
    check_inputs,
    check_positive_int,
    label,
    need_backend,
)
from neonport.layers.windows.geometry import Views, image_sizes
from neonport.tensor.tensor import Tensor


class LRN(Layer):
    """outputs = x * d^-bpower, d = 1 + ascale / depth * (sum of squares of the maps around).

    Args:
        depth: maps in a window, odd; those outside count as 0.
        alpha, beta: kept for neon's files, without effect (as on neon's CPU).
        ascale, bpower: the constants of the normalisation.
        name: given name, or None.

    Attributes:
        denom: d of the last `fprop`.

    Example:
        layer = LRN(depth=5, ascale=1e-4, bpower=0.75)
        layer.configure((8, 6, 6))
        layer.allocate()
        assert layer.out_shape == (8, 6, 6)
    """

    neon_module = "neon.layers.layer"

    def __init__(
        self,
        depth: int,
        alpha: float = 1.0,
        beta: float = 0.0,
        ascale: float = 1.0,
        bpower: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.depth = check_positive_int(self, "depth", depth)
        if self.depth % 2 == 0:
            raise ConfigurationError(
                f"{label(self)}: depth={depth} must be odd: as many maps on each side of one"
            )
        self.alpha, self.beta = alpha, beta
        self.ascale = finite_number(label(self), "ascale", ascale)
        self.bpower = finite_number(label(self), "bpower", bpower)
        self.owns_delta = True
        self.denom: Any = None
        self.nglayer: Any = None
        self._views = Views()

    def configure(self, in_obj: Any) -> LRN:
        """The shape stays.

        Raises:
            ConfigurationError: the input is no image.
        """
        super().configure(in_obj)
        need_backend(self)
        self.out_shape = self.in_shape
        self._views.clear()
        self.nglayer = self._sizes()
        return self

    def _sizes(self) -> Any:
        C, D, H, W = image_sizes(self, self.in_shape)
        return self.be.lrn_layer(self.be.default_dtype, self.be.bsz, C, D, H, W, self.depth)

    def allocate(self, shared_outputs: Tensor | None = None) -> None:
        """Make the outputs and the denominators."""
        super().allocate(shared_outputs)
        if self.be.bsz != self.nglayer.N:
            self.nglayer = self._sizes()
        if self.denom is None:
            self.denom = self.be.iobuf(self.out_shape, parallelism=self.parallelism)

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Normalise, added to `beta` times what the output buffer holds."""
        check_inputs(self, inputs)
        self.inputs = inputs
        form = self.nglayer.dimI
        x, y, denom = self._forward(form)
        self.be.fprop_lrn(
            self.nglayer, x, y, denom, alpha=1.0, beta=beta, ascale=self.ascale, bpower=self.bpower
        )
        return self.outputs

    def _forward(self, form: Any) -> tuple[Tensor, Tensor, Tensor]:
        views = self._views
        return (
            views.of("inputs", self.inputs, form),
            views.of("outputs", self.outputs, form),
            views.of("denom", self.denom, form),
        )

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Compute deltas = alpha * gradient of the inputs + beta * deltas."""
        check_error(self, error)
        if self.deltas is not None:
            form = self.nglayer.dimI
            x, y, denom = self._forward(form)
            self.be.bprop_lrn(
                self.nglayer, x, y, self._views.of("error", error, form),
                self._views.of("deltas", self.deltas, form), denom, alpha=alpha, beta=beta,
                ascale=self.ascale, bpower=self.bpower,
            )  # fmt: skip
        return self.deltas
