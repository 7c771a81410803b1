"""Recurrent, LSTM, GRU: layers that read a sequence from its first step to the last."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.layers.recurrent.base import RecurrentLayer
from neonport.layers.recurrent.gated import GRURecurrence, LSTMRecurrence
from neonport.layers.recurrent.recurrence import Recurrence
from neonport.tensor.tensor import Tensor


class Recurrent(RecurrentLayer):
    """h_t = act(W_recur h_(t-1) + W_input x_t + b), for every step of a sequence.

    W is (nin + nout + 1, nout): see `RecurrentLayer`, also for states that are carried from one
    minibatch to the next (`reset_cells=False`).

    Two things follow neon unless `strict=True`: a carried state starts at zero where the inputs are
    another tensor than before, or an image, whose view as a sequence neon takes for another tensor
    (a strict layer goes on, whatever the tensor, until training and inference take turns); and
    gradients leave the carried state out (a strict layer counts it, as a number: they are those of
    the sequence of this minibatch).

    Args:
        output_size: number of units.
        init: initializer of the input weights (nout, nin), or its name; or an array of W's shape.
        init_inner: initializer of the recurrent weights (nout, nout), None for `init`.
        activation: a Transform, such as Tanh(), or its name, "tanh".
        reset_cells: start every sequence at zero.
        name: given name, or None.
        strict: see above.

    Attributes:
        W_input, W_recur, b: views of W; dW_input, dW_recur, db of dW.
        final_hidden_error: (nout, batch), gradient at the state before the first step.

    Example:
        layer = Recurrent(5, init=Gaussian(), activation=Tanh())
        layer.configure((3, 2))  # 3 features, 2 steps
        layer.allocate()
        assert layer.fprop(be.ones((3, 2 * 4))).shape == (5, 2 * 4)
    """

    def __init__(
        self,
        output_size: int,
        init: Any,
        init_inner: Any = None,
        activation: Any = None,
        reset_cells: bool = False,
        name: str | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(output_size, init, init_inner, activation, None, reset_cells, name, strict)

    @property
    def final_state_buffer(self) -> Any:
        """The hidden state after the last step, (nout, batch); None before `allocate`."""
        return self._recurrences[0].last(0, self._steps) if self._recurrences else None

    def final_state(self) -> Any:
        """The hidden state after the last step, (nout, batch)."""
        return self.final_state_buffer

    @property
    def final_hidden_error(self) -> Any:
        """The gradient at the hidden state before the first step; None before `allocate`."""
        if not self._recurrences:
            return None
        return self._recurrences[0].block("dz", 0, 1)[self._steps]

    def get_final_hidden_error(self) -> Any:
        """The gradient at the hidden state before the first step, (nout, batch)."""
        return self.final_hidden_error


class _Gated(Recurrent):
    """A recurrence with gates."""

    def __init__(
        self,
        output_size: int,
        init: Any,
        init_inner: Any = None,
        activation: Any = None,
        gate_activation: Any = None,
        reset_cells: bool = False,
        name: str | None = None,
        strict: bool = False,
    ) -> None:
        RecurrentLayer.__init__(
            self, output_size, init, init_inner, activation, gate_activation, reset_cells, name,
            strict,
        )  # fmt: skip

    def _block(self, first: int, last: int) -> Any:
        """Rows of some blocks of the result."""
        result = self._recurrences[0].result
        return result[first * self.nout : last * self.nout]


class LSTM(_Gated):
    """Long short-term memory: c_t = f * c_(t-1) + i * g, h_t = o * act(c_t).

    The gates i, f, o (by `gate_activation`) and g (by `activation`) are those of
    W_input x_t + W_recur h_(t-1) + b, in this order of rows. W is (nin + nout + 1, 4 * nout).

    `reset_cells` sets hidden state and cells to zero; an `init_state` given to `fprop` replaces the
    hidden state only. States, `strict`: see `Recurrent`.

    Args:
        output_size: number of units.
        init: initializer of the input weights, called for each gate's (nout, nin), or its name; or
            an array of W's shape.
        init_inner: initializer of the recurrent weights, None for `init`.
        activation: a Transform, such as Tanh(), or its name, "tanh".
        gate_activation: the same for the gates, such as Logistic() or "sigmoid".
        reset_cells: start every sequence at zero.
        name: given name, or None.
        strict: see above.

    Attributes:
        c_buffer, c_act_buffer: cells and their activation, (nout, steps * batch).
        ifog_buffer, ifog_delta_buffer: gates and the gradients before their activation,
            (4 * nout, steps * batch).

    Example:
        layer = LSTM(5, init=Gaussian(), activation=Tanh(), gate_activation=Logistic())
        layer.configure((3, 2))  # 3 features, 2 steps
        layer.allocate()
        assert layer.fprop(be.ones((3, 2 * 4))).shape == (5, 2 * 4)
    """

    recurrence: ClassVar[type[Recurrence]] = LSTMRecurrence

    @property
    def c_buffer(self) -> Tensor:
        """Cells of all steps, (nout, steps * batch)."""
        view: Tensor = self._block(1, 2)
        return view

    @property
    def c_act_buffer(self) -> Tensor:
        """Activation of the cells, (nout, steps * batch)."""
        view: Tensor = self._block(2, 3)
        return view

    @property
    def ifog_buffer(self) -> Tensor:
        """Gates of all steps, (4 * nout, steps * batch)."""
        view: Tensor = self._block(3, 7)
        return view

    @property
    def ifog_delta_buffer(self) -> Tensor:
        """Gradients before the gates' activation, after `bprop`."""
        return self._recurrences[0].cut("dz", 0, self.nsteps)


class GRU(_Gated):
    """Gated recurrent unit: h_t = (1 - z) * h_(t-1) + z * hcan; z multiplies the *new* candidate.

    r and z (by `gate_activation`) are gates of W_input x_t + W_recur h_(t-1) + b; the candidate
    hcan (by `activation`) has W_recur (r * h_(t-1)). Rows are in the order r, z, hcan. W is
    (nin + nout + 1, 3 * nout). States, `strict`: see `Recurrent`.

    Args:
        output_size: number of units.
        init: initializer of the input weights, called for each gate's (nout, nin), or its name; or
            an array of W's shape.
        init_inner: initializer of the recurrent weights, None for `init`.
        activation: a Transform, such as Tanh(), or its name, "tanh".
        gate_activation: the same for the gates, such as Logistic() or "sigmoid".
        reset_cells: start every sequence at zero.
        name: given name, or None.
        strict: see above.

    Attributes:
        Wrz_recur, Whcan_recur, b_rz, b_hcan: views of W_recur and b; dWrz_recur, dWhcan_recur of
            their gradients.

    Example:
        layer = GRU(5, init=Gaussian(), activation=Tanh(), gate_activation=Logistic())
        layer.configure((3, 2))  # 3 features, 2 steps
        layer.allocate()
        assert layer.fprop(be.ones((3, 2 * 4))).shape == (5, 2 * 4)
    """

    recurrence: ClassVar[type[Recurrence]] = GRURecurrence

    def _set_views(self, prefix: str, views: dict[str, Any]) -> None:
        super()._set_views(prefix, views)
        both, w, b = 2 * self.nout, views["W_recur"][0], views["b"][0]
        setattr(self, f"{prefix}Wrz_recur", w[:both])
        setattr(self, f"{prefix}Whcan_recur", w[both:])
        if not prefix:
            self.b_rz, self.b_hcan = b[:both], b[both:]
