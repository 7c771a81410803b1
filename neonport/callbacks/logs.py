"""Callbacks that note times and write the training log."""

from __future__ import annotations

import time
from typing import Any

from neonport.callbacks.callback import Callback, Frequency, minibatch_position, scalar
from neonport.log import logger


class RunTimerCallback(Callback):
    """Store when training began and ended, in `time/train` (Unix time, seconds).

    Example:
        callbacks = Callbacks(model, progress_bar=False)  # has one
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=1, callbacks=callbacks)
        assert "train" in callbacks.callback_data["time"]
    """

    reads_minibatches = False

    def __init__(self) -> None:
        super().__init__(epoch_freq=1)

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Note the beginning."""
        for name in ("start_time", "end_time"):
            dataset = callback_data.create_dataset(f"time/train/{name}", (1,), dtype="float64")
            dataset.attrs["units"] = "seconds"
        callback_data["time/train/start_time"][0] = time.time()

    def on_train_end(self, callback_data: Any, model: Any) -> None:
        """Note the end."""
        callback_data["time/train/end_time"][0] = time.time()


class TrainLoggerCallback(Callback):
    """Log the model, and the costs of each epoch (level INFO).

    Args:
        epoch_freq: epochs that get a line.
        minibatch_freq: minibatches that get a line; default none.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(TrainLoggerCallback(epoch_freq=1, minibatch_freq=10))
    """

    def __init__(self, epoch_freq: Frequency = 1, minibatch_freq: Frequency = None) -> None:
        super().__init__(epoch_freq=epoch_freq, minibatch_freq=minibatch_freq)

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Log the layers."""
        logger.info("Model:\n%s", model)

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Log the training cost: the moving average where it is recorded, else the last one."""
        if "cost/train" in callback_data:
            index = minibatch_position(callback_data, epoch, minibatch)
            cost = callback_data["cost/train"][index]
        else:
            cost = scalar(model.cost.cost)
        logger.info("Epoch %d Minibatch %d complete. Train cost: %.6g", epoch, minibatch, cost)

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Log the costs of the epoch."""
        line = f"Epoch {epoch} complete.  Train Cost {scalar(model.total_cost):.6g}."
        loss = self._get_cached_epoch_loss(callback_data, model, epoch, "loss")
        if loss:
            line += f"  Eval Cost {loss['cost']:.6g}"
        logger.info(line)
