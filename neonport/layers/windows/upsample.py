"""Upsample: larger images, by repetition or linear interpolation; no parameters."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.checks import label
from neonport.layers.optree_layer import OpTreeLayer
from neonport.layers.shapes import is_int, show
from neonport.layers.windows.geometry import Sizes, image_sizes, logical
from neonport.optree.node import OpTreeNode, apply
from neonport.tensor.tensor import Tensor


class Upsample(OpTreeLayer):
    """Images (C, H, W) become (C, scale * H, scale * W).

    Args:
        scale: factor of height and width, a pair of factors, or three with the depth's in front.
        mode: "nearest" repeats cells; "bilinear" interpolates between their centres, and repeats
            the outermost cells at the edges (as PyTorch does with align_corners=False).
        name: given name, or None.

    Example:
        layer = Upsample(2)
        layer.configure((8, 3, 3))
        layer.allocate()
        assert layer.out_shape == (8, 6, 6)
    """

    neon_module = "neonport.layers.windows"

    def __init__(self, scale: Any = 2, mode: str = "nearest", name: str | None = None) -> None:
        super().__init__(name)
        factors = (scale, scale) if is_int(scale) else scale
        good = isinstance(factors, (tuple, list)) and len(factors) in (2, 3)
        if not good or not all(is_int(n) and n > 0 for n in factors):
            raise ConfigurationError(
                f"{label(self)}: scale={scale!r} must be an integer >= 1 for height and width, a "
                "pair of them, or (depth, height, width)"
            )
        if mode not in ("nearest", "bilinear"):
            raise ConfigurationError(
                f"{label(self)}: mode={mode!r} must be 'nearest' or 'bilinear'"
            )
        self.scale, self.mode = scale, mode
        self._factors = tuple(map(int, (1, *factors)[-3:]))

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs, "
            f"{show(self.out_shape)} outputs"
        )

    def forward(self, x: Tensor) -> OpTreeNode:
        """The larger images, with axes taken together."""
        C, *image = image_sizes(self, self.in_shape)
        if max(self._factors) == 1:
            return x * 1.0
        tree: Any = x
        if self.mode == "nearest":
            return self._repeated(x, C, tuple(image))
        before, cells = C, [*image, x.shape[1]]
        for n, factor in zip(image, self._factors, strict=True):
            cells.pop(0)
            if factor > 1:
                tree = self._interpolated(self.be.reshape(tree, (before, n, prod(cells))), factor)
            before *= n * factor
        return tree

    def _repeated(self, x: Tensor, maps: int, image: Sizes) -> OpTreeNode:
        """Each cell `factor` times along each axis; axes that stay are taken together."""
        given: list[int] = []
        result: list[int] = []
        run = maps
        for n, factor in zip(image, self._factors, strict=True):
            run *= n
            if factor > 1:
                given += [run, 1]
                result += [run, factor]
                run = 1
        last = run * x.shape[1]
        tree = self.be.reshape(x, (*given, last))
        return apply("broadcast", tree, shape=(*result, last))

    def _interpolated(self, x: Any, factor: int) -> OpTreeNode:
        """Linear interpolation along the middle axis of three."""
        n = x.shape[1]
        at = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
        low = np.minimum(at.astype(np.int32), max(n - 2, 0))
        high = np.minimum(low + 1, n - 1)
        share = self.be.array((at - low).reshape(1, -1, 1))
        below, above = (self.be.take(x, index, axis=1) for index in (low, high))
        return below + (above - below) * share

    def infer_out_shape(self, shape: tuple[int, ...]) -> Sizes:
        """The logical shape of the larger images."""
        C, *image = image_sizes(self, self.in_shape)
        return logical(C, tuple(n * f for n, f in zip(image, self._factors, strict=True)))
