"""Callbacks that record costs and metrics."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np

from neonport.callbacks.callback import (
    Callback,
    Frequency,
    check_frequency,
    firing_count,
    firing_index,
    minibatch_position,
    scalar,
)
from neonport.data.checks import check_dataset
from neonport.data.dataiterator import in_order
from neonport.data.rows.extent import batch_extent
from neonport.errors import ConfigurationError
from neonport.foundation.turns import in_use
from neonport.layers.cost import minibatch_cost
from neonport.layers.deferred_cost import UNREAD, DeferredCost
from neonport.log import logger
from neonport.transforms.metrics import check_metric


def _record(dataset: Any, index: int, value: Any) -> None:
    """Store a value; data with more minibatches than it announced runs off the end."""
    if index < dataset.shape[0]:
        dataset[index] = value
    else:
        logger.warning("%s is full: minibatch %d is not recorded", dataset.name, index)


class TrainCostCallback(Callback):
    """Record the training cost of each minibatch in `cost/train`.

    Costs stay on the device until somebody looks at the records, or there are many.

    Args:
        wsz: minibatches in the moving average.

    Example:
        callbacks = Callbacks(model, progress_bar=False)  # has one
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=1, callbacks=callbacks)
        assert len(callbacks.callback_data["cost/train"]) == train.nbatches
    """

    reads_minibatches = False

    def __init__(self, wsz: int = 10) -> None:
        super().__init__(epoch_freq=1, minibatch_freq=1)
        check_frequency(f"{self.classnm}: wsz", wsz)
        self.wsz = wsz
        self.cost_history: deque[Any] = deque(maxlen=wsz)
        self._unread: list[tuple[Any, int, Any]] = []

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Make the array, one entry a minibatch."""
        points = int(callback_data["config"].attrs["total_minibatches"])
        dataset = callback_data.create_dataset("cost/train", (points,), dtype="float32")
        dataset.attrs["time_markers"] = "minibatch"
        self.cost_history = deque(maxlen=max(1, min(self.wsz, points)))
        self._unread.clear()

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Note the cost of the minibatch."""
        cost = getattr(model.cost, "last_cost", None)
        index = minibatch_position(callback_data, epoch, minibatch)
        dataset = callback_data["cost/train"]
        self._unread.append((dataset, index, model.cost.cost if cost is None else cost))
        if len(self._unread) >= UNREAD:
            self.settle()

    def settle(self) -> None:
        """Store the mean of the window for each minibatch since the last time."""
        unread, self._unread = self._unread, []
        for dataset, index, cost in unread:
            self.cost_history.append(scalar(cost))
            _record(dataset, index, sum(self.cost_history) / len(self.cost_history))


class TrainMulticostCallback(Callback):
    """Record the training costs of a Multicost in `multicost/train` and `.../train_allbranches`.

    Args:
        wsz: minibatches in the moving average.

    Example:
        callbacks = Callbacks(model, multicost=True, progress_bar=False)  # has one
    """

    reads_minibatches = False

    def __init__(self, wsz: int = 10) -> None:
        super().__init__(epoch_freq=1, minibatch_freq=1)
        check_frequency(f"{self.classnm}: wsz", wsz)
        self.wsz = wsz
        self._history: dict[str, deque[Any]] = {}
        self._unread: list[tuple[int, list[Any], list[Any]]] = []
        self._records: Any = None

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Make the arrays: one column a cost, and one column a leaf of nested costs."""
        if not hasattr(model.cost, "costs"):
            raise ConfigurationError(
                f"multicost=True needs a Multicost, the model's cost is {model.cost.classnm}; "
                "leave multicost out"
            )
        points = int(callback_data["config"].attrs["total_minibatches"])
        window = max(1, min(self.wsz, points))
        self._records = callback_data
        self._unread.clear()
        for label, values in _values(*_kept_costs(model.cost)).items():
            dataset = callback_data.create_dataset(
                f"multicost/{label}", (points, len(values)), dtype="float64"
            )
            dataset.attrs["time_markers"] = "minibatch"
            self._history[label] = deque(maxlen=window)

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Note the costs of the minibatch."""
        index = minibatch_position(callback_data, epoch, minibatch)
        self._unread.append((index, *_kept_costs(model.cost)))
        if len(self._unread) >= UNREAD:
            self.settle()

    def settle(self) -> None:
        """Store the means of the window for each minibatch since the last time."""
        unread, self._unread = self._unread, []
        for index, branches, leaves in unread:
            for label, values in _values(branches, leaves).items():
                self._history[label].append(values)
                mean = np.mean(self._history[label], axis=0)
                _record(self._records[f"multicost/{label}"], index, mean)


def _kept_costs(cost: Any) -> tuple[list[Any], list[Any]]:
    """Costs of the branches of a Multicost, and of the leaves in nested lists; none is read."""

    def kept(part: Any) -> Any:
        last = getattr(part, "last_cost", None)
        return part.cost if last is None else last

    def leaves(part: Any) -> Any:
        return [leaves(inner) for inner in part.costs] if hasattr(part, "costs") else kept(part)

    return [kept(part) for part in cost.costs], leaves(cost)


def _values(branches: list[Any], leaves: list[Any]) -> dict[str, np.ndarray]:
    """Read what `_kept_costs` kept."""
    return {
        "train": np.array([scalar(cost) for cost in branches]),
        "train_allbranches": np.array(_leaf_costs(leaves)),
    }


def _leaf_costs(nested: list[Any]) -> list[float]:
    """Costs of all leaves, in order.

    In neon the first cost of a Multicost holds the sum of all, which it takes off here; ours holds
    its own.
    """
    flat: list[float] = []
    for part in nested:
        flat += _leaf_costs(part) if isinstance(part, list) else [scalar(part)]
    return flat


class GANCostCallback(Callback):
    """Record the cost of a GAN's discriminator in `gan/cost_dis` when its generator was trained.

    `gan/gen_iter` has the number of generator steps by then. Other minibatches keep 0.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(GANCostCallback())  # for a model that is a GAN
    """

    reads_minibatches = False

    def __init__(self) -> None:
        super().__init__(epoch_freq=None, minibatch_freq=1)
        self._seen = 0
        self._records: Any = None
        self._unread: list[tuple[int, Any]] = []

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Make the arrays, one entry a minibatch.

        Raises:
            ConfigurationError: the model is no GAN.
        """
        if not all(hasattr(model, name) for name in ("gen_iter", "cost_dis")):
            raise ConfigurationError(
                f"GANCostCallback needs a GAN, the model is a {type(model).__name__}: it counts no "
                "generator steps (gen_iter) and has no cost_dis"
            )
        points = int(callback_data["config"].attrs["total_minibatches"])
        for name in ("gen_iter", "cost_dis"):
            dataset = callback_data.create_dataset(f"gan/{name}", (points,), dtype="float32")
            dataset.attrs["time_markers"] = "minibatch"
        self._seen = int(model.gen_iter)
        self._records = callback_data
        self._unread.clear()

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Note the cost, if the generator took a step in this minibatch."""
        if model.gen_iter == self._seen:
            return
        self._seen = int(model.gen_iter)
        index = minibatch_position(callback_data, epoch, minibatch)
        _record(callback_data["gan/gen_iter"], index, self._seen)
        # what is a cost of this minibatch for good may stay on the device
        deferred = hasattr(model, "deferred_cost_dis")
        cost = model.deferred_cost_dis if deferred else model.cost_dis
        self._unread.append((index, cost if isinstance(cost, DeferredCost) else scalar(cost)))
        if len(self._unread) >= UNREAD:
            self.settle()

    def settle(self) -> None:
        """Store the costs since the last time."""
        unread, self._unread = self._unread, []
        for index, cost in unread:
            _record(self._records["gan/cost_dis"], index, scalar(cost))


class LossCallback(Callback):
    """Record the cost on held-out data in `cost/loss` and the seconds it took in `time/loss`.

    Args:
        eval_set: data iterator.
        epoch_freq: epochs between two evaluations, or a list of 0-based epochs.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(LossCallback(train, epoch_freq=1), insert_pos=0)
    """

    def __init__(self, eval_set: Any, epoch_freq: Frequency = 1) -> None:
        super().__init__(epoch_freq=epoch_freq)
        check_dataset(self.classnm, eval_set, ("ndata", "reset"))
        self.eval_set = eval_set

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Make the arrays, one entry an evaluation."""
        _per_evaluation(callback_data, "cost/loss", self.epoch_freq, epochs)
        _per_evaluation(callback_data, "time/loss", self.epoch_freq, epochs)

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Evaluate and store."""
        start = time.perf_counter()
        loss = self.get_loss(model)
        index = firing_index(self.epoch_freq, epoch)
        callback_data["cost/loss"][index] = loss
        callback_data["time/loss"][index] = time.perf_counter() - start

    def get_loss(self, model: Any) -> float:
        """Mean cost over all samples of `eval_set` (of a sequence: the mean over its steps)."""
        with in_use.of(model):
            return self._mean_cost(model)

    def _mean_cost(self, model: Any) -> float:
        total, seen = 0.0, 0
        for x, t in in_order(self.eval_set):
            y = model.fprop(x, inference=True)
            samples, steps = batch_extent(y, model.be.bsz, self.eval_set.ndata - seen)
            minibatch_cost(model.cost, y, t)
            columns = model.cost.outputs.get()[:, : samples * steps]
            total += float(np.sum(columns, dtype=np.float64)) / steps
            seen += samples
        if not seen:
            raise ConfigurationError("the eval_set gave no batch: is it empty?")
        return total / seen


class MetricCallback(Callback):
    """Record a metric on held-out data in `metrics/<name>`.

    Args:
        eval_set: data iterator.
        metric: instance of a metric.
        epoch_freq: epochs between two evaluations, or a list of 0-based epochs.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(MetricCallback(train, Accuracy(), epoch_freq=1))
    """

    def __init__(self, eval_set: Any, metric: Any, epoch_freq: Frequency = 1) -> None:
        super().__init__(epoch_freq=epoch_freq)
        check_metric(self.classnm, metric)
        check_dataset(self.classnm, eval_set, ("ndata", "reset"))
        self.eval_set = eval_set
        self.metric = metric
        self.metric_desc = ", ".join(metric.metric_names)

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Make one array for each name of the metric."""
        for name in self.metric.metric_names:
            _per_evaluation(callback_data, f"metrics/{name}", self.epoch_freq, epochs)

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Evaluate, store, and log a line."""
        values = model.eval(self.eval_set, metric=self.metric)
        index = firing_index(self.epoch_freq, epoch)
        for name, value in zip(self.metric.metric_names, values, strict=True):
            callback_data[f"metrics/{name}"][index] = value
        logger.info("%s: %s", self.metric_desc, ", ".join(f"{v:.6g}" for v in values))


def _per_evaluation(callback_data: Any, name: str, freq: Frequency, epochs: int) -> None:
    dataset = callback_data.create_dataset(name, (firing_count(freq, epochs),), dtype="float32")
    dataset.attrs["time_markers"] = "epoch_freq"
    dataset.attrs["epoch_freq"] = freq
