"""Training of a model: epochs and minibatches, and steps that are recorded and replayed."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from neonport.backends.backend import Block
from neonport.callbacks.callback import StopTraining, scalar
from neonport.callbacks.records.evaluations import evaluations
from neonport.engine.recording import ATTEMPTS
from neonport.foundation.turns import in_use
from neonport.log import logger
from neonport.models.checkpoints import restoring, saving
from neonport.models.state import Network, StepPart
from neonport.models.training.history import History
from neonport.models.training.nonfinite import CostWatch

BUFFERS = 8  # recordings in an epoch: a data iterator may take turns with a few buffers


class Trainer:
    """One call of `Model.fit`.

    Args:
        model: the model, initialized.
        dataset: data iterator.
        callbacks: are told how far the training is.
        record: record the launches of a step in each epoch and replay them.
    """

    def __init__(self, model: Network, dataset: Any, callbacks: Any, record: bool) -> None:
        self.model = model
        self.state = model.state
        self.dataset = dataset
        self.callbacks = callbacks
        self.history = History()
        self._costs = CostWatch(model)
        self._step: Any = RecordedStep(self) if record else self.step

    def fit(self, num_epochs: int) -> History:
        """Train until `num_epochs` epochs are done in total; see `Model.fit`."""
        model, state, callbacks = self.model, self.state, self.callbacks
        try:
            callbacks.on_train_begin(num_epochs)
            restoring.resume(model, self.dataset, model.optimizer)
            self._say_if_nothing_is_left(num_epochs)
            try:
                while state.epoch < num_epochs and not model.finished:
                    self._epoch_with_callbacks()
            except StopTraining as stop:
                model.finished = True
                self.history.reason = (
                    f"stopped in epoch {state.epoch}, minibatch {state.minibatch - 1}: {stop}"
                )
                logger.warning("fit: %s", self.history.reason)
            callbacks.on_train_end()
        except BaseException:
            callbacks.on_train_abort()
            raise
        if not self.history.reason:
            self.history.reason = "a callback ended it" if model.finished else "all epochs done"
        return self.history

    def _say_if_nothing_is_left(self, num_epochs: int) -> None:
        done = self.state.epoch
        if done >= num_epochs > 0:
            self.history.reason = (
                f"nothing to train: num_epochs={num_epochs} is a total, and {done} epochs are "
                f"done; num_epochs={done + num_epochs} trains {num_epochs} more"
            )
        elif self.model.finished and num_epochs:
            self.history.reason = (
                "nothing to train: an earlier fit was ended by a callback; set model.finished = "
                "False to go on"
            )
        if self.history.reason:
            logger.warning("fit: %s", self.history.reason)

    def _epoch_with_callbacks(self) -> None:
        """Train an epoch and count it."""
        state, callbacks = self.state, self.callbacks
        self.model.nbatches = self.dataset.nbatches
        callbacks.on_epoch_begin(state.epoch)
        self._epoch()
        state.epoch_done = True
        try:
            callbacks.on_epoch_end(state.epoch)
            data = getattr(callbacks, "callback_data", {})
            self.history.add(
                state.epoch + 1, scalar(state.total_cost), evaluations(data, state.epoch)
            )
        finally:  # the epoch is trained, whatever a callback says
            state.epoch += 1
            state.epoch_done = False

    def _epoch(self) -> None:
        """Train one epoch, or what a checkpoint left of it."""
        be, state, dataset, callbacks = self.model.be, self.state, self.dataset, self.callbacks
        epoch, skip = state.epoch, state.minibatch
        if skip and state.data_state is not None:
            dataset.set_state(state.data_state)
        else:
            state.data_state = saving.data_state(dataset)
        state.batch_size = be.bsz
        if not skip:
            state.total_cost, state.costs = np.zeros((1, 1)), 0
        x: Any = None
        turn = in_use.of(self.model)
        for minibatch, (x, t) in enumerate(dataset):
            if minibatch < skip:
                continue
            callbacks.on_minibatch_begin(epoch, minibatch)
            be.begin(Block.minibatch, minibatch)
            with turn:  # other threads may predict between two minibatches
                self._step(x, t, epoch)
            be.end(Block.minibatch, minibatch)
            state.minibatch = minibatch + 1
            callbacks.on_minibatch_end(epoch, minibatch)
        self._costs.read()
        if state.costs:
            state.total_cost = state.total_cost / state.costs
        elif state.minibatch:
            state.total_cost = np.full((1, 1), np.nan)  # no step of a kind that has a cost
        with turn:
            self.model.end_epoch(x)
        state.minibatch = 0

    def step(self, x: Any, t: Any, epoch: int) -> None:
        """Train on a minibatch."""
        for part in self.model.step_parts(x, t, epoch, self.add_cost):
            part.run()
            if part.then is not None:
                part.then()

    def add_cost(self, cost: Any) -> None:
        """Count the cost of a minibatch; this does not wait for the device."""
        state = self.state
        state.add_cost(cost)
        self._costs.add(state.epoch, state.minibatch, cost)


class RecordedStep:
    """Trains on a minibatch as the model does, by replays where that is possible.

    Each part of a step is a recording of its own, such as the forward pass, and the backward pass
    with the update: between them the cost is kept, each time in another place, which a replay could
    not do. All are made in the same run, for the backward pass finds what the Python code of the
    forward pass left in the layers.

    Where nothing can be recorded the trainer's own step runs, and the log says why, once.

    Args:
        trainer: trains the model, which is initialized.

    Attributes:
        reason: why steps are not recorded; empty if they are.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.model = trainer.model
        self.reason = ""
        self._record = getattr(self.model.be, "record", None)
        self._epoch = -1
        # parts, the tensors they were recorded for, and how many statements a second opinion saw
        self._ready: dict[Any, tuple[list[StepPart], Any, int]] = {}
        self._replayed: set[Any] = set()  # of them, those whose replays were looked at, or could be
        self._failures: dict[Hashable, int] = {}  # by the kind of step

    def __call__(self, x: Any, t: Any, epoch: int) -> None:
        """Train on a minibatch.

        Args:
            x, t: inputs and targets: tensors, or lists of them.
            epoch: index of the epoch. A new one is recorded anew, as schedules and callbacks may
                have changed what a step does.
        """
        if epoch != self._epoch:
            self._epoch = epoch
            self._ready.clear()
            self._replayed.clear()
        key = self.model.step_kind(), _identity((x, t))
        opinion = getattr(self.model.be, "second_opinion", None)
        if key in self._replayed and opinion and opinion.turns.ahead(self._ready[key][2]):
            self.trainer.step(x, t, epoch)  # a replay does not say what it computes
        elif key in self._ready:
            self._replayed.add(key)
            for part in self._ready[key][0]:
                part.run()
                if part.then is not None:
                    part.then()
        elif self._possible():
            self._run_and_record(key, x, t, epoch)
        else:
            self.trainer.step(x, t, epoch)

    def _possible(self) -> bool:
        if self._record is None:
            self._give_up(f"the backend {self.model.be} cannot record")
        elif len(self._ready) >= BUFFERS:
            self._give_up("the data come in other tensors each time; yield the same buffers")
        return not self.reason

    def _run_and_record(self, key: Any, x: Any, t: Any, epoch: int) -> None:
        assert self._record is not None
        recorded, reason = [], ""
        opinion = getattr(self.model.be, "second_opinion", None)
        before = opinion.recorded if opinion else 0
        for part in self.model.step_parts(x, t, epoch, self.trainer.add_cost):
            with self._record() as replay:
                part.run()
            if part.then is not None:
                part.then()
            recorded.append(StepPart(replay, part.then))
            reason = reason or replay.reason
        if not reason:
            self._failures.clear()
            # x and t are kept, so that no other tensor gets their identity
            self._ready[key] = recorded, (x, t), (opinion.recorded - before if opinion else 0)
            return
        kind = key[0]
        self._failures[kind] = self._failures.get(kind, 0) + 1
        if self._failures[kind] >= ATTEMPTS:  # the first run may allocate what later runs find
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        if not self.reason:
            logger.warning("fit: the training step is not recorded: %s", reason)
        self.reason = reason


def _identity(value: Any) -> Any:
    return tuple(map(_identity, value)) if isinstance(value, (list, tuple)) else id(value)
