"""RoiPooling: a fixed number of maxima of each region of interest (Girshick, 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.base import finite_number
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label
from neonport.layers.shapes import is_int, normalize_shape
from neonport.layers.windows.geometry import image_sizes
from neonport.tensor.tensor import Tensor


class RoiPooling(Layer):
    """The maximum of each of HW bins of each region of images (C, H, W).

    Reads a pair: images (C*H*W, batch), and regions (5, regions * batch) with the rows number of
    the image, xmin, ymin, xmax, ymax, in pixels. The number of regions of an image takes the place
    of time steps in what comes out: (C * height * width, regions * batch).

    Args:
        HW: bins down and across.
        bprop_enabled: pass a gradient down to the images.
        spatial_scale: cells of the images a pixel.
        name: given name, or None.

    Attributes:
        argmax: where each maximum was found, int32; -1 in empty bins, whose output is 0.
        error: buffer of the gradient of the images; zero if `bprop_enabled` is not set.

    Example:
        layer = RoiPooling(HW=(2, 2), spatial_scale=0.5)
        layer.configure([(8, 6, 6), (5, 3)])
        layer.allocate()
        assert layer.out_shape == (32, 3)
    """

    neon_module = "neon.layers.layer"

    def __init__(
        self,
        HW: tuple[int, int] = (7, 7),
        bprop_enabled: bool = True,
        spatial_scale: float = 0.0625,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        good = isinstance(HW, (tuple, list)) and len(HW) == 2
        if not good or not all(is_int(n) and n > 0 for n in HW):
            raise ConfigurationError(
                f"{label(self)}: HW={HW!r} must be the numbers of bins down and across, as in "
                "(7, 7)"
            )
        self.HW = (int(HW[0]), int(HW[1]))
        self.bprop_enabled = bprop_enabled
        self.spatial_scale = finite_number(label(self), "spatial_scale", spatial_scale)
        self.owns_delta = True
        self.argmax: Any = None
        self.error: Any = None
        self.rois_per_img = 0
        self._regions: Any = None
        self._seen_rois: Any = None

    def configure(self, in_obj: Any) -> RoiPooling:
        """Set `out_shape` from a pair: images and regions.

        Args:
            in_obj: two layers, one layer with both as outputs, two shapes, or data of two shapes.

        Raises:
            ConfigurationError: it is none of these.
        """
        both = isinstance(in_obj, Layer)
        pair = in_obj.out_shape if both else getattr(in_obj, "shape", in_obj)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ConfigurationError(
                f"{label(self)}: the input must be a pair, images and regions: two layers, or "
                f"their shapes [(C, H, W), (5, regions)]; got {pair!r}"
            )
        images, regions = pair
        super().configure(images)
        if len(self.in_shape if isinstance(self.in_shape, tuple) else ()) != 3:
            raise ConfigurationError(
                f"{label(self)}: images have the shape (C, H, W), got {self.in_shape}"
            )
        shape = regions.out_shape if isinstance(regions, Layer) else regions
        shape = normalize_shape(shape, f"{label(self)}: regions")
        if shape == 5:
            shape = (5, 1)
        if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != 5:
            raise ConfigurationError(
                f"{label(self)}: regions have the shape (5, regions of an image), got {shape}"
            )
        self.rois_per_img = shape[1]
        self.out_shape = (self.in_shape[0] * self.HW[0] * self.HW[1], self.rois_per_img)
        self._seen_rois = None
        if both:
            self.prev_layer = in_obj
        return self

    def allocate(self, shared_outputs: Tensor | None = None) -> None:
        """Make the outputs, and the buffers for regions, places of maxima and the gradient."""
        super().allocate(shared_outputs)
        be = self.be
        if self.argmax is None:
            self.argmax = be.empty(self.outputs.shape, dtype=np.int32)
            self._regions = be.empty((self.outputs.shape[1], 5))
            self.error = be.iobuf(self.in_shape, parallelism=self.parallelism)

    def allocate_deltas(self, global_deltas: Any) -> None:
        """Take no part in the buffers that take turns: the gradient has one of its own."""

    def set_deltas(self, delta_buffers: Any) -> None:
        """`deltas` is `error`, the layer's own buffer; None in a first layer."""
        self.deltas = self.error if self.prev_layer else None

    def _check_rois(self, rois: Any) -> None:
        if rois is self._seen_rois is not None:
            return
        if not isinstance(rois, Tensor):
            raise DtypeError(
                f"{label(self)}: the regions are a {type(rois).__name__}, not a Tensor; make them "
                "one: be.array(rois)"
            )
        wanted = (5, self._regions.shape[0])
        if rois.shape != wanted:
            raise ShapeError(
                f"{label(self)}: the regions have the shape {rois.shape}, expected {wanted}: "
                "image, xmin, ymin, xmax, ymax down, regions across"
            )
        self._seen_rois = rois

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Pool the regions.

        Args:
            inputs: (images, regions).
            inference: makes no difference.

        Raises:
            ShapeError, DtypeError: they are not what was configured.
        """
        if not isinstance(inputs, (tuple, list)) or len(inputs) != 2:
            raise DtypeError(
                f"{label(self)}: the input must be a pair of tensors, images and regions, not "
                f"{type(inputs).__name__}"
            )
        images, rois = inputs
        check_inputs(self, images)
        self._check_rois(rois)
        self.inputs = images
        self._regions[:] = rois.T
        self.be.roipooling_fprop(images, self._regions, self.outputs, self.argmax, *self._sizes())
        return self.outputs

    def bprop(self, error: Any) -> Any:
        """Add the errors up where the maxima were found: the gradient of the images."""
        check_error(self, error)
        if self.bprop_enabled and self.deltas is not None:
            self.be.roipooling_bprop(error, self._regions, self.error, self.argmax, *self._sizes())
        return self.deltas

    def _sizes(self) -> tuple[Any, ...]:
        C, _, H, W = image_sizes(self, self.in_shape)
        return (self._regions.shape[0], C, H, W, *self.HW, self.spatial_scale)
