"""Slice and Transpose: a part of the inputs, or their axes in another order."""

from __future__ import annotations

from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label
from neonport.layers.shapes import interpret_in_shape, is_int


class _Rearranging(Layer):
    """Copies a view of the inputs, seen with one axis for each logical size and one for the batch.

    Every layout is that: (F, T * N) holds (F, T, N), and (C*H*W, N) holds (C, H, W, N).
    """

    neon_module = "neonport.layers.rearranging"

    def __init__(self, name: str | None) -> None:
        super().__init__(name)
        self.owns_delta = True
        self._forward: Any = None
        self._backward: Any = None

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {self.in_shape} inputs, {self.out_shape} outputs"
        )

    def _dims(self) -> tuple[int, ...]:
        """The logical sizes of the inputs."""
        interpret_in_shape(self.in_shape)  # one stream
        self._forward = self._backward = None
        return (self.in_shape,) if is_int(self.in_shape) else tuple(self.in_shape)

    def _view(self, tensor: Any) -> Any:
        """The part of the inputs (or of their gradient) that becomes the outputs, in their order.

        Args:
            tensor: (*logical sizes of the inputs, batch).
        """
        raise NotImplementedError

    def _pair(self, below: Any, above: Any) -> tuple[Any, Any]:
        """The view of a tensor of the inputs' layout, and one of the outputs' in the same shape."""
        dims = (self.in_shape,) if is_int(self.in_shape) else self.in_shape
        view = self._view(below.reshape((*dims, self.be.bsz)))
        return view, above.reshape(view.shape)

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Copy the view, added to `beta` times what the outputs hold."""
        check_inputs(self, inputs)
        if self._forward is None or self.inputs is not inputs:
            self.inputs = inputs
            self._forward = self._pair(inputs, self.outputs)
        view, outputs = self._forward
        outputs[:] = view + beta * outputs if beta else view
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Copy the error to where its inputs were; the rest of `deltas` gets beta times its own."""
        check_error(self, error)
        deltas = self.deltas
        if deltas is None:
            return None
        if self._backward is None or self._backward[0] is not error:
            self._backward = (error, *self._pair(deltas, error))
        _, view, source = self._backward
        if view.size != deltas.size and beta != 1:
            deltas[:] = beta * deltas if beta else 0
            beta = 1.0 if beta else 0.0
        tree = source if alpha == 1 else alpha * source
        view[:] = tree + beta * view if beta else tree
        return deltas


class Slice(_Rearranging):
    """outputs = inputs[start:stop] along one logical axis.

    Args:
        start, stop: as in a slice of Python: None for the end, negative numbers from the end.
        axis: of the logical shape: 0 is features (channels), of (F, T) 1 is time.
        name: given name, or None.

    Example:
        layer = Slice(1, None)
        layer.configure(3)
        layer.allocate()
        assert (layer.fprop(x).get() == x.get()[1:]).all()
    """

    def __init__(
        self,
        start: int | None = None,
        stop: int | None = None,
        axis: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        for argument, value in (("start", start), ("stop", stop)):
            if value is not None and not is_int(value):
                raise ConfigurationError(
                    f"{label(self)}: {argument}={value!r} must be an integer or None"
                )
        if not is_int(axis):
            raise ConfigurationError(f"{label(self)}: axis={axis!r} must be an integer")
        self.start, self.stop, self.axis = start, stop, axis
        self._place: tuple[slice, ...] = ()

    def configure(self, in_obj: Any) -> Slice:
        """Work out the output shape.

        Raises:
            ConfigurationError: there is no such axis, or nothing would be left.
        """
        super().configure(in_obj)
        dims = self._dims()
        if not -len(dims) <= self.axis < len(dims):
            raise ConfigurationError(
                f"{label(self)}: axis={self.axis}, but the input shape {self.in_shape} has "
                f"{len(dims)} (the batch is none of them)"
            )
        axis = self.axis % len(dims)
        chosen = range(dims[axis])[self.start : self.stop]
        if not chosen:
            raise ConfigurationError(
                f"{label(self)}: [{self.start}:{self.stop}] of the {dims[axis]} entries along axis "
                f"{axis} of {self.in_shape} is empty"
            )
        self._place = (slice(None),) * axis + (slice(chosen.start, chosen.stop),)
        sizes = (*dims[:axis], len(chosen), *dims[axis + 1 :])
        self.out_shape = sizes[0] if is_int(self.in_shape) else sizes
        return self

    def _view(self, tensor: Any) -> Any:
        return tensor[self._place]


class Transpose(_Rearranging):
    """Permute the logical axes; the batch stays last.

    Args:
        axes: where each axis of the outputs comes from, as in numpy.transpose; None reverses them.
        name: given name, or None.

    Example:
        layer = Transpose()
        layer.configure((3, 1))
        layer.allocate()
        assert layer.out_shape == (1, 3)
    """

    def __init__(self, axes: tuple[int, ...] | None = None, name: str | None = None) -> None:
        super().__init__(name)
        if axes is not None:
            axes = tuple(axes)
            if sorted(a for a in axes if is_int(a)) != list(range(len(axes))):
                raise ConfigurationError(
                    f"{label(self)}: axes={axes!r} must name each axis from 0 to its number once, "
                    "the batch left out"
                )
        self.axes = axes
        self._order: tuple[int, ...] = ()

    def configure(self, in_obj: Any) -> Transpose:
        """Work out the output shape.

        Raises:
            ConfigurationError: the input has another number of axes.
        """
        super().configure(in_obj)
        dims = self._dims()
        order = tuple(range(len(dims)))[::-1] if self.axes is None else self.axes
        if len(order) != len(dims):
            raise ConfigurationError(
                f"{label(self)}: axes={self.axes} are {len(order)}, the input shape "
                f"{self.in_shape} has {len(dims)}"
            )
        self._order = order
        sizes = tuple(dims[axis] for axis in order)
        self.out_shape = sizes[0] if is_int(self.in_shape) else sizes
        return self

    def _view(self, tensor: Any) -> Any:
        return tensor.permute((*self._order, len(self._order)))
