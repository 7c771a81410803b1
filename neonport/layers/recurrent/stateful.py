"""StatefulLayer: the state that a recurrent layer carries from one minibatch to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from neonport.errors import CheckpointError, ShapeError
from neonport.layers.base import Layer
from neonport.layers.checks import label
from neonport.layers.parameter import ParameterLayer
from neonport.layers.parameter_io import check_fit, host_array
from neonport.layers.recurrent.recurrence import Recurrence
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor


class StatefulLayer(ParameterLayer):
    """Decides where a sequence begins, and keeps where it ended.

    A layer with `reset_cells=False` is stateful: a sequence goes on where that of the minibatch
    before ended. The state is the last step of the outputs (and of the cells). As in neon it only
    goes on while `fprop` is given the *same* input tensor, refilled, as data iterators do; another
    tensor starts at zero. The state belongs to checkpoints with optimizer states.

    Args:
        init: see `ParameterLayer`.
        reset_cells: start every sequence at zero.
        name: given name, or None.
        strict: leave out what neon does with states; see the layers.
    """

    directions: ClassVar[int] = 1
    recurrence: ClassVar[type[Recurrence]] = Recurrence
    nout: int

    def __init__(self, init: Any, reset_cells: bool, name: str | None, strict: bool) -> None:
        super().__init__(init, name)
        self.reset_cells = reset_cells
        self.strict = strict
        self._recurrences: list[Recurrence] = []
        self._starts: list[list[Any]] = []  # states before the first step, a list a direction
        self._counted: list[list[Any]] = []  # of those, what gradients count
        self._start_buffers: list[list[Tensor]] = []
        self._steps = 1  # of the last fprop
        self._remembered: Any = None  # the input of the last fprop
        self._inference: bool | None = None  # whether that was one for inference
        self._waiting: dict[str, Any] | None = None  # a loaded state, until there are buffers
        self._has_run = False
        self.x: Any = None  # the inputs as (nin, steps * batch)

    @property
    def stateful(self) -> bool:
        """Whether a sequence goes on where the one of the minibatch before ended."""
        return not self.reset_cells

    def reset_state(self) -> None:
        """Make the next sequence start at zero."""
        self._waiting = None
        for state in self._carried_views():
            state[:] = 0

    @contextmanager
    def state_apart(self) -> Iterator[None]:
        """Inside, sequences leave no trace: afterwards the state is what it was before."""
        names = ("_remembered", "_inference", "_has_run", "_steps")
        before = {name: getattr(self, name) for name in names}
        kept = [self.be.empty_like(state) for state in self._carried_views()]
        for copy, state in zip(kept, self._carried_views(), strict=True):
            copy[:] = state
        try:
            yield
        finally:
            vars(self).update(before)
            for copy, state in zip(kept, self._carried_views(), strict=True):
                state[:] = copy

    def _carried_views(self) -> list[Tensor]:
        """Where the states behind the last minibatch are: of each direction hidden, then cells."""
        return [r.last(k, self._steps) for r in self._recurrences for k in range(r.states)]

    def _begin(self, inputs: Tensor, inference: bool, init_state: Tensor | None = None) -> None:
        """Set the states before the first step."""
        if init_state is not None:
            self._check_state(init_state)
        stateful = self.stateful
        if stateful:
            as_it_lies = self.x is inputs
            # decided anew where a recorded step is replayed: another one may have run in between
            goes_on = self.be.number(lambda: self._goes_on(inputs, inference, as_it_lies))
            starts = [state for states in self._start_buffers for state in states]
            carried = [apply("where", goes_on, state, 0.0) for state in self._carried_views()]
            self.be.assign_many(list(zip(starts, carried, strict=True)))
        self._starts = [
            list(states) if stateful else [0.0] * len(states) for states in self._start_buffers
        ]
        counts = stateful and self.strict
        self._counted = [list(states) if counts else [0.0] * len(states) for states in self._starts]
        if init_state is not None:
            first = self._start_buffers[0][0]
            first[:] = init_state
            self._starts[0][0] = self._counted[0][0] = first

    def _goes_on(self, inputs: Tensor, inference: bool, as_it_lies: bool) -> float:
        """1 if the carried state belongs to these inputs, which are remembered; else 0."""
        same = self._inference is None or self._inference == inference
        if self.strict:
            goes_on = same
        elif self._remembered is None:  # the state is zero, or was loaded
            goes_on = same or not self._reads_data()
        else:
            goes_on = inputs is self._remembered and as_it_lies
        self._remembered, self._inference, self._has_run = inputs, inference, True
        return float(goes_on)

    def _reads_data(self) -> bool:
        """Whether the inputs are those of the model, whose tensor changes with the data set."""
        below = self.prev_layer
        while isinstance(below, Layer) and not below.owns_output:
            below = below.prev_layer
        return not isinstance(below, Layer)

    def _check_state(self, state: Any) -> None:
        wanted = (self.nout, self.be.bsz)
        if not isinstance(state, Tensor) or state.shape != wanted:
            found = getattr(state, "shape", type(state).__name__)
            raise ShapeError(
                f"{label(self)}: init_state has shape {found}, a state of this layer is a tensor "
                f"{wanted}: units, samples"
            )

    # ---- checkpoints -------------------------------------------------------------------------

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the layer; with weights and states also the carried state, under `carried`."""
        desc = super().get_description(get_weights, keep_states, **kwargs)
        if get_weights and keep_states and self.stateful:
            if self._waiting is not None:
                desc["carried"] = self._waiting
            elif self._has_run:
                states = [state.get() for state in self._carried_views()]
                desc["carried"] = {"states": states, "inference": bool(self._inference)}
        return desc

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        Raises:
            CheckpointError: entries are missing, too many, or do not fit.
        """
        super().check_weights(pdict, load_states)
        if load_states:
            self._check_carried(pdict.get("carried"))

    def _check_carried(self, carried: Any) -> None:
        if carried is None:
            return
        states = carried.get("states") if isinstance(carried, Mapping) else None
        count = self.directions * self.recurrence.states
        if not isinstance(states, (list, tuple)) or len(states) != count:
            raise CheckpointError(
                f"{label(self)}: 'carried' holds no list of {count} states, but "
                f"{type(states).__name__}"
            )
        batches = {np.shape(state)[-1:] for state in states}
        for state in states:
            check_fit(self, "carried state", state, (self.nout, *max(batches, default=(1,))))

    def load_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Load parameters; with states also the carried one.

        A state of another batch size, or none, makes the next sequence start at zero.
        """
        super().load_weights(pdict, load_states)
        carried = pdict.get("carried") if load_states else None
        self._check_carried(carried)
        self.reset_state()
        self._remembered = self._inference = None
        self._has_run = False
        if carried is not None and self.stateful:
            self._waiting = {**carried, "states": [host_array(s) for s in carried["states"]]}
            if self._recurrences:
                self._take_carried()

    def _take_carried(self) -> None:
        carried, self._waiting = self._waiting, None
        assert carried is not None
        states = carried["states"]
        if all(np.shape(state) == (self.nout, self.be.bsz) for state in states):
            for view, state in zip(self._carried_views(), states, strict=True):
                view[:] = self.be.array(state)
            self._inference, self._has_run = bool(carried.get("inference")), True
