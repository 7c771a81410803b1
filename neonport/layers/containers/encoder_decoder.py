"""Encoder, Decoder: a chain that leaves what it read in its states, one that writes from states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.checks import label
from neonport.layers.containers.one_step import OneStep
from neonport.layers.lookup import Embedding, LookupTable
from neonport.layers.recurrent.recurrent import Recurrent
from neonport.layers.recurrent.steps import get_steps
from neonport.layers.sequential import PLAIN, Sequential
from neonport.layers.shapes import interpret_in_shape, is_flat, is_int
from neonport.tensor.tensor import Tensor


class Encoder(Sequential):
    """A chain of layers that leaves what it read in the last states of its recurrent layers.

    Args:
        layers, name: as of Sequential; at least one Recurrent, LSTM or GRU.

    Attributes:
        recurrent: the recurrent layers, from the lowest up.

    Example:
        encoder = Encoder([GRU(5, Gaussian(), activation=Tanh(), gate_activation=Logistic())])
        encoder.configure((3, 2))  # 3 features, 2 steps
        encoder.allocate()
        encoder.fprop(be.ones((3, 2 * 4)))
        (state,) = encoder.get_final_hidden()
        assert state.shape == (5, 4)
    """

    mixes: ClassVar[bool] = False

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(layers, name)
        self.recurrent = _recurrent(self)
        self._error: Any = None  # gradient at the outputs, of which nobody takes notice

    def get_final_hidden(self) -> list[Tensor]:
        """The hidden state of each recurrent layer after its last step, (units, batch)."""
        return [layer.final_state() for layer in self.recurrent]

    def bprop_states(
        self, errors: Sequence[Sequence[Tensor]], alpha: float = 1.0, beta: float = 0.0
    ) -> Any:
        """Run backwards from gradients at the last hidden states; return the gradient of the input.

        Args:
            errors: for each recurrent layer the gradients (units, batch), to be added up.
            alpha, beta: as of `Sequential.bprop`.
        """
        self.make_error()
        found = {layer: list(own) for layer, own in zip(self.recurrent, errors, strict=True) if own}
        error = self._error
        error[:] = 0
        first: Any = self._layers[0]
        layer: Any
        for layer in reversed(self._layers[self._frozen_members() :]):
            if layer in found:
                last = get_steps(error, (layer.nout, layer.nsteps))[layer._steps - 1]
                last[:] = last + sum(found[layer][1:], start=found[layer][0])
            if layer is first and layer.prev_layer and (alpha, beta) != PLAIN:
                self._need(layer, "bprop", "beta")
                error = layer.bprop(error, alpha=alpha, beta=beta)
            else:
                error = layer.bprop(error)
        return first.deltas

    def make_error(self) -> None:
        """Make the buffer that `bprop_states` starts with."""
        if self._error is None:
            self._error = self.be.iobuf(self.out_shape)


class Decoder(Sequential):
    """A chain of layers that writes a sequence from the states it is given.

    In training it is given the sequence of inputs. In inference it runs step by step, and what it
    gives out at a step is its input at the next one. For that it has a second set of buffers, for
    one step, on the same parameters.

    Args:
        layers, name: as of Sequential; at least one Recurrent, LSTM or GRU.
        start_index: which input, one-hot, or which id the first step of inference is given; None
            for zeros, or the id 0. (neon heeds it in beam search only.)

    Attributes:
        recurrent: the recurrent layers, from the lowest up.
        full_steps: time steps of a sequence.
        has_lookup: whether inputs are ids: the first layer is a LookupTable.

    Example:
        gru = GRU(5, Gaussian(), activation=Tanh(), gate_activation=Logistic())
        decoder = Decoder([gru, Affine(3, Gaussian(), activation=Softmax())])
        decoder.configure((3, 2))  # 3 features, 2 steps
        decoder.allocate()
        assert decoder.generate([be.zeros((5, 4))]).shape == (3, 2 * 4)
    """

    mixes: ClassVar[bool] = False

    def __init__(
        self, layers: Any, name: str | None = None, start_index: int | None = None
    ) -> None:
        super().__init__(layers, name)
        if start_index is not None and not (is_int(start_index) and start_index >= 0):
            raise ConfigurationError(
                f"{label(self)}: start_index={start_index!r} must be the index of an input, 0 or "
                "more, or None"
            )
        self.start_index = start_index
        self.recurrent = _recurrent(self)
        self.has_lookup = isinstance(self.layers[0], LookupTable)
        self.needs_states = True  # gradients at the first states are asked for
        self._steps: Any = None  # the layers for one step
        self._inputs: Any = None  # what the next step is given
        self._written: list[Any] = []  # steps of `xbuf`
        self._dtype: Any = None
        self.xbuf: Any = None

    @property
    def full_steps(self) -> int:
        """Time steps of a sequence, 1 before `configure`."""
        return 1 if self.out_shape is None else int(self.out_shape[1])

    def configure(self, in_obj: Any) -> Decoder:
        """Configure the members; see `Sequential`.

        Raises:
            ConfigurationError: outputs have other time steps than inputs.
        """
        super().configure(in_obj)
        self._steps = self._inputs = self.xbuf = None
        rows, steps = interpret_in_shape(self.in_shape)
        wanted = rows if self._ids_are_steps else steps
        if not is_flat(self.out_shape) or is_int(self.out_shape) or self.out_shape[1:] != (wanted,):
            raise ConfigurationError(
                f"{label(self)}: inputs of shape {self.in_shape} have {wanted} time steps, the "
                f"outputs the shape {self.out_shape}; a decoder gives out one column a step"
            )
        return self

    @property
    def _ids_are_steps(self) -> bool:
        return self.has_lookup and not isinstance(self.layers[0], Embedding)

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make the buffers of training; those of inference follow when they are first used."""
        super().allocate(shared_outputs, accumulate_updates)
        self._dtype = self.be.iobuf(1).dtype

    def fprop(
        self,
        inputs: Any,
        inference: bool = False,
        beta: float = 0.0,
        init_states: Sequence[Any] | None = None,
    ) -> Any:
        """Run all steps on given inputs; return the outputs.

        Args:
            inputs: (features, steps * batch), or ids (steps, batch).
            inference: handed to all members.
            beta: as of Sequential.
            init_states: for each recurrent layer the hidden state (units, batch) before the first
                step, or None; default None for all.
        """
        if init_states is None:
            return super().fprop(inputs, inference, beta)
        states = dict(zip(self.recurrent, init_states, strict=True))
        x = inputs
        for layer in self.layers:
            kwargs = {} if states.get(layer) is None else {"init_state": states[layer]}
            if beta and layer is self.layers[-1]:
                self._need(layer, "fprop", "beta")
                kwargs["beta"] = beta
            x = layer.fprop(x, inference, **kwargs)
        return x

    def get_final_hidden_errors(self) -> list[Tensor]:
        """After `bprop`: the gradient at the first hidden state of each recurrent layer."""
        return [layer.get_final_hidden_error() for layer in self.recurrent]

    def _frozen_members(self) -> int:
        return 0 if self.needs_states else super()._frozen_members()

    # ---- step by step ------------------------------------------------------------------------

    @property
    def one_step(self) -> OneStep:
        """The layers for one step a call, made when first asked for.

        Raises:
            ConfigurationError: never allocated, a layer looks at several steps, or what goes out
                does not fit in.
        """
        if self._steps is None:
            if self._dtype is None:
                raise ConfigurationError(
                    f"{label(self)}: decoding before allocate; call layer.allocate() after "
                    "configure (Model.initialize does both)"
                )
            rows = 1 if self._ids_are_steps else interpret_in_shape(self.in_shape)[0]
            features, count = self.out_shape[0], rows
            if self.has_lookup:
                count = self.layers[0]._rows
            if features != count or (self.has_lookup and rows != 1):
                raise ConfigurationError(
                    f"{label(self)}: gives out {features} numbers a step and takes {count}; in "
                    "inference an output is the next input, so they must be as many"
                )
            if self.start_index is not None and self.start_index >= features:
                raise ConfigurationError(
                    f"{label(self)}: start_index={self.start_index}, but there are {features} "
                    f"inputs, 0 to {features - 1}"
                )
            steps = OneStep(self, (rows, 1), self._dtype)
            kind = np.int32 if self.has_lookup else self.be.default_dtype
            self._inputs = self.be.zeros((rows, self.be.bsz), dtype=kind)
            with self.be.activations(self._dtype):
                self.xbuf = self.be.iobuf(self.out_shape)
            self._written = get_steps(self.xbuf, self.out_shape)
            self._steps = steps
        found: OneStep = self._steps
        return found

    def begin(self, hidden: Sequence[Any]) -> Any:
        """Start a sequence; return the input of its first step.

        Args:
            hidden: for each recurrent layer a hidden state (units, batch), or None for zero.
        """
        self.one_step.begin(list(hidden))
        self._inputs[:] = 0
        if self.start_index is not None:
            if self.has_lookup:
                self._inputs[:] = self.start_index
            else:
                self._inputs[self.start_index : self.start_index + 1] = 1
        return self._inputs

    def feed_ids(self, ids: Any) -> Any:
        """Turn ids, (1, batch) int32, into the input of the next step."""
        self._inputs[:] = ids if self.has_lookup else self.be.onehot(ids, axis=0)
        return self._inputs

    def generate(self, hidden: Sequence[Any]) -> Any:
        """Write a sequence from hidden states; return its steps (features, steps * batch).

        The input of a step is the output of the step before; where inputs are ids, the id with the
        largest output.

        Args:
            hidden: for each recurrent layer a hidden state (units, batch), or None for zero.
        """
        inputs, step = self.begin(hidden), self.one_step
        wanted = self.recurrent[0].actual_seq_len
        for written in self._written[:wanted]:
            y = step.fprop(inputs)
            written[:] = y
            inputs[:] = self.be.argmax(y, axis=0) if self.has_lookup else y
        return self.xbuf


def _recurrent(chain: Sequential) -> list[Any]:
    """The recurrent layers of a chain.

    Raises:
        ConfigurationError: it has none.
    """
    found = [layer for layer in chain.layers if isinstance(layer, Recurrent)]
    if not found:
        raise ConfigurationError(
            f"{label(chain)}: has no recurrent layer, whose state is what is handed over; give a "
            "Recurrent, an LSTM or a GRU"
        )
    return found
