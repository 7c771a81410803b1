"""LocallyConnected: windows as of a convolution, each place with filters of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.layers.checks import check_init, need_backend
from neonport.layers.optree_layer import OpTreeLayer
from neonport.layers.shapes import show
from neonport.layers.windows.geometry import (
    Sizes,
    check_fits,
    filter_sizes,
    image_sizes,
    logical,
    per_axis,
)
from neonport.optree.node import OpTreeNode, apply
from neonport.tensor.tensor import Tensor


class LocallyConnected(OpTreeLayer):
    """A convolution without shared weights: for pictures whose places differ, such as faces.

    Parameters: W (M*P*Q*K, C*T*R*S), row (place * K + map), and with a bias `bias` (K*M*P*Q, 1).

    Args:
        fshape, strides, padding, dilation: as of `Convolution`.
        init: initializer of W, or an array of its shape.
        bias: initializer of a bias for each output; None for no bias.
        name: given name, or None.

    Example:
        layer = LocallyConnected((3, 3, 8), init=Gaussian())
        layer.configure((1, 6, 6))
        layer.allocate()
        assert layer.out_shape == (8, 4, 4)
    """

    neon_module = "neonport.layers.windows"

    def __init__(
        self,
        fshape: Any,
        strides: Any = None,
        padding: Any = None,
        dilation: Any = None,
        init: Any = None,
        bias: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.fshape = fshape
        self.strides, self.padding, self.dilation = strides, padding, dilation
        self.init = check_init(self, init)
        self.bias = check_init(self, bias, "bias")
        self._params = filter_sizes(self, fshape)
        for argument in ("strides", "padding", "dilation"):
            self._params.update(per_axis(self, argument, getattr(self, argument)))
        self._sizes: Any = None
        self._cells: Any = None

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs, "
            f"{show(self.out_shape)} outputs"
        )

    def configure(self, in_obj: Any) -> LocallyConnected:
        """Set `out_shape` and learn the parameters' shapes.

        Raises:
            ConfigurationError: the input is no image, or no window fits into it.
        """
        self._cells = None
        super().configure(in_obj)
        return self

    def _prepare(self) -> None:
        need_backend(self)
        C, *image = image_sizes(self, self.in_shape)
        params = {**self._params, **dict(zip("DHW", image, strict=True))}
        self._sizes = self.be.conv_layer(self.be.default_dtype, self.be.bsz, C, **params)
        check_fits(self, self._sizes.TRS, self._sizes.DHW, self._sizes.MPQ)
        self._cells = self.be.array(self._rows_of_windows(), dtype=np.int32)

    def _rows_of_windows(self) -> np.ndarray:
        """For each place (M*P*Q) the rows of the input in its window (C*T*R*S); -1 in the padding.

        A row of -1 picks zeros, and gives its gradient to nobody.
        """
        sizes = self._sizes
        axes = zip(
            sizes.DHW, sizes.MPQ, sizes.TRS, sizes.padding, sizes.strides, sizes.dilation,
            strict=True,
        )  # fmt: skip
        rows, inside = np.zeros((1, 1), np.int64), np.ones((1, 1), bool)
        for n, places, cells, pad, step, apart in axes:
            at = np.arange(places)[:, None] * step + np.arange(cells) * apart - pad
            rows = _outer(rows * n, at, np.add)
            inside = _outer(inside, (at >= 0) & (at < n), np.logical_and)
        maps = np.arange(sizes.C)[None, :, None] * np.prod(sizes.DHW)
        found = np.where(inside[:, None], rows[:, None] + maps, -1)
        return found.reshape(-1, 1)

    def forward(self, x: Tensor) -> OpTreeNode:
        """The products of all windows with their own filters, (K, M*P*Q, batch)."""
        if self._cells is None:
            self._prepare()
        sizes, be = self._sizes, self.be
        places, cells = int(np.prod(sizes.MPQ)), sizes.dimF2[0]
        weights = self.parameter("W", (places * sizes.K, cells), self.init)
        windows = be.reshape(be.take(x, self._cells, axis=0), (places, cells, x.shape[1]))
        filters = be.reshape(weights, (places, sizes.K, cells))
        tree = apply("batched_dot", filters, windows, reduce=False)
        tree = apply("transpose", tree, perm=(1, 0, 2))
        if self.bias is None:
            return tree
        bias = self.parameter("bias", (sizes.K * places, 1), self.bias)
        return tree + be.reshape(bias, (sizes.K, places, 1))

    def infer_out_shape(self, shape: tuple[int, ...]) -> Sizes:
        """The logical shape (K, P, Q), or (K, M, P, Q) for volumes."""
        return logical(self._sizes.K, self._sizes.MPQ)


def _outer(outside: np.ndarray, axis: np.ndarray, function: Any) -> np.ndarray:
    """Combine places and cells of the axes so far with those of one more axis."""
    both = function(outside[:, None, :, None], axis[None, :, None, :])
    return both.reshape(both.shape[0] * both.shape[1], -1)
