"""What saving, restoring and training of a model share: how far the training is, and the model."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from neonport.layers.deferred_cost import UNREAD
from neonport.models.loss_scale import LossScale


class Network(Protocol):
    """A model, as far as the modules that work for it use it.

    Attributes:
        be: backend.
        layers: the outermost container.
        cost, optimizer: of the last training, or None.
        initialized: whether the layers have buffers.
        finished: whether training is to stop after the current epoch.
        nbatches, ndata: minibatches and samples in an epoch.
        state: how far the training is.
    """

    name: str
    be: Any
    layers: Any
    cost: Any
    optimizer: Any
    initialized: bool
    finished: bool
    nbatches: int
    ndata: int
    state: TrainingState

    @property
    def classnm(self) -> str:
        """Name of the class."""

    @property
    def data_shape(self) -> Any:
        """Logical shape of the samples that it is trained on."""

    @property
    def layers_to_optimize(self) -> list[Any]:
        """All layers with trainable parameters."""

    def configure(self, dataset: Any) -> None:
        """Tell the layers the shape of a sample."""

    def initialize(self, dataset: Any, cost: Any = None, precision: str | None = None) -> None:
        """Configure the layers and allocate their buffers."""

    def fprop(self, x: Any, inference: bool = False) -> Any:
        """Forward pass."""

    def get_weights(self) -> dict[str, np.ndarray]:
        """Weights by name."""

    def bprop(self, delta: Any) -> Any:
        """Backward pass."""

    def step_kind(self) -> Hashable:
        """What the next step is, where a model has steps of several kinds."""

    def step_parts(
        self, x: Any, t: Any, epoch: int, add_cost: Callable[[Any], None]
    ) -> list[StepPart]:
        """The next step; what `add_cost` is given counts as the cost of the minibatch."""

    def end_epoch(self, x: Any) -> None:
        """An epoch is trained; `x` is its last minibatch."""

    def get_state(self) -> dict[str, Any]:
        """What training changes in the model besides its layers."""

    def check_state(self, state: dict[str, Any]) -> None:
        """Raise a CheckpointError unless `set_state` can take this; nothing is changed."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned."""


@dataclass
class StepPart:
    """A part of a training step.

    Attributes:
        run: gives work to the device; may be recorded once and replayed.
        then: is called after it in every step, also after a replay: reads the cost, counts.
    """

    run: Callable[[], None]
    then: Callable[[], None] | None = None


@dataclass
class Pending:
    """What a checkpoint says about training, kept until `fit` brings iterator and optimizer."""

    optimizer: dict[str, Any] | None
    optimizer_state: Any
    data_state: Any
    rng_state: Any
    batch_size: int | None = None
    ndata: int | None = None
    loss_scale: dict[str, Any] | None = None
    other_rng_states: list[Any] = field(default_factory=list)


@dataclass
class TrainingState:
    """How far the training of a model is.

    Attributes:
        epoch: epochs trained so far, also those a checkpoint brought.
        minibatch: minibatches of the current epoch that are done.
        costs: how many costs of this epoch are in `total_cost`.
        epoch_done: whether the current epoch is trained and not yet counted.
        dataset: data iterator of the last training.
        data_state: where that stood when the current epoch began.
        batch_size: samples of a minibatch of the current epoch.
        pending: what a checkpoint brought for the next training.
        saved: checkpoints that this training has written as a series, also before it was
            continued: path -> checksum, oldest first; None if it writes none.
        precision: of the layers' buffers, once they are made or a checkpoint named it.
        loss_scale: of a training in float16, else None.
    """

    epoch: int = 0
    minibatch: int = 0
    costs: int = 0
    epoch_done: bool = False
    dataset: Any = None
    data_state: Any = None
    batch_size: int | None = None
    pending: Pending | None = None
    saved: dict[str, str] | None = None
    precision: str | None = None
    loss_scale: LossScale | None = None
    _total: np.ndarray = field(default_factory=lambda: np.zeros((1, 1)))
    _unread: list[Any] = field(default_factory=list)

    @property
    def completed_epochs(self) -> int:
        """Epochs trained to their end."""
        return self.epoch + self.epoch_done

    def add_cost(self, cost: Any) -> None:
        """Add the cost of a minibatch, which may be one that is still on the device."""
        self.costs += 1
        self._unread.append(cost)
        if len(self._unread) >= UNREAD:
            self._read()

    @property
    def total_cost(self) -> np.ndarray:
        """Sum of the costs of the current epoch's minibatches; after the epoch their mean.

        Costs that are still on the device are read, which waits for it.
        """
        self._read()
        return self._total

    @total_cost.setter
    def total_cost(self, cost: np.ndarray) -> None:
        self._unread.clear()
        self._total = cost

    def _read(self) -> None:
        for cost in self._unread:
            self._total = self._total + np.asarray(cost)
        self._unread.clear()
