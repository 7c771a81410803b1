"""CSVLogger: one line of a text file for each epoch."""

from __future__ import annotations

import csv
import os
from typing import Any

from neonport.callbacks.callback import Callback, scalar
from neonport.callbacks.records.evaluations import EVAL_COST, evaluations
from neonport.callbacks.saving import check_folder, check_path
from neonport.errors import ConfigurationError


class CSVLogger(Callback):
    """Write costs and metrics of each epoch to a CSV file, a line at a time.

    The first line names the columns: epoch (epochs done), cost, eval_cost and the metrics, as far
    as there are any; an epoch without an evaluation has empty fields there.

    Args:
        path: the file.
        append: go on below what is there, instead of refusing a file that exists.

    Example:
        callbacks = Callbacks(model, eval_set=train, metric=Accuracy(), progress_bar=False)
        callbacks.add_callback(CSVLogger("training.csv"))
        model.fit(train, cost, optimizer, num_epochs=2, callbacks=callbacks)
        with open("training.csv") as file:
            assert next(file).startswith("epoch,cost,eval_cost,Accuracy")
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        super().__init__(epoch_freq=1, minibatch_freq=None)
        check_path(self.classnm, "path", path)
        self.path = os.fspath(path)
        self.append = append
        self._names: list[str] = []

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Write the first line.

        Raises:
            ConfigurationError: the file cannot be written, is there already, or has other columns.
        """
        check_folder(self.path, "costs and metrics")
        names = ["epoch", "cost"]
        if "cost/loss" in callback_data:
            names.append(EVAL_COST)
        if "metrics" in callback_data:
            names += list(callback_data["metrics"].keys())
        self._names = names
        if not os.path.exists(self.path) or not os.path.getsize(self.path):
            self._write(names)
            return
        if not self.append:
            raise ConfigurationError(
                f"CSVLogger: {self.path!r} exists; name another file, or pass append=True"
            )
        with open(self.path, encoding="utf-8", newline="") as file:
            found = next(csv.reader(file), [])
        if found != names:
            raise ConfigurationError(
                f"CSVLogger: {self.path!r} has the columns {found}, this training gives {names}; "
                "name another file"
            )

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Write the line of the epoch."""
        found = {"epoch": epoch + 1, "cost": scalar(model.total_cost)}
        found.update(evaluations(callback_data, epoch))
        self._write([found.get(name, "") for name in self._names])

    def _write(self, row: list[Any]) -> None:
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)
