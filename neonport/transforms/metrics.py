"""Metrics: numbers on the host that say how good predictions are; never differentiated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.base import need_instance, shown
from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms.costs import Cost
from neonport.transforms.operands import backend_of, count, same_shape, several_classes

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor
    from neonport.transforms.operands import Operand

ALL_COLUMNS = slice(0, None)


class Metric(Cost):
    """Base of metrics: `metric(y, t, calcrange)` returns host value(s).

    Buffers are made on the first call for the backend and the columns of its operands, and kept.

    Attributes:
        metric_names: name of each value that a call returns.

    Example:
        class MaxError(Metric):
            def __call__(self, y, t, calcrange=slice(None)):
                return float(abs(y.get() - t.get())[:, calcrange].max())

        assert MaxError()(t, t) == 0
    """

    neon_module = "neon.transforms.cost"
    metric_names: list[str]
    whole_dataset: bool = False  # whether `Model.eval` judges all samples at once; DatasetMetric

    def __call__(self, y: Any, t: Any, calcrange: slice = ALL_COLUMNS) -> Any:
        """Return the metric.

        Args:
            y: predictions, (classes, columns).
            t: targets of the same shape, one-hot.
            calcrange: columns to average over; the last batch of an epoch may be partly filled.

        Returns:
            A number, or an array with one value for each of `metric_names`.

        Raises:
            ShapeError: the shapes differ, or `calcrange` holds no column.
        """
        raise NotImplementedError(f"{self.classnm} does not define __call__(y, t, calcrange)")

    def buffer(self, label: str, be: Backend, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """Return a tensor kept under `label`, made anew when backend, shape or dtype changed."""
        kept: dict[str, Tensor] = self.__dict__.setdefault("_buffers", {})
        found = kept.get(label)
        want = be.default_dtype if dtype is None else dtype
        if (
            found is None
            or found.backend is not be
            or found.shape != shape
            or found.dtype != np.dtype(want)
        ):
            found = kept[label] = be.empty(shape, dtype=want)
        return found


def check_metric(call: str, metric: Any) -> None:
    """Raise unless `metric` is an instance of a metric.

    Raises:
        ConfigurationError: naming `call`, what was given and what to give.
    """
    need_instance(call, "metric", metric, "Accuracy()")
    if not isinstance(metric, Metric) and not (
        callable(metric) and hasattr(metric, "metric_names")
    ):
        raise ConfigurationError(
            f"{call}: metric is {shown(metric)}, not a metric; give an instance such as "
            "Accuracy(), or of a subclass of Metric of your own"
        )


def column_mean(row: Tensor, calcrange: slice) -> np.float64:
    """Mean of a row over the columns of `calcrange`, accumulated in float64.

    Raises:
        ShapeError: there is no such column.
    """
    values = row.get()[:, calcrange]
    if values.size == 0:
        raise ShapeError(f"metric: columns {calcrange} of a row of shape {row.shape} are none")
    return np.float64(values.mean(dtype=np.float64))


def row_shape(y: Operand) -> tuple[int, ...]:
    """Shape of `y` reduced over axis 0."""
    return (1, *y.shape[1:])


class LogLoss(Metric):
    """Mean of -log(probability of the true class), at most 50.

    Attributes:
        correctProbs: the loss of each column of the last call.

    Example:
        assert LogLoss()(t, t) == 0
    """

    neon_module = "neon.transforms.cost"

    def __init__(self) -> None:
        super().__init__()
        self.metric_names = ["LogLoss"]
        self.correctProbs: Tensor | None = None

    def __call__(self, y: Operand, t: Operand, calcrange: slice = ALL_COLUMNS) -> np.ndarray:
        """Return the mean loss as a 0-dimensional array."""
        same_shape(self, y, t)
        several_classes(self, y)
        be = backend_of(self, y, t)
        self.correctProbs = self.buffer("correctProbs", be, row_shape(y))
        self.correctProbs[:] = -be.safelog(be.sum(y * t, axis=0))
        return np.array(column_mean(self.correctProbs, calcrange))


class TopKMisclassification(Metric):
    """Log loss, top-1 error and top-k error; ties count in part.

    Of k places, those that are left after the classes above the true one are shared between the
    classes tied with it.

    Args:
        k: number of guesses.

    Attributes:
        correctProbs, top1, topk: log loss and errors of each column of the last call.

    Example:
        loss, top1, top2 = TopKMisclassification(k=2)(t, t)
        assert top1 == top2 == 0
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = count(self, "k", k)
        self.metric_names = ["LogLoss", "Top1Misclass", f"Top{self.k}Misclass"]
        self.correctProbs: Tensor | None = None
        self.top1: Tensor | None = None
        self.topk: Tensor | None = None

    def __call__(self, y: Operand, t: Operand, calcrange: slice = ALL_COLUMNS) -> np.ndarray:
        """Return log loss, top-1 error and top-k error as an array of 3."""
        same_shape(self, y, t)
        several_classes(self, y)
        be = backend_of(self, y, t)
        shape = row_shape(y)
        # in the dtype of y: it is compared with y for equality
        p = self.buffer("p", be, shape, y.dtype)
        p[:] = be.sum(y * t, axis=0)
        slots = self.k - be.sum(y > p, axis=0)
        ties = be.sum(be.equal(y, p), axis=0)
        # without a tie the probability is nan, and nan is not a hit
        shared = (ties > 0.0) / be.maximum(ties, 1.0)
        self.correctProbs = self.buffer("correctProbs", be, shape)
        self.top1 = self.buffer("top1", be, shape)
        self.topk = self.buffer("topk", be, shape)
        updates = [
            (self.correctProbs, -be.safelog(p)),
            (self.top1, 1.0 - be.equal(be.max(y, axis=0), p) * shared),
            (self.topk, 1.0 - (slots > 0.0) * be.minimum(slots * shared, 1.0)),
        ]
        be.assign_many(updates)
        rows = (self.correctProbs, self.top1, self.topk)
        return np.array([column_mean(row, calcrange) for row in rows])


class Misclassification(Metric):
    """Share of columns whose largest prediction is not the true class; first index on ties.

    Args:
        steps: time steps; kept for neon, the columns of the operands decide.

    Attributes:
        outputs, preds: 1 for each wrong column of the last call (the same tensor).

    Example:
        assert Misclassification()(t, t) == 0
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, steps: int = 1) -> None:
        super().__init__()
        self.steps = count(self, "steps", steps)
        self.metric_names = ["Top1Misclass"]
        self.outputs: Tensor | None = None

    @property
    def preds(self) -> Tensor | None:
        """Neon's other name of `outputs`."""
        return self.outputs

    def __call__(self, y: Operand, t: Operand, calcrange: slice = ALL_COLUMNS) -> np.float64:
        """Return the share of wrong columns."""
        same_shape(self, y, t)
        several_classes(self, y)
        be = backend_of(self, y, t)
        self.outputs = self.buffer("outputs", be, row_shape(y))
        self.outputs[:] = be.not_equal(be.argmax(y, axis=0), be.argmax(t, axis=0))
        return column_mean(self.outputs, calcrange)


class Accuracy(Metric):
    """Share of columns whose largest prediction is the true class; first index on ties.

    Attributes:
        outputs: 1 for each right column of the last call.

    Example:
        assert Accuracy()(t, t) == 1
    """

    neon_module = "neon.transforms.cost"

    def __init__(self) -> None:
        super().__init__()
        self.metric_names = ["Accuracy"]
        self.outputs: Tensor | None = None

    def __call__(self, y: Operand, t: Operand, calcrange: slice = ALL_COLUMNS) -> np.float64:
        """Return the share of right columns."""
        same_shape(self, y, t)
        several_classes(self, y)
        be = backend_of(self, y, t)
        self.outputs = self.buffer("outputs", be, row_shape(y))
        self.outputs[:] = be.equal(be.argmax(y, axis=0), be.argmax(t, axis=0))
        return column_mean(self.outputs, calcrange)


class MultiMetric(Metric):
    """A metric on one output of a model that has several; other attributes are the metric's.

    Args:
        metric: the metric.
        index: which output, and which target if targets are a list.

    Raises:
        ConfigurationError: `metric` is not a metric.

    Example:
        metric = MultiMetric(Accuracy(), index=1)  # of a model with two outputs, judge the second
        assert metric([p, t], [t, t]) == 1
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, metric: Metric, index: int) -> None:
        super().__init__()
        if not isinstance(metric, Metric):
            raise ConfigurationError(f"MultiMetric: {metric!r} is not a metric; give an instance")
        self.metric = metric
        self.index = index
        self.whole_dataset = metric.whole_dataset

    def __getattr__(self, name: str) -> Any:
        # only reached for what this object has not; `metric` itself is missing while copied
        if name == "metric" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.metric, name)

    def __call__(self, y: Any, t: Any, calcrange: slice = ALL_COLUMNS) -> Any:
        """Return the metric of output `index`."""
        return self.metric(y[self.index], self._target(t), calcrange=calcrange)

    def columns(self, y: Any, t: Any) -> Any:
        """Of a DatasetMetric: predictions and targets of output `index` as host arrays."""
        return self.metric.columns(y[self.index], self._target(t))  # type: ignore[attr-defined]

    def _target(self, t: Any) -> Any:
        return t[self.index] if isinstance(t, (list, tuple)) else t
