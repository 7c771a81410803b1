"""Callbacks that show in the log what the model makes of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.base import shown
from neonport.callbacks.callback import THE_MODEL, Callback, Frequency, named_data
from neonport.data.checks import check_dataset
from neonport.data.dataiterator import ArrayIterator, in_order
from neonport.errors import ConfigurationError
from neonport.foundation.turns import in_use
from neonport.log import logger
from neonport.transforms.metrics import check_metric


class MultiLabelStatsCallback(Callback):
    """Log the metric of each label on held-out data, in percent, a line a label.

    Args:
        eval_set: data iterator.
        labels: names of the labels, in the order of the metric's rows.
        metric: with `outputs`, a row a label and a column for each of its names, such as
            PrecisionRecall.
        epoch_freq: epochs between two evaluations, or a list of 0-based epochs.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        metric = PrecisionRecall(num_classes=3)
        callbacks.add_callback(MultiLabelStatsCallback(train, ["cat", "dog", "cow"], metric))
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=1, callbacks=callbacks)
    """

    reads_minibatches = False

    def __init__(
        self, eval_set: Any, labels: Sequence[str], metric: Any, epoch_freq: Frequency = 1
    ) -> None:
        super().__init__(epoch_freq=epoch_freq, minibatch_freq=None)
        check_metric(self.classnm, metric)
        check_dataset(self.classnm, eval_set, ("ndata", "reset"))
        if isinstance(labels, str) or not isinstance(labels, Sequence):
            raise ConfigurationError(f"{self.classnm}: labels is {shown(labels)}, no list of names")
        if not hasattr(metric, "outputs"):
            raise ConfigurationError(
                f"{self.classnm}: {metric.classnm} has no outputs with a row a label; take "
                "PrecisionRecall, or a metric of your own that has"
            )
        self.eval_set = eval_set
        self.labels = list(labels)
        self.metric = metric
        self.metric_desc = ", ".join(metric.metric_names)

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Evaluate, and log a line a label."""
        for label, values in zip(self.labels, self.evaluate(model), strict=True):
            found = " ".join(
                f"{name}: {value:.2f}%"
                for name, value in zip(self.metric.metric_names, values * 100, strict=False)
            )
            logger.display("%s: %s", label, found)  # type: ignore[attr-defined]

    def evaluate(self, model: Any) -> np.ndarray:
        """The mean of the metric's outputs over the batches, (labels, names).

        Raises:
            ConfigurationError: there is no batch, or not a row for each label.
        """
        total, batches = np.zeros(()), 0
        for x, t in in_order(self.eval_set):
            with in_use.of(model):
                self.metric(model.fprop(x, inference=True), t)
                outputs = self.metric.outputs
                host = outputs.get() if hasattr(outputs, "get") else np.asarray(outputs)
            total = total + host.astype(np.float64).reshape(host.shape[0], -1)
            batches += 1
        if not batches:
            raise ConfigurationError(f"{self.classnm}: the eval_set gave no batch: is it empty?")
        if len(total) != len(self.labels):
            raise ConfigurationError(
                f"{self.classnm}: {len(self.labels)} labels, but {self.metric.classnm} has "
                f"{len(total)} rows; give a name for each row"
            )
        means: np.ndarray = total / batches
        return means


class WatchTickerCallback(Callback):
    """Log inputs, outputs and targets of a sample of a ticker task, as far as they count.

    Args:
        model: ignored, as in neon: it is the model that is trained.
        valid_set: ticker; yields `x, (t, mask)` with all time steps side by side.
        epoch_freq: epochs between two looks, or a list of 0-based epochs.

    Raises:
        ConfigurationError: (a ValueError, here or when training begins) `valid_set` yields no
            masked targets.

    Example:
        from types import SimpleNamespace

        x, t, mask = be.ones((4, 8)), be.ones((3, 8)), be.ones((3, 8))  # 2 steps of 4 samples

        class Echo:
            nbatches, ndata, shape = 1, 4, (4, 2)
            reset = staticmethod(lambda: None)
            __iter__ = staticmethod(lambda: iter([(x, (t, mask))]))

        echo = SimpleNamespace(be=be, fprop=lambda x, inference: x[:3])
        WatchTickerCallback(echo, Echo()).on_epoch_end({}, echo, epoch=0)
    """

    reads_minibatches = False

    def __init__(self, model: Any, valid_set: Any, epoch_freq: Frequency = 1) -> None:
        super().__init__(epoch_freq=epoch_freq, minibatch_freq=None)
        check_dataset(self.classnm, valid_set, ())
        self.valid_set = valid_set
        if isinstance(valid_set, ArrayIterator):
            raise self._mistake()

    def get_description(self, skip: Any = (), **kwargs: Any) -> dict[str, Any]:
        """Describe the callback; the model and the data are found again by what they are."""
        description = super().get_description((*skip, "model", "valid_set"), **kwargs)
        found = {"model": THE_MODEL, "valid_set": named_data(self.valid_set)}
        description["config"] = {**found, **description["config"]}
        return description

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Look whether the data are what they should be, before an epoch is spent."""
        self._first_batch()

    def _first_batch(self) -> tuple[Any, Any, Any]:
        batch = next(iter(self.valid_set), None)
        if isinstance(batch, (tuple, list)) and len(batch) == 2:
            x, target = batch
            masked = isinstance(target, (tuple, list)) and len(target) == 2
            if masked and all(hasattr(part, "get") for part in (x, *target)):
                return x, *target
        raise self._mistake()

    def _mistake(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.classnm}: the valid_set is {shown(self.valid_set)}, which yields no (x, "
            "(target, mask)); give a Ticker"
        )

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Look at the first sample of a new batch."""
        x, t, mask = self._first_batch()
        y = model.fprop(x, inference=True)
        steps = self._counting_steps(mask, model.be.bsz)
        for name, tensor in (("inputs", x), ("outputs", y), ("targets", t)):
            host = tensor.get()[:, :: model.be.bsz][:, :steps]
            text = np.array2string(host, precision=2, suppress_small=True, floatmode="fixed")
            logger.display("%s (features x time steps):\n%s", name, text)  # type: ignore[attr-defined]

    @staticmethod
    def _counting_steps(mask: Any, size: int) -> int:
        """Time steps up to the last one that a mask lets through in the first sample."""
        through = np.flatnonzero(mask.get()[:, ::size].any(axis=0))
        return int(through[-1]) + 1 if through.size else 0
