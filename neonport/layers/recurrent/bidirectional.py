"""BiRNN and BiLSTM: layers that read a sequence from both ends."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.errors import ConfigurationError
from neonport.layers.checks import label
from neonport.layers.recurrent.base import RecurrentLayer
from neonport.layers.recurrent.gated import LSTMRecurrence
from neonport.layers.recurrent.recurrence import Product, Recurrence
from neonport.tensor.tensor import Tensor


class BiRNN(RecurrentLayer):
    """Two simple recurrences, from the first step to the last and from the last to the first.

    Outputs are (2 * nout, steps): forward above, backward below, at the same true time.

    W is (2 * (nin + nout + 1), nout): input weights forward and backward, recurrent weights forward
    and backward, biases forward and backward; each block is read row by row (`RecurrentLayer`).

    Every sequence starts at zero, whatever `reset_cells` says: that is what neon does, and the
    backward direction of a minibatch cannot know the next one. With `strict=True` and
    `reset_cells=False` each direction goes on where it ended in the minibatch before.

    Args:
        output_size: units of each direction.
        init: initializer of the input weights of each direction, or its name; or an array of W's
            shape.
        init_inner: initializer of the recurrent weights, None for `init`.
        activation: a Transform, such as Tanh(), or its name, "tanh".
        reset_cells: see above.
        split_inputs: forward reads the upper half of the input rows, backward the lower half.
        name: given name, or None.
        parallelism: label kept for neon.
        strict: see above.

    Attributes:
        W_input_f, W_recur_f, b_f, W_input_b, W_recur_b, b_b: views of W; of dW with a d in front.

    Example:
        layer = BiRNN(5, init=Gaussian(), activation=Tanh())
        layer.configure((3, 2))  # 3 features, 2 steps
        layer.allocate()
        assert layer.fprop(be.ones((3, 2 * 4))).shape == (10, 2 * 4)
    """

    directions: ClassVar[int] = 2
    suffixes: ClassVar[tuple[str, ...]] = ("_f", "_b")
    W_input_f: Tensor
    W_input_b: Tensor
    dW_input_f: Tensor
    dW_input_b: Tensor

    def __init__(
        self,
        output_size: int,
        init: Any,
        init_inner: Any = None,
        activation: Any = None,
        reset_cells: bool = False,
        split_inputs: bool = False,
        name: str | None = None,
        parallelism: str = "Data",
        strict: bool = False,
    ) -> None:
        super().__init__(output_size, init, init_inner, activation, None, reset_cells, name, strict)
        self.split_inputs = split_inputs
        self.parallelism = parallelism

    @property
    def stateful(self) -> bool:
        """Whether each direction goes on where it ended in the minibatch before."""
        return self.strict and not self.reset_cells

    @property
    def inputs_each(self) -> int:
        """Rows of the inputs that a direction reads."""
        return super().inputs_each // (2 if self.split_inputs else 1)

    def configure(self, in_obj: Any) -> BiRNN:
        """Set `out_shape` (2 * output_size, steps).

        Raises:
            ConfigurationError: split inputs of an odd number of rows.
        """
        super().configure(in_obj)
        if self.split_inputs and super().inputs_each % 2:
            raise ConfigurationError(
                f"{label(self)}: split_inputs gives each direction half of the {self.nin} input "
                "rows, which is an odd number; put it on a bidirectional layer"
            )
        return self

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:  # type: ignore[override]
        """Run both recurrences; return the hidden states of both.

        Args:
            inputs: (nin, steps * batch), or a buffer of the same elements (an image's).
            inference: without effect on the values of a layer without batch normalisation.
            beta: factor of what the output buffer holds, added.
        """
        return super().fprop(inputs, inference, beta=beta)

    def _halves(self, whole: Tensor, steps: int) -> list[Tensor]:
        half = self.inputs_each
        return [self._columns(whole[k * half : (k + 1) * half], steps) for k in range(2)]

    def _multiply(self, target: Tensor, steps: int) -> None:
        if not self.split_inputs:
            super()._multiply(target, steps)
            return
        size = target.shape[0] // 2
        parts = ((self.W_input_f, target[:size]), (self.W_input_b, target[size:]))
        for (w, part), x in zip(parts, self._halves(self.x, steps), strict=True):
            self.be.compound_dot(w, x, self._columns(part, steps))

    def _input_weight_gradients(self, gradient: Tensor, steps: int) -> list[Product]:
        if not self.split_inputs:
            return super()._input_weight_gradients(gradient, steps)
        size = gradient.shape[0] // 2
        parts = ((gradient[:size], self.dW_input_f), (gradient[size:], self.dW_input_b))
        halves = zip(parts, self._halves(self.x, steps), strict=True)
        return [(part, x.T, dw) for (part, dw), x in halves]

    def _back(self, gradient: Tensor, steps: int, alpha: float, beta: float) -> None:
        if not self.split_inputs:
            super()._back(gradient, steps, alpha, beta)
            return
        assert self.nin is not None
        whole, size = self._delta_sequence(self.deltas, self.nin), gradient.shape[0] // 2
        parts = ((self.W_input_f, gradient[:size]), (self.W_input_b, gradient[size:]))
        for (w, part), deltas in zip(parts, self._halves(whole, steps), strict=True):
            self.be.compound_dot(w.T, part, deltas, alpha=alpha, beta=beta)
        self._clear_rest(whole, steps, beta)


class BiLSTM(BiRNN):
    """Two long short-term memories, from both ends; outputs and states as those of `BiRNN`.

    W is (2 * (nin + nout + 1), 4 * nout), blocks as in `BiRNN`, gates in the order i, f, o, g.

    Args:
        output_size: units of each direction.
        init: initializer of the input weights, called for each direction's gates, or its name; or
            an array of W's shape.
        init_inner: initializer of the recurrent weights, None for `init`.
        activation: a Transform, such as Tanh(), or its name, "tanh".
        gate_activation: the same for the gates, such as Logistic() or "sigmoid".
        reset_cells, split_inputs: see `BiRNN`.
        name: given name, or None.
        strict: see `BiRNN`.

    Example:
        layer = BiLSTM(5, init=Gaussian(), activation=Tanh(), gate_activation=Logistic())
        layer.configure((3, 2))  # 3 features, 2 steps
        layer.allocate()
        assert layer.fprop(be.ones((3, 2 * 4))).shape == (10, 2 * 4)
    """

    recurrence: ClassVar[type[Recurrence]] = LSTMRecurrence

    def __init__(
        self,
        output_size: int,
        init: Any,
        init_inner: Any = None,
        activation: Any = None,
        gate_activation: Any = None,
        reset_cells: bool = False,
        split_inputs: bool = False,
        name: str | None = None,
        strict: bool = False,
    ) -> None:
        RecurrentLayer.__init__(
            self, output_size, init, init_inner, activation, gate_activation, reset_cells, name,
            strict,
        )  # fmt: skip
        self.split_inputs = split_inputs
