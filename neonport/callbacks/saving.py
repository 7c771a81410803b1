"""Callbacks that write checkpoints or stop the training."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from typing import Any

from neonport.base import shown
from neonport.callbacks.callback import Callback, Frequency
from neonport.errors import ConfigurationError
from neonport.io import checkpoint
from neonport.io.atomic_write import check_target, point_link
from neonport.log import logger


def check_path(owner: str, argument: str, path: Any) -> None:
    """Refuse what is not the name of a file.

    Raises:
        ConfigurationError: it is none.
    """
    if not isinstance(path, (str, bytes, os.PathLike)) or not path:
        raise ConfigurationError(f"{owner}: {argument} is {shown(path)}; name a file")


def check_folder(path: str | os.PathLike[str], what: str = "checkpoints") -> None:
    """Refuse a path that cannot be written, before an epoch is spent.

    Args:
        path: of the file.
        what: is to be written there.

    Raises:
        ConfigurationError: the folder is missing, or the path is a folder, device or pipe.

    Example:
        check_folder("model.prm")  # raises nothing: the folder is there
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ConfigurationError(f"{what} go to {folder!r}, which does not exist; create it")
    try:
        check_target(path)
    except OSError as error:
        raise ConfigurationError(
            f"the path for {what}, {os.fspath(path)!r}: {error.strerror}; name a file"
        ) from error


class SerializeModelCallback(Callback):
    """Write a checkpoint, atomically, at the end of epochs.

    Args:
        save_path: file to write.
        epoch_freq: epochs between two checkpoints, or a list of 0-based epochs.
        history: checkpoints to keep. With more than 1 they are named `<root>_<epoch><ext>` and
            `save_path` becomes a link to the newest. Older ones that this training wrote, also
            before it was continued from one of them, are deleted; no other file is.

    Raises:
        ConfigurationError: `save_path` names no file, or `history` is no count.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(SerializeModelCallback("digits.safetensors", epoch_freq=5))
    """

    def __init__(self, save_path: str, epoch_freq: Frequency = 1, history: int = 1) -> None:
        super().__init__(epoch_freq=epoch_freq)
        check_path(self.classnm, "save_path", save_path)
        if isinstance(history, bool) or not isinstance(history, int) or history < 0:
            raise ConfigurationError(
                f"{self.classnm}: history={shown(history)} must be a whole number of checkpoints "
                "to keep"
            )
        self.save_path = save_path
        self.history = history

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Check that the paths can be written.

        Raises:
            ConfigurationError: a folder is missing, or a file that is no checkpoint has a name of
                the series.
        """
        check_folder(self.save_path)
        for epoch in range(model.epoch_index, epochs) if self.history > 1 else ():
            path = self._path(epoch)
            if os.path.lexists(path) and not checkpoint.is_checkpoint(path):
                raise ConfigurationError(
                    f"{path!r} exists and is no checkpoint, and with history={self.history} epoch "
                    f"{epoch} would be saved there; move it or choose another save_path"
                )

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Write the checkpoint and delete the oldest of the series."""
        if self.history <= 1:
            model.save_params(self.save_path)
            return
        path = self._path(epoch)
        saved = model.state.saved = model.state.saved or {}
        model.save_params(path)
        try:
            point_link(self.save_path, os.path.basename(path))
        except OSError:  # no symbolic links on this file system: a second copy does it
            model.save_params(self.save_path)
        path = os.path.realpath(path)
        saved.pop(path, None)
        saved[path] = checkpoint.checksum(path) or ""
        self._forget_oldest(saved)

    def _path(self, epoch: int | str) -> str:
        root, ext = os.path.splitext(os.fsdecode(self.save_path))
        return f"{root}_{epoch}{ext}"

    def _forget_oldest(self, saved: dict[str, str]) -> None:
        """Delete what is too much, if it has the name and still is what this training wrote."""
        before, _, after = os.path.basename(self._path("\0")).partition("\0")
        name = re.compile(re.escape(before) + r"\d+" + re.escape(after))
        folder = os.path.realpath(os.path.dirname(os.path.abspath(self._path(0))))
        for path, digest in list(saved.items()):
            ours = os.path.dirname(path) == folder and name.fullmatch(os.path.basename(path))
            if not ours or os.path.islink(path) or checkpoint.checksum(path) != digest:
                del saved[path]  # deleted by somebody, replaced, or of another series
        while len(saved) > self.history:
            path = next(iter(saved))
            del saved[path]
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)


class SaveBestStateCallback(Callback):
    """Write a checkpoint whenever the held-out loss is lower than ever before.

    Needs a LossCallback before it in the list (`Callbacks(eval_set=..., eval_freq=...)`).

    Args:
        path: file to write.

    Raises:
        ConfigurationError: `path` names no file.

    Example:
        callbacks = Callbacks(model, eval_set=train, eval_freq=1, progress_bar=False)
        callbacks.add_callback(SaveBestStateCallback("best.safetensors"))
    """

    def __init__(self, path: str) -> None:
        super().__init__(epoch_freq=1)
        check_path(self.classnm, "path", path)
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

    Raises:
        ConfigurationError: `stop_func` cannot be called.

    Example:
        def stop(best, loss):  # at the first loss that is not the best so far
            return (loss, False) if best is None or loss < best else (best, True)

        callbacks = Callbacks(model, eval_set=train, eval_freq=1, progress_bar=False)
        callbacks.add_callback(EarlyStopCallback(stop))
    """

    def __init__(self, stop_func: Callable[[Any, float], tuple[Any, bool]]) -> None:
        super().__init__(epoch_freq=1)
        if not callable(stop_func):
            raise ConfigurationError(
                f"{self.classnm}: stop_func is {shown(stop_func)}; give a function of (state, "
                "loss) that returns (state, whether to stop)"
            )
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
