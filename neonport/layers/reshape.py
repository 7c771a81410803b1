"""Reshape: the same elements under another logical shape."""

from __future__ import annotations

from math import prod
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label
from neonport.layers.shapes import buffer_shape, is_int, show
from neonport.tensor.tensor import Tensor


class Reshape(Layer):
    """Views the inputs under another shape; copies only what is not contiguous.

    Args:
        reshape: int or tuple of sizes, batch excluded: 0 copies the input's size at that place, one
            -1 is inferred. A result of two sizes means (features, time steps).
        name: given name, or None.

    Example:
        layer = Reshape(reshape=(3, 1))
        layer.configure(3)
        assert layer.out_shape == (3, 1)
    """

    neon_module = "neon.layers.layer"

    def __init__(self, reshape: int | tuple[int, ...], name: str | None = None) -> None:
        super().__init__(name)
        sizes: tuple[Any, ...] = (reshape,) if is_int(reshape) else tuple(reshape)  # type: ignore[arg-type]
        valid = bool(sizes) and all(is_int(n) and n >= -1 for n in sizes)
        if not valid or sizes.count(-1) > 1:
            raise ConfigurationError(
                f"{label(self)}: reshape={reshape!r} must hold sizes, 0 (copy) and at most one -1"
            )
        self.reshape = reshape
        self.sizes = tuple(int(n) for n in sizes)
        self.owns_output = False
        self.in_shape_t: Any = None
        self.out_shape_t: Any = None
        self._forward = View()
        self._backward = View()

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {show(self.in_shape)} inputs, "
            f"{show(self.out_shape)} outputs"
        )

    def configure(self, in_obj: Any) -> Reshape:
        """Work out the output shape.

        Raises:
            ConfigurationError: the numbers of elements differ.
        """
        super().configure(in_obj)
        given = (self.in_shape,) if is_int(self.in_shape) else self.in_shape
        total = prod(given)
        if any(n == 0 and i >= len(given) for i, n in enumerate(self.sizes)):
            raise ConfigurationError(
                f"{label(self)}: reshape={self.reshape!r} copies a size that the input shape "
                f"{self.in_shape} does not have"
            )
        sizes = [given[i] if n == 0 else n for i, n in enumerate(self.sizes)]
        known = prod(n for n in sizes if n != -1)
        sizes = [total // known if n == -1 else n for n in sizes]
        if prod(sizes) != total:
            raise ConfigurationError(
                f"{label(self)}: reshape={self.reshape!r} gives {prod(sizes)} elements, the input "
                f"{self.in_shape} has {total}; the products must match (-1 infers one size)"
            )
        self.out_shape = tuple(sizes)
        return self

    def allocate(self, shared_outputs: Tensor | None = None) -> None:
        """Work out the shapes of the tensors."""
        super().allocate(shared_outputs)
        self.in_shape_t = buffer_shape(self.in_shape, self.be.bsz)
        self.out_shape_t = buffer_shape(self.out_shape, self.be.bsz)

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Return the inputs under the new shape."""
        check_inputs(self, inputs)
        self.inputs = inputs
        self.outputs = self._forward(inputs, self.out_shape_t)
        return self.outputs

    def bprop(self, error: Any) -> Any:
        """Return the error under the shape of the inputs."""
        check_error(self, error)
        return self._backward(error, self.in_shape_t)


class View:
    """A reshaped view of a tensor, remembered; through a private copy if it is not contiguous.

    Example:
        view = View()
        assert view(x, (12, 1)) is view(x, (12, 1))
    """

    def __init__(self) -> None:
        self.source: Any = None
        self.buffer: Any = None
        self.result: Any = None

    def __call__(self, source: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The view, with what `source` holds now."""
        if source is not self.source or self.result.shape != shape:
            if source.is_contiguous:
                self.buffer = None
            elif self.buffer is None or self.buffer.shape != source.shape:
                self.buffer = source.backend.empty(source.shape, dtype=source.dtype)
            self.source = source
            self.result = (source if self.buffer is None else self.buffer).reshape(shape)
        if self.buffer is not None:
            self.buffer[:] = source
        return self.result
