"""Pooling: the maximum or mean of each window of an image."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label, need_backend
from neonport.layers.shapes import is_int, show
from neonport.layers.windows.geometry import Views, check_fits, image_sizes, logical, per_axis
from neonport.tensor.tensor import Tensor


class Pooling(Layer):
    """The maximum or mean of each window; cells outside of the image never count.

    Each axis has floor((X + 2 * padding - F) / stride) + 1 windows; on a backend in caffe's mode it
    is rounded up, without a window that starts beyond the image.

    Args:
        fshape: size of the windows: an int for height and width, (R, S), (T, R, S), or "all" for
            height and width of the image.
        op: "max" or "avg".
        strides: steps, as of `Convolution`; None: as large as the window. str_c is that over maps.
        padding: cells on each side, as of `Convolution`; smaller than the window.
        name: given name, or None.

    Attributes:
        argmax: where each maximum was found, for `bprop`.
        nglayer: the backend's object that holds the sizes; None before `configure`.

    Example:
        layer = Pooling(2)
        layer.configure((8, 6, 6))
        layer.allocate()
        assert layer.out_shape == (8, 3, 3)
    """

    neon_module = "neon.layers.layer"

    def __init__(
        self,
        fshape: Any,
        op: str = "max",
        strides: Any = None,
        padding: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if op not in ("max", "avg"):
            raise ConfigurationError(f"{label(self)}: op={op!r} must be 'max' or 'avg'")
        self.fshape, self.op = fshape, op
        self.strides, self.padding = strides, padding
        self._window = self._parsed(fshape)
        self._slides = {
            **per_axis(self, "strides", strides, "cdhw"),
            **per_axis(self, "padding", padding, "cdhw"),
        }
        self.owns_delta = True
        self.argmax: Any = None
        self.nglayer: Any = None
        self._part: Any = None
        self._views = Views()

    def _parsed(self, fshape: Any) -> dict[str, int]:
        """Sizes of a window by neon's names; none for "all"."""
        if isinstance(fshape, str) and fshape == "all":
            return {}
        sizes = (fshape, fshape) if is_int(fshape) else fshape
        if (
            not isinstance(sizes, (tuple, list))
            or len(sizes) not in (2, 3)
            or not all(is_int(n) and n > 0 for n in sizes)
        ):
            raise ConfigurationError(
                f"{label(self)}: fshape={fshape!r} must be an integer for height and width, a pair "
                "of them, (depth, height, width), or 'all'"
            )
        return {axis: int(n) for axis, n in zip("TRS"[-len(sizes) :], sizes, strict=True)}

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs, "
            f"{show(self.out_shape)} outputs"
        )

    def configure(self, in_obj: Any) -> Pooling:
        """Set `out_shape`.

        Raises:
            ConfigurationError: the input is no image, no window fits into it, or the padding is as
                large as the window.
        """
        super().configure(in_obj)
        need_backend(self)
        self._views.clear()
        self._part = None
        self.nglayer = self._sizes(self.be.bsz)
        self.out_shape = logical(self.nglayer.K, self.nglayer.MPQ)
        return self

    def _sizes(self, batch: int) -> Any:
        C, D, H, W = image_sizes(self, self.in_shape)
        window = self._window or {"R": H, "S": W}
        try:
            found = self.be.pool_layer(
                self.be.default_dtype, self.op, batch, C, D, H, W, **window, **self._slides
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"{label(self)}: {error}") from error
        check_fits(self, found.JTRS[1:], (D, H, W), (found.K, *found.MPQ))
        return found

    def allocate(self, shared_outputs: Tensor | None = None) -> None:
        """Make the outputs and, for maxima, what says where they were."""
        super().allocate(shared_outputs)
        if self.be.bsz != self.nglayer.N:
            self.nglayer = self._sizes(self.be.bsz)
        if self.op == "max" and self.argmax is None:
            kind = np.uint8 if prod(self.nglayer.JTRS) <= 256 else np.int32
            self.argmax = self.be.empty(self.nglayer.dimO2, dtype=kind)

    def _now(self) -> Any:
        batch = self.actual_bsz
        if batch is None or batch >= self.nglayer.N:
            return self.nglayer
        if self._part is None or batch != self._part.N:
            self._part = self._sizes(batch)
        return self._part

    def _places(self, sizes: Any) -> Tensor | None:
        return self._views.of("argmax", self.argmax, sizes.dimO) if self.op == "max" else None

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Pool the inputs, added to `beta` times what the output buffer holds.

        With `set_batch_size` only the first samples are computed.

        Args:
            inputs: images (C*D*H*W, batch).
            inference: makes no difference.
            beta: factor of what the output buffer holds.
        """
        check_inputs(self, inputs)
        self.inputs = inputs
        now, views = self._now(), self._views
        self.be.fprop_pool(
            now, views.of("inputs", inputs, now.dimI), views.of("outputs", self.outputs, now.dimO),
            self._places(now), beta=beta,
        )  # fmt: skip
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Put the error back where the outputs came from: alpha * gradient + beta * deltas."""
        check_error(self, error)
        if self.deltas is not None:
            sizes, views = self.nglayer, self._views
            self.be.bprop_pool(
                sizes, views.of("error", error, sizes.dimO),
                views.of("deltas", self.deltas, sizes.dimI), self._places(sizes), alpha=alpha,
                beta=beta,
            )  # fmt: skip
        return self.deltas
