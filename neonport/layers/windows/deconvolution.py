"""Deconvolution: the transpose of a convolution; images become larger."""

from __future__ import annotations

from typing import Any

from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs
from neonport.layers.windows.filters import FilterLayer
from neonport.layers.windows.geometry import check_fits, image_sizes, logical


class Deconvolution(FilterLayer):
    """outputs = what the inputs would be the convolution of, in its adjoint: the input gradient.

    Images (K, P, Q) become (C, H, W), each axis of size (P - 1) * stride - 2 * padding + dilation *
    (F - 1) + 1. The filters are those of the convolution from C to K maps, W (C*T*R*S, K).

    Args:
        fshape: height and width of a filter and the number of maps that come out (R, S, C); with a
            depth in front for volumes.
        strides, padding, dilation: of the convolution that this is the adjoint of; as there.
        init: initializer of W, or an array of its shape.
        bsum: also keep the sum of each map, for a BatchNorm that follows.
        name: given name, or None.

    Example:
        layer = Deconvolution((4, 4, 1), strides=2, padding=1, init=Gaussian())
        layer.configure((8, 3, 3))
        layer.allocate()
        assert layer.out_shape == (1, 6, 6)
    """

    neon_module = "neon.layers.layer"

    def __init__(
        self,
        fshape: Any,
        strides: Any = None,
        padding: Any = None,
        dilation: Any = None,
        init: Any = None,
        bsum: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(fshape, strides, padding, dilation, init, bsum, name, "Data")

    def _sizes(self, batch: int) -> Any:
        K, *image = image_sizes(self, self.in_shape)
        params = {**self.convparams, **dict(zip("MPQ", image, strict=True)), "K": K}
        window, result = [], []
        for n, size, axis in zip(image, "TRS", "dhw", strict=True):
            step, cells = params.get(f"str_{axis}", 1), params.get(f"dil_{axis}", 1)
            window.append(params[size])
            result.append(
                (n - 1) * step - 2 * params.get(f"pad_{axis}", 0) + cells * (params[size] - 1) + 1
            )
        check_fits(self, tuple(window), tuple(image), tuple(result))
        return self.be.deconv_layer(self.be.default_dtype, batch, self.convparams["K"], **params)

    def _output(self) -> Any:
        return logical(self.nglayer.C, self.nglayer.DHW)

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Compute the deconvolution, added to `beta` times what the output buffer holds.

        With `set_batch_size` only the first samples are computed.

        Args:
            inputs: images (K*M*P*Q, batch).
            inference: no sums for a BatchNorm are kept.
            beta: factor of what the output buffer holds.
        """
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        self.inputs = inputs
        now, views = self._now(), self._views
        self.be.bprop_conv(
            now, self._filters(), views.of("inputs", inputs, now.dimO),
            views.of("outputs", self.outputs, now.dimI), bsum=self._sums(inference), beta=beta,
        )  # fmt: skip
        return self.outputs

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Compute deltas = alpha * gradient of the inputs + beta * deltas, and dW.

        Args:
            error: (C*D*H*W, batch).
            alpha: factor of the input gradient; dW is not scaled.
            beta: factor of what `deltas` holds.
        """
        check_error(self, error)
        sizes, views = self.nglayer, self._views
        errors = views.of("error", error, sizes.dimI)
        if self.deltas is not None:
            deltas = views.of("deltas", self.deltas, sizes.dimO)
            self.be.fprop_conv(sizes, errors, self._filters(), deltas, alpha=alpha, beta=beta)
        if not self.frozen:
            self.be.update_conv(
                sizes, errors, views.of("all inputs", self.inputs, sizes.dimO),
                views.of("dW", self.dW, sizes.dimF),
            )  # fmt: skip
        return self.deltas
