"""Neon's small helpers on a backend: output sizes, caffe mode, hooks without effect here."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.backends.arguments import check_counts
from neonport.dtypes import host_numbers
from neonport.errors import ConfigurationError, ShapeError
from neonport.tensor.tensor import Tensor


class NeonHelpers:
    """Names that neon's layers, models and scripts call on `be`."""

    # what the other parts of a backend give
    compat_mode: str | None
    empty: Any

    def output_dim(
        self, X: int, S: int, padding: int, strides: int, pooling: bool = False, dilation: int = 1
    ) -> int:
        """Output size of a convolution or pooling along one axis.

        Args:
            X: input size.
            S: filter or window size.
            padding: cells on each side.
            strides: step.
            pooling: pooling sizes (caffe mode rounds up).
            dilation: distance of filter cells.

        Raises:
            ConfigurationError: pooling with a padding as large as the window.

        Example:
            assert be.output_dim(8, 3, padding=1, strides=2) == 4
        """
        check_counts("output_dim", 0, X=X, padding=padding)
        check_counts("output_dim", 1, S=S, strides=strides, dilation=dilation)
        extent = dilation * (S - 1) + 1
        if pooling and padding >= extent:
            raise ConfigurationError(
                f"pooling: padding {padding} must be smaller than the window {extent}"
            )
        if pooling and self.check_caffe_compat():
            size = -(-(X - extent + 2 * padding) // strides) + 1
            if padding > 0 and (size - 1) * strides >= X + padding:
                size -= 1
            return size
        return (X - extent + 2 * padding) // strides + 1

    def set_caffe_compat(self) -> None:
        """Use caffe's pooling sizes and dropout scaling."""
        self.compat_mode = "caffe"

    def check_caffe_compat(self) -> bool:
        """Whether caffe's conventions are in use."""
        return self.compat_mode == "caffe"

    def begin(self, block: int, identifier: int) -> None:
        """Mark the start of a block of work; no effect."""

    def end(self, block: int, identifier: int) -> None:
        """Mark the end of a block of work; no effect."""

    def is_mkl(self) -> bool:
        """False: there is no MKL variant."""
        return False

    def distribute_data(self, tensor: Any, layer_parallelism: Any) -> None:
        """Hook of neon's multi-device backend; no effect."""

    def convert_data(self, tensor: Any, layer_mkl: Any) -> None:
        """Hook of neon's MKL backend; no effect."""

    def clean_data(self, tensor: Any, layer_mkl: Any) -> None:
        """Hook of neon's MKL backend; no effect."""

    def revert_tensor(self, tensor: Any) -> None:
        """Hook of neon's multi-device backend; no effect."""

    def allocate_new_deltas(self, delta: Any, in_shape: Any, parallelism: Any) -> Any:
        """Hook of neon's MKL backend; returns `delta`."""
        return delta

    def allocate_new_outputs(self, layer: Any, share_output: Any) -> None:
        """Have the layer allocate its outputs."""
        layer.allocate(shared_outputs=share_output)

    def relu_layer(self) -> None:
        """Layer state of an activation: none is needed."""

    def batchnorm_layer(self, in_shape: Any) -> None:
        """Layer state of batch norm: none is needed."""

    def mergesum_layer(self, n: int) -> None:
        """Layer state of a merge by sum: none is needed."""

    def mergebroadcast_layer(self, n: int) -> None:
        """Layer state of a broadcast: none is needed."""

    def bibnrnn_layer(self, *args: Any, **kwargs: Any) -> None:
        """Layer state of a bidirectional recurrent layer with batch norm: none is needed."""

    def Relu(self, ary: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """max(ary, 0) on host arrays."""
        values = host_numbers(ary, "Relu")
        if out is not None and (not isinstance(out, np.ndarray) or out.shape != values.shape):
            raise ShapeError(f"Relu: out must be an array of shape {values.shape}")
        result: np.ndarray = np.maximum(values, 0, out)
        return result

    def consume(self, buf_index: int, hostlist: list[Any], devlist: list[Any]) -> None:
        """Copy `hostlist[buf_index].T` to the device; `devlist` holds the buffers."""
        check_counts("consume", 0, buf_index=buf_index)
        for name, buffers in (("hostlist", hostlist), ("devlist", devlist)):
            if not isinstance(buffers, list) or buf_index >= len(buffers):
                raise ConfigurationError(f"consume: {name} must be a list with entry {buf_index}")
        host = host_numbers(hostlist[buf_index], "consume: hostlist")
        if devlist[buf_index] is None:
            devlist[buf_index] = self.empty(host.T.shape, dtype=host.dtype)
        device: Tensor = devlist[buf_index]
        device.set(host.T)
