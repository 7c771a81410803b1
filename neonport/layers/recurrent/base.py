"""RecurrentLayer: parameters, buffers and passes of recurrent layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import (
    check_error,
    check_init,
    check_inputs,
    check_positive_int,
    check_transform,
    label,
    need_backend,
    need_configured,
)
from neonport.layers.parameter import fill_parameter
from neonport.layers.recurrent.recurrence import Product, Recurrence
from neonport.layers.recurrent.stateful import StatefulLayer
from neonport.layers.recurrent.steps import Sequence, interpret_in_shape, need_steps
from neonport.layers.shapes import buffer_shape
from neonport.tensor.tensor import Tensor


class RecurrentLayer(StatefulLayer):
    """Base of layers with one recurrence, or with one in each direction.

    W holds all parameters, (directions * (nin + nout + 1), gates * nout): the input weights, the
    recurrent weights and the biases of each direction. The memory of such a block of rows, read
    row by row, is a matrix (gates * nout, rows): a view, no transposition.

    Where a model is trained in 16 bits, outputs have them, and states the type of the weights. What
    is carried from one minibatch to the next, see `StatefulLayer`.

    Args:
        output_size: units of a direction.
        init: initializer of the input weights, called once a gate, or its name; or an array of the
            shape of W.
        init_inner: initializer of the recurrent weights, None for `init`.
        activation: a Transform, or its name; those of neon that ops know run as one call a
            sequence.
        gate_activation: the same for the gates, None for a layer without.
        reset_cells: start every sequence at zero.
        name: given name, or None.
        strict: leave out what neon does with states; see the layers.

    Attributes:
        nin, nout, nsteps: rows of the inputs, of a state; most time steps.
    """

    neon_module = "neon.layers.recurrent"
    directions: ClassVar[int] = 1
    recurrence: ClassVar[type[Recurrence]] = Recurrence
    suffixes: ClassVar[tuple[str, ...]] = ("",)  # of attributes, one a direction
    W_all_inputs: Tensor  # views of W and dW, made by `allocate`
    dW_all_inputs: Tensor

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
        super().__init__(init, reset_cells, name, strict)
        self.output_size = self.nout = check_positive_int(self, "output_size", output_size)
        self.init_inner = check_init(self, init_inner, "init_inner")
        self.gates = self.recurrence.gates
        wanted = {"activation": activation}
        if self.gates > 1:
            wanted["gate_activation"] = gate_activation
        for argument, transform in wanted.items():
            if transform is None:
                raise ConfigurationError(
                    f"{label(self)}: {argument} is missing; give a Transform, such as "
                    f"{argument}={'Tanh()' if argument == 'activation' else 'Logistic()'}"
                )
            wanted[argument] = check_transform(self, transform, needs_bprop=True, argument=argument)
        self.activation = wanted["activation"]
        self.gate_activation = wanted.get("gate_activation")
        self.nin: int | None = None
        self.nsteps: int = 1
        self._form: Any = None  # what buffers were made for
        self._copies = False  # outputs are a copy of the hidden states
        self._in_place_above = False
        self._sequence = Sequence()
        self._delta_sequence = Sequence()

    def __str__(self) -> str:
        known = self.in_shape is not None
        both = " * 2" if self.directions == 2 else ""
        return (
            f"{self.classnm} Layer '{self.name}': {self.nin or '?'} inputs, "
            f"{self.nout}{both} outputs, {self.nsteps if known else '?'} steps"
        )

    # ---- buffers -----------------------------------------------------------------------------

    @property
    def inputs_each(self) -> int:
        """Rows of the inputs that a direction reads."""
        assert self.nin is not None
        return self.nin

    def configure(self, in_obj: Any) -> RecurrentLayer:
        """Set `out_shape` (units of all directions, steps); of an image, columns are the steps."""
        super().configure(in_obj)
        self.nin, self.nsteps = interpret_in_shape(self.in_shape)
        self.out_shape = (self.directions * self.nout, self.nsteps)
        rows = self.directions * (self.inputs_each + self.nout + 1)
        self.weight_shape = (rows, self.gates * self.nout)
        return self

    def set_next(self, layer: Layer) -> None:
        """Remember the layer above; one that works in place gets a copy of the hidden states."""
        super().set_next(layer)
        self._in_place_above = not layer.owns_output

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, parameters and all buffers; new buffers hold the state zero.

        Raises:
            ConfigurationError: not configured, or no initializer.
            CheckpointError: loaded weights, or a loaded state, of another shape.
        """
        need_configured(self, "allocate")
        need_backend(self)
        form = (self.nin, self.nsteps, self.be.bsz)
        if self.outputs is not None and self.outputs.shape != buffer_shape(
            self.out_shape, self.be.bsz
        ):
            self.outputs = None
        fresh = self.outputs is None or self._form != form
        private = self._in_place_above or shared_outputs is not None or self.outputs is not None
        results: list[Any] = []
        if fresh:
            # outputs have 16 bits in a model that is trained so, states never
            narrow = self.be.iobuf(1).dtype != self.be.default_dtype
            results = self._make_results(private or narrow)
        super().allocate(shared_outputs, accumulate_updates)
        if fresh:
            self._form = form
            self._make_buffers(results)
        if self._waiting is not None:
            self._take_carried()

    def _make_results(self, private: bool) -> list[Tensor]:
        """The buffers that recurrences fill; `outputs` is a part of them where that is possible."""
        columns = self.nsteps * self.be.bsz
        rows = self.recurrence.blocks * self.nout
        if self.directions == 2 and rows == self.nout and not private:
            self.outputs = self.be.zeros((2 * rows, columns))
            self._copies = False
            return [self.outputs[:rows], self.outputs[rows:]]
        results = [self.be.zeros((rows, columns)) for _ in range(self.directions)]
        self._copies = private or self.directions == 2
        if not self._copies:
            self.outputs = results[0] if rows == self.nout else results[0][: self.nout]
        return results

    def _make_buffers(self, results: list[Tensor]) -> None:
        size, batch, count = self.gates * self.nout, self.be.bsz, self.directions
        columns = self.nsteps * batch
        # z is of no use any more when dz is written: both live in the same memory
        self.dz = self.be.empty((count * size, columns + batch))
        flat = self.dz.reshape((1, -1))[:, : count * size * columns]
        self.z = flat.reshape((count * size, columns))
        self._recurrences = []
        self._start_buffers = []
        weights = self._views(self.W)
        self._set_views("", weights)
        self._set_views("d", self._views(self.dW))
        for k, result in enumerate(results):
            found = self.recurrence(
                self.be, self.nout, self.nsteps, self.activation, self.gate_activation, k == 1
            )
            rows = slice(k * size, (k + 1) * size)
            w, b = weights["W_recur"][k], weights["b"][k]
            found.bind(self.z[rows], result, self.dz[rows], w, b)
            self._recurrences.append(found)
            states = range(found.states)
            self._start_buffers.append([self.be.zeros((self.nout, batch)) for _ in states])
        self._ones = self.be.ones((1, columns))
        self._steps, self._remembered, self._has_run = self.nsteps, None, False
        self._inference = None

    # ---- parameters --------------------------------------------------------------------------

    def _views(self, matrix: Tensor) -> dict[str, Any]:
        """The blocks of W (or dW): input weights of all directions, the others one by one."""
        size, count, nin = self.gates * self.nout, self.directions, self.inputs_each
        both, first = matrix[: count * nin].reshape((count * size, nin)), count * nin
        views: dict[str, Any] = {
            "all_inputs": both,
            "W_input": [both[k * size : (k + 1) * size] for k in range(count)],
        }
        for name, rows in (("W_recur", self.nout), ("b", 1)):
            blocks = (matrix[first + k * rows : first + (k + 1) * rows] for k in range(count))
            views[name] = [block.reshape((size, rows)) for block in blocks]
            first += count * rows
        return views

    def _set_views(self, prefix: str, views: dict[str, Any]) -> None:
        setattr(self, f"{prefix}W_all_inputs", views["all_inputs"])
        for name in ("W_input", "W_recur", "b"):
            for suffix, view in zip(self.suffixes, views[name], strict=True):
                setattr(self, f"{prefix}{name}{suffix}", view)

    def init_params(self, shape: tuple[int, ...]) -> None:
        """Make W and dW; draw each gate's input weights, then its recurrent ones; biases are 0."""
        weights = self.be.zeros(shape, **self.get_param_attrs())
        views, inner = self._views(weights), self.init_inner
        if isinstance(self.init, (np.ndarray, Tensor)):
            fill_parameter(self, weights, self.init)
        else:
            self._draw(views["W_input"], self.init, "init")
        if isinstance(inner, (np.ndarray, Tensor)):
            for block in views["W_recur"]:
                fill_parameter(self, block, inner, "init_inner")
        elif inner is not None or not isinstance(self.init, (np.ndarray, Tensor)):
            inner = self.init if inner is None else inner
            self._draw(views["W_recur"], inner, "init_inner")
        self.W, self.dW = weights, self.be.empty_like(weights)
        self.states.clear()

    def _draw(self, blocks: list[Tensor], init: Any, what: str) -> None:
        for block in blocks:
            for gate in range(self.gates):
                rows = slice(gate * self.nout, (gate + 1) * self.nout)
                fill_parameter(self, block[rows], init, what)

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the layer; with weights and states also the carried state, under `carried`."""
        desc = super().get_description(get_weights, keep_states, **kwargs)
        if isinstance(inner := desc["config"].get("init_inner"), Tensor):
            desc["config"]["init_inner"] = inner.get()
        return desc

    # ---- propagation -------------------------------------------------------------------------

    def fprop(
        self, inputs: Any, inference: bool = False, init_state: Any = None, beta: float = 0.0
    ) -> Any:
        """Run the recurrence over the steps of the inputs; return the hidden states.

        Args:
            inputs: (nin, steps * batch), or a buffer of the same elements (an image's).
            inference: without effect on the values.
            init_state: hidden state (units, batch) before the first step, in place of zero or of
                the carried one; it never replaces cells.
            beta: factor of what the output buffer holds, added.

        With `set_seq_len(S)` only the first S steps are computed; the others keep old values. All
        samples are computed, whatever `set_batch_size` says: they do not mix.

        Raises:
            ShapeError: `init_state` of another shape.
            ConfigurationError: `beta`, but the outputs are the layer's hidden states.
        """
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        assert self.nin is not None
        steps = need_steps(self, self.nsteps)
        if beta and not self._copies:
            raise ConfigurationError(
                f"{label(self)}: fprop(beta={beta}) adds to outputs that are the layer's own "
                "hidden states; put a SkipNode() after it, which has outputs of its own"
            )
        self.inputs, self.x = inputs, self._sequence(inputs, self.nin)
        self._begin(inputs, inference, init_state)
        self._steps = steps
        self._feed(steps, inference)
        for recurrence, start in zip(self._recurrences, self._starts, strict=True):
            recurrence.forward(start, steps)
        if self._copies:
            self._copy_out(steps, beta)
        return self.outputs

    def _columns(self, x: Tensor, steps: int) -> Tensor:
        return x if steps == self.nsteps else x[:, : steps * self.be.bsz]

    def _feed(self, steps: int, inference: bool) -> None:
        """Fill z from the inputs."""
        self._multiply(self.z, steps)

    def _multiply(self, target: Tensor, steps: int) -> None:
        """One product of inputs and weights for all steps, gates and directions."""
        self.be.compound_dot(
            self.W_all_inputs, self._columns(self.x, steps), self._columns(target, steps)
        )

    def _copy_out(self, steps: int, beta: float) -> None:
        pairs = []
        for k, recurrence in enumerate(self._recurrences):
            rows = slice(k * self.nout, (k + 1) * self.nout)
            target = self._columns(self.outputs[rows], steps)
            h = recurrence.cut("result", 0, steps, 0, self.nout)
            pairs.append((target, h + beta * target if beta else h))
        self.be.assign_many(pairs)

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Gradients of all parameters, and deltas = alpha * gradient + beta * deltas.

        Args:
            error: (units of all directions, steps * batch); it is left as it was.
            alpha: factor of the input gradient; dW is not scaled.
            beta: factor of what `deltas` holds.
        """
        check_error(self, error)
        steps = self._steps
        used = self._columns(error, steps)
        for k, recurrence in enumerate(self._recurrences):
            own = used if self.directions == 1 else used[k * self.nout : (k + 1) * self.nout]
            recurrence.backward(own, self._counted[k], steps)
        gradient = self.dz[:, : steps * self.be.bsz]
        self._fill_gradients(gradient, steps)
        if self.deltas is not None:
            self._back(gradient, steps, alpha, beta)
        return self.deltas

    def _fill_gradients(self, gradient: Tensor, steps: int) -> None:
        """Fill the gradients of all parameters, if they are trained.

        Args:
            gradient: that of z; becomes that of the products of inputs and weights.
            steps: of the sequence.
        """
        if not self.frozen:
            self._fill_products(steps, self._input_weight_gradients(gradient, steps))

    def _input_weight_gradients(self, gradient: Tensor, steps: int) -> list[Product]:
        """The products that fill the gradients of the input weights."""
        return [(gradient, self._columns(self.x, steps).T, self.dW_all_inputs)]

    def _fill_products(self, steps: int, others: list[Product]) -> None:
        """Fill the gradients of recurrent weights and of biases, and what other products do.

        All of them read the gradients of the gates, so they are made together.
        """
        parts = list(zip(self._recurrences, self._counted, self.suffixes, strict=True))
        products = [*others]
        for recurrence, counted, suffix in parts:
            dw, db = (getattr(self, f"{name}{suffix}") for name in ("dW_recur", "db"))
            products += recurrence.weight_gradients(dw, counted, steps)
            dz = recurrence.cut("dz", 0, steps)
            products.append((dz, self._columns(self._ones, steps).T, db))  # the sum of dz
        self.be.compound_dots(*products)
        for recurrence, counted, suffix in parts:
            recurrence.add_start(getattr(self, f"dW_recur{suffix}"), counted, steps)

    def _back(self, gradient: Tensor, steps: int, alpha: float, beta: float) -> None:
        """Fill `deltas`."""
        assert self.nin is not None
        whole = self._delta_sequence(self.deltas, self.nin)
        deltas = self._columns(whole, steps)
        self.be.compound_dot(self.W_all_inputs.T, gradient, deltas, alpha=alpha, beta=beta)
        self._clear_rest(whole, steps, beta)

    def _clear_rest(self, whole: Tensor, steps: int, beta: float) -> None:
        """No gradient at steps that were not computed."""
        if steps < self.nsteps and beta != 1:
            rest = whole[:, steps * self.be.bsz :]
            rest[:] = beta * rest if beta else 0
