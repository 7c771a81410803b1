"""FilterLayer: what convolution and its transpose share: arguments, sizes, views of buffers."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.layers.checks import need_backend
from neonport.layers.parameter import ParameterLayer
from neonport.layers.shapes import show
from neonport.layers.windows.geometry import Views, filter_sizes, image_sizes, per_axis
from neonport.tensor.tensor import Tensor


class FilterLayer(ParameterLayer):
    """A layer whose weights are filters, W (C*T*R*S, K), that slide over images.

    Args:
        fshape: (R, S, K) or (T, R, S, K).
        strides, padding, dilation: an int for height and width, a pair, (d, h, w), or a dict with
            keys such as `str_h`, `pad_h`, `dil_h`.
        init: initializer of W, or an array of its shape.
        bsum: also keep the sum of each map, for a BatchNorm that follows.
        name: given name, or None.
        parallelism: label kept for neon.

    Attributes:
        convparams: sizes by neon's names, those of the filters among them.
        nglayer: the backend's object that holds the sizes; None before `configure`.
    """

    local_weights: ClassVar[bool] = True

    def __init__(
        self,
        fshape: Any,
        strides: Any,
        padding: Any,
        dilation: Any,
        init: Any,
        bsum: bool,
        name: str | None,
        parallelism: str,
    ) -> None:
        super().__init__(init, name, parallelism)
        self.fshape = fshape
        self.strides, self.padding, self.dilation = strides, padding, dilation
        self.bsum = bsum
        self.convparams = filter_sizes(self, fshape)
        for argument in ("strides", "padding", "dilation"):
            self.convparams.update(per_axis(self, argument, getattr(self, argument)))
        self.nglayer: Any = None
        self._part: Any = None  # sizes for a part of the batch
        self._views = Views()

    def __str__(self) -> str:
        volume = len(self.in_shape or ()) == 4 or len(self.out_shape or ()) == 4
        axes = "dhw" if volume else "hw"

        def numbers(prefix: str, missing: int) -> str:
            return ",".join(str(self.convparams.get(f"{prefix}_{axis}", missing)) for axis in axes)

        return (
            f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs, "
            f"{show(self.out_shape)} outputs, {numbers('pad', 0)} padding, "
            f"{numbers('str', 1)} stride, {numbers('dil', 1)} dilation"
        )

    def configure(self, in_obj: Any) -> FilterLayer:
        """Set `out_shape` and the shape of W.

        Raises:
            ConfigurationError: the input is no image, or no filter fits into it.
        """
        super().configure(in_obj)
        need_backend(self)
        image_sizes(self, self.in_shape)
        self._views.clear()
        self._part = None
        self.nglayer = self._sizes(self.be.bsz)
        self.out_shape = self._output()
        self.weight_shape = self.nglayer.dimF2
        if self.bsum:
            self.batch_sum_shape = (self.out_shape[0], 1)
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs and weights; weights that were loaded before are kept."""
        super().allocate(shared_outputs, accumulate_updates)
        if self.be.bsz != self.nglayer.N:
            self.nglayer = self._sizes(self.be.bsz)

    def _sizes(self, batch: int) -> Any:
        """The backend's object of sizes for a batch."""
        raise NotImplementedError

    def _output(self) -> Any:
        """The logical shape of the outputs."""
        raise NotImplementedError

    def _now(self) -> Any:
        """The sizes of what `fprop` computes: the first samples only, after `set_batch_size`."""
        batch = self.actual_bsz
        if batch is None or batch >= self.nglayer.N:
            return self.nglayer
        if self._part is None or batch != self._part.N:
            self._part = self._sizes(batch)
        return self._part

    def _filters(self) -> Tensor:
        return self._views.of("W", self.W, self.nglayer.dimF)

    def _sums(self, inference: bool) -> Tensor | None:
        if inference or self.batch_sum is None:
            return None
        return self._views.of("batch_sum", self.batch_sum, (self.out_shape[0], 1, 1, 1, 1))
