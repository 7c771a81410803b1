"""Layers that make one step of a sequence's many: sum, mean, last; and the sum of directions."""

from __future__ import annotations

from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label
from neonport.layers.recurrent.steps import Sequence, get_steps, interpret_in_shape, need_steps
from neonport.tensor.tensor import Tensor


class RecurrentOutput(Layer):
    """Base of layers that reduce (features, steps) to (features, 1).

    With `set_seq_len(S)` only the first S steps count. Padding inside them is not left out.

    Args:
        name: given name, or None for the class name.

    Attributes:
        deltas: list of views, the gradient at each step; empty in a first layer.
        deltas_buffer: the tensor they are views of, None in a first layer.
    """

    neon_module = "neon.layers.recurrent"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(type(self).__name__ if name is None else name)
        self.owns_delta = True
        self.nin: int | None = None
        self.nsteps: int = 1
        self.deltas_buffer: Any = None
        self._sequence = Sequence()
        self._apart: tuple[Any, Any] | None = None

    def __str__(self) -> str:
        known = self.in_shape is not None
        return (
            f"{self.classnm} Layer '{self.name}': {self.nin or '?'} inputs, "
            f"{self.nsteps if known else '?'} steps"
        )

    def configure(self, in_obj: Any) -> RecurrentOutput:
        """Set `out_shape` (features, 1)."""
        super().configure(in_obj)
        self.nin, self.nsteps = interpret_in_shape(self.in_shape)
        self.out_shape = (self.nin, 1)
        return self

    def set_deltas(self, delta_buffers: Any) -> None:
        """Take a buffer, and views of its steps."""
        super().set_deltas(delta_buffers)
        self.deltas_buffer, self._apart = self.deltas, None
        self.deltas = []
        if self.deltas_buffer is not None:
            assert self.nin is not None
            self.deltas = get_steps(self.deltas_buffer, (self.nin, self.nsteps))

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Reduce the steps of the inputs; add `beta` times what the output buffer holds."""
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        assert self.nin is not None
        self.inputs = inputs
        x = self._sequence(inputs, self.nin)
        steps = need_steps(self, self.nsteps)
        apart = x.reshape((self.nin, self.nsteps, -1))[:, :steps]
        target = self.outputs.reshape((self.nin, 1, -1))
        tree = self._reduced(apart, steps)
        target[:] = tree + beta * target if beta else tree
        return self.outputs

    def _reduced(self, x: Tensor, steps: int) -> Any:
        """The reduction of (features, steps, batch) along the steps. Subclasses implement it."""
        raise NotImplementedError(f"{self.classnm} must implement _reduced(x, steps)")

    def _gradient(self, error: Any, steps: int) -> Any:
        """The gradient at each of the steps that count."""
        return error

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Hand the error to the steps, times `alpha`, plus `beta` times the deltas there.

        Returns:
            `deltas_buffer`, (features, steps * batch).
        """
        check_error(self, error)
        if self.deltas_buffer is None:
            return None
        steps = need_steps(self, self.nsteps)
        if self._apart is None or self._apart[0] is not error:
            shape = (self.nin, self.nsteps, -1)
            self._apart = error, self.deltas_buffer.reshape(shape)
        tree = self._gradient(error.reshape((self.nin, 1, -1)), steps)
        self._spread(self._apart[1], alpha * tree if alpha != 1 else tree, steps, beta)
        return self.deltas_buffer

    def _spread(self, deltas: Tensor, tree: Any, steps: int, beta: float) -> None:
        used, rest = deltas[:, :steps], deltas[:, steps:]
        used[:] = tree + beta * used if beta else tree
        if steps < self.nsteps:
            rest[:] = beta * rest if beta else 0


class RecurrentSum(RecurrentOutput):
    """Sum of all steps.

    Example:
        layer = RecurrentSum()
        layer.configure((3, 2))
        layer.allocate()
        assert (layer.fprop(be.ones((3, 2 * 4))).get() == 2).all()
    """

    def _reduced(self, x: Tensor, steps: int) -> Any:
        return self.be.sum(x, axis=1)


class RecurrentMean(RecurrentOutput):
    """Mean of all steps.

    Example:
        layer = RecurrentMean()
        layer.configure((3, 2))
        layer.allocate()
        assert (layer.fprop(be.ones((3, 2 * 4))).get() == 1).all()
    """

    def _reduced(self, x: Tensor, steps: int) -> Any:
        return self.be.mean(x, axis=1)

    def _gradient(self, error: Any, steps: int) -> Any:
        return error * (1.0 / steps)


class RecurrentLast(RecurrentOutput):
    """The last step.

    Example:
        layer = RecurrentLast()
        layer.configure((3, 2))
        layer.allocate()
        assert layer.fprop(be.ones((3, 2 * 4))).shape == (3, 4)
    """

    def _reduced(self, x: Tensor, steps: int) -> Any:
        return x[:, steps - 1 : steps]

    def _spread(self, deltas: Tensor, tree: Any, steps: int, beta: float) -> None:
        if not beta:
            deltas[:] = 0
        elif beta != 1:
            deltas[:] = beta * deltas
        last = deltas[:, steps - 1 : steps]
        last[:] = last + tree if beta else tree


class BiSum(Layer):
    """Sum of both directions of a bidirectional layer: (2F, T) -> (F, T).

    Args:
        name: given name, or None.

    Example:
        layer = BiSum()
        layer.configure((4, 3))
        layer.allocate()
        assert layer.fprop(be.ones((4, 3 * 4))).get().tolist() == [[2] * 12, [2] * 12]
    """

    neon_module = "neon.layers.recurrent"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.owns_delta = True
        self.nout: int | None = None
        self.nsteps: int = 1
        self._sequence = Sequence()
        self._errors = Sequence()

    def __str__(self) -> str:
        known = self.in_shape is not None
        nin = 2 * self.nout if self.nout else "?"
        return (
            f"{self.classnm} Layer '{self.name}': {nin} inputs, {self.nout or '?'} outputs, "
            f"{self.nsteps if known else '?'} steps"
        )

    def configure(self, in_obj: Any) -> BiSum:
        """Set `out_shape`, half as many features.

        Raises:
            ConfigurationError: an odd number of features.
        """
        super().configure(in_obj)
        nin, self.nsteps = interpret_in_shape(self.in_shape)
        if nin % 2:
            raise ConfigurationError(
                f"{label(self)}: {nin} features are no two directions; put it on a bidirectional "
                "layer"
            )
        self.nout = nin // 2
        self.out_shape = (self.nout, self.nsteps)
        return self

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Add both halves of the rows; add `beta` times what the output buffer holds."""
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        assert self.nout is not None
        self.inputs = inputs
        x = self._sequence(inputs, 2 * self.nout)
        tree = x[: self.nout] + x[self.nout :]
        self.outputs[:] = tree + beta * self.outputs if beta else tree
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Give both halves the error, times `alpha`, plus `beta` times the deltas there."""
        check_error(self, error)
        if self.deltas is None:
            return None
        assert self.nout is not None
        deltas = self._errors(self.deltas, 2 * self.nout).reshape((2, self.nout, -1))
        tree = error.reshape((1, self.nout, -1))
        tree = alpha * tree if alpha != 1 else tree
        deltas[:] = tree + beta * deltas if beta else tree
        return self.deltas
