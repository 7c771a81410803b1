"""ReduceOnPlateau: tells the optimizer's schedule how training goes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from neonport.base import shown
from neonport.callbacks.callback import Callback, scalar
from neonport.callbacks.records.evaluations import EVAL_COST, evaluations
from neonport.errors import ConfigurationError
from neonport.log import logger


class ReduceOnPlateau(Callback):
    """Give a number of each epoch to the `PlateauSchedule` of the optimizer.

    Args:
        monitor: what to look at: "eval_cost" (the loss on the eval_set), "cost" (the training
            cost), or the name of a metric.
        larger_is_better: for metrics such as Accuracy.

    Example:
        optimizer = GradientDescentMomentum(0.1, 0.9, schedule=PlateauSchedule(patience=2))
        callbacks = Callbacks(model, eval_set=train, metric=Accuracy(), progress_bar=False)
        callbacks.add_callback(ReduceOnPlateau("Accuracy", larger_is_better=True))
        model.fit(train, cost, optimizer, num_epochs=3, callbacks=callbacks)
    """

    before_saving = True

    def __init__(self, monitor: str = EVAL_COST, larger_is_better: bool = False) -> None:
        super().__init__(epoch_freq=1, minibatch_freq=None)
        if not isinstance(monitor, str):
            raise ConfigurationError(
                f"{self.classnm}: monitor is {shown(monitor)}; give the name of a cost or metric"
            )
        self.monitor = monitor
        self.larger_is_better = larger_is_better

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Check that there is a schedule to tell.

        Raises:
            ConfigurationError: there is none.
        """
        if not list(_listeners(model.optimizer)):
            raise ConfigurationError(
                f"ReduceOnPlateau: the schedule of {model.optimizer.classnm} does not listen; make "
                "it with schedule=PlateauSchedule(...)"
            )

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Tell it.

        Raises:
            ConfigurationError: nobody evaluates what is to be looked at.
        """
        if self.monitor == "cost":
            value = scalar(model.total_cost)
        else:
            found = evaluations(callback_data, epoch)
            if self.monitor not in found:
                self._check_known(callback_data)
                return  # not an epoch that is evaluated
            value = found[self.monitor]
        value = math.inf if math.isnan(value) else value
        for schedule in _listeners(model.optimizer):
            if schedule.observe(-value if self.larger_is_better else value):
                logger.warning(
                    "epoch %d: %s is on a plateau; the learning rate is now %.4g times its first",
                    epoch,
                    self.monitor,
                    schedule.scale,
                )

    def _check_known(self, callback_data: Any) -> None:
        where = "cost/loss" if self.monitor == EVAL_COST else f"metrics/{self.monitor}"
        if where not in callback_data:
            raise ConfigurationError(
                f"ReduceOnPlateau: nothing records {self.monitor!r}; give Callbacks an eval_set "
                "(and the metric), or take monitor='cost'"
            )


def _listeners(optimizer: Any) -> Iterator[Any]:
    """The schedules of an optimizer (each one of a MultiOptimizer) that want to be told, once."""
    members = [optimizer, *getattr(optimizer, "optimizer_mapping", {}).values()]
    schedules = {id(s): s for s in (getattr(m, "schedule", None) for m in members)}
    for schedule in schedules.values():
        inner = getattr(schedule, "after", None)
        for candidate in (schedule, inner):
            if callable(getattr(candidate, "observe", None)):
                yield candidate
