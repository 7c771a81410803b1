"""Callbacks that write checkpoints or stop the training."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from typing import Any

from neonport.callbacks.callback import Callback, Frequency
from neonport.errors import ConfigurationError
from neonport.io.atomic_write import point_link
from neonport.log import logger


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a path that cannot be written, before an epoch is spent.

    Raises:
        ConfigurationError: the folder is missing, or the path is a folder.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ConfigurationError(f"checkpoints go to {folder!r}, which does not exist; create it")
    if os.path.isdir(path):
        raise ConfigurationError(f"checkpoint path {os.fspath(path)!r} is a folder; name a file")


class SerializeModelCallback(Callback):
    """Write a checkpoint, atomically, at the end of epochs.

    Args:
        save_path: file to write.
        epoch_freq: epochs between two checkpoints, or a list of 0-based epochs.
        history: checkpoints to keep. With more than 1 they are named `<root>_<epoch><ext>` and
            `save_path` becomes a link to the newest.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(SerializeModelCallback("digits.safetensors", epoch_freq=5))
    """

    def __init__(self, save_path: str, epoch_freq: Frequency = 1, history: int = 1) -> None:
        super().__init__(epoch_freq=epoch_freq)
        self.save_path = save_path
        self.history = history
        self.checkpoint_files: deque[str] = deque()

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Check that the path can be written."""
        check_folder(self.save_path)

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Write the checkpoint and forget the oldest."""
        if self.history <= 1:
            model.save_params(self.save_path)
            return
        root, ext = os.path.splitext(os.fspath(self.save_path))
        path = f"{root}_{epoch}{ext}"
        model.save_params(path)
        try:
            point_link(self.save_path, os.path.basename(path))
        except OSError:  # no symbolic links on this file system: a second copy does it
            model.save_params(self.save_path)
        if path in self.checkpoint_files:
            self.checkpoint_files.remove(path)
        self.checkpoint_files.append(path)
        while len(self.checkpoint_files) > self.history:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.checkpoint_files.popleft())


class SaveBestStateCallback(Callback):
    """Write a checkpoint whenever the held-out loss is lower than ever before.

    Needs a LossCallback before it in the list (`Callbacks(eval_set=..., eval_freq=...)`).

    Args:
        path: file to write.

    Example:
        callbacks = Callbacks(model, eval_set=train, eval_freq=1, progress_bar=False)
        callbacks.add_callback(SaveBestStateCallback("best.safetensors"))
    """

    def __init__(self, path: str) -> None:
        super().__init__(epoch_freq=1)
        self.path = path
        self.best_cost: float | None = None

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Check that the path can be written."""
        check_folder(self.path)

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Compare the loss and save."""
        loss = self._get_cached_epoch_loss(callback_data, model, epoch, "loss")
        if loss and (self.best_cost is None or loss["cost"] < self.best_cost):
            model.save_params(self.path)
            self.best_cost = loss["cost"]


class EarlyStopCallback(Callback):
    """End the training when a function of the held-out loss says so.

    Args:
        stop_func: called as `state, stop = stop_func(state, loss)` at each evaluated epoch, with
            `state` None the first time.

    Example:
        def stop(best, loss):  # at the first loss that is not the best so far
            return (loss, False) if best is None or loss < best else (best, True)

        callbacks = Callbacks(model, eval_set=train, eval_freq=1, progress_bar=False)
        callbacks.add_callback(EarlyStopCallback(stop))
    """

    def __init__(self, stop_func: Callable[[Any, float], tuple[Any, bool]]) -> None:
        super().__init__(epoch_freq=1)
        self.stop_func = stop_func
        self.stop_state: Any = None

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Ask the function."""
        loss = self._get_cached_epoch_loss(callback_data, model, epoch, "loss")
        if loss:
            self.stop_state, finished = self.stop_func(self.stop_state, loss["cost"])
            if finished:
                model.finished = True
                logger.warning("early stopping triggered at epoch %d", epoch)
