"""Metrics that need all samples at once: they are no mean over minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms.metrics import ALL_COLUMNS, Metric
from neonport.transforms.operands import count, number, same_shape

if TYPE_CHECKING:
    from neonport.transforms.operands import Operand


class DatasetMetric(Metric):
    """Base of metrics that `Model.eval` computes once, from the columns of all minibatches.

    A subclass defines `values(y, t)` on host arrays. A call judges one minibatch by itself.

    Example:
        class Bias(DatasetMetric):
            metric_names = ["Bias"]

            def values(self, y, t):
                return (y - t).mean()

        assert Bias()(x, x) == 0
    """

    neon_module = "neonport.transforms.dataset_metrics"
    whole_dataset = True

    def values(self, y: np.ndarray, t: np.ndarray) -> Any:
        """Return the metric of float64 arrays (features, columns), one value for each name."""
        raise NotImplementedError(f"{self.classnm} does not define values(y, t)")

    def columns(self, y: Operand, t: Operand) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and targets as host arrays, float64.

        Raises:
            ShapeError: the shapes differ.
        """
        same_shape(self, y, t)
        return _host(y), _host(t)

    def __call__(self, y: Operand, t: Operand, calcrange: slice = ALL_COLUMNS) -> Any:
        """Return the metric of the columns in `calcrange`.

        Raises:
            ShapeError: the shapes differ, or there is no such column.
        """
        predicted, true = self.columns(y, t)
        predicted, true = predicted[:, calcrange], true[:, calcrange]
        if predicted.size == 0:
            raise ShapeError(
                f"metric: columns {calcrange} of predictions of shape {y.shape} are none"
            )
        return self.values(predicted, true)


def _host(value: Any) -> np.ndarray:
    tensor = value if hasattr(value, "get") else value.astensor()
    host: np.ndarray = tensor.get().astype(np.float64)
    return host


def classes(owner: Metric, values: np.ndarray, threshold: float) -> np.ndarray:
    """Class of each column: the largest row; of one row, 1 where it is above the threshold."""
    return values.argmax(axis=0) if len(values) > 1 else (values[0] > threshold).astype(int)


class MAE(DatasetMetric):
    """Mean absolute error, mean(|y - t|) over all elements.

    Example:
        assert abs(MAE()(x, x + 2) - 2) < 1e-6
    """

    def __init__(self) -> None:
        super().__init__()
        self.metric_names = ["MAE"]

    def values(self, y: np.ndarray, t: np.ndarray) -> np.float64:
        """Return the error."""
        return np.float64(np.abs(y - t).mean())


class RMSE(DatasetMetric):
    """Root mean squared error, sqrt(mean((y - t)^2)) over all elements.

    Example:
        assert abs(RMSE()(x, x + 2) - 2) < 1e-6
    """

    def __init__(self) -> None:
        super().__init__()
        self.metric_names = ["RMSE"]

    def values(self, y: np.ndarray, t: np.ndarray) -> np.float64:
        """Return the error."""
        return np.float64(np.sqrt(np.square(y - t).mean()))


class R2(DatasetMetric):
    """Coefficient of determination, 1 - sum((y - t)^2) / sum((t - mean(t))^2).

    1 is perfect, 0 is as good as the mean of the targets. Several features are averaged. A feature
    whose targets are all equal counts 1 if predicted exactly, else 0, as in scikit-learn.

    Example:
        assert R2()(x, x) == 1
    """

    def __init__(self) -> None:
        super().__init__()
        self.metric_names = ["R2"]

    def values(self, y: np.ndarray, t: np.ndarray) -> np.float64:
        """Return the coefficient."""
        left = np.square(y - t).sum(axis=1)
        spread = np.square(t - t.mean(axis=1, keepdims=True)).sum(axis=1)
        flat = spread == 0
        scores = np.where(flat, left == 0, 1 - left / np.where(flat, 1, spread))
        return np.float64(scores.mean())


class BinaryAccuracy(DatasetMetric):
    """Share of elements on the right side of a threshold; for one probability a column.

    Args:
        threshold: predictions above it mean 1. For logits give 0.

    Raises:
        ConfigurationError: `threshold` is no number.

    Example:
        assert BinaryAccuracy()(t, t) == 1
    """

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = number(self, "threshold", threshold)
        self.metric_names = ["BinaryAccuracy"]

    def values(self, y: np.ndarray, t: np.ndarray) -> np.float64:
        """Return the share."""
        return np.float64(np.mean((y > self.threshold) == (t > 0.5)))


class AUC(DatasetMetric):
    """Area under the ROC curve: how often a positive gets more than a negative; ties count half.

    One row holds the score of class 1; of several rows each is judged against the rest, and the
    areas are averaged. It is the rank statistic of Mann and Whitney (1947), after Hanley and McNeil
    (1982).

    Example:
        assert AUC()(t, t) == 1
    """

    def __init__(self) -> None:
        super().__init__()
        self.metric_names = ["AUC"]

    def values(self, y: np.ndarray, t: np.ndarray) -> np.float64:
        """Return the area; nan where a class has no positives or no negatives."""
        return np.float64(np.mean([_area(*rows) for rows in zip(y, t > 0.5, strict=True)]))


def _area(score: np.ndarray, positive: np.ndarray) -> float:
    _, place, equal = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(equal) - (equal - 1) / 2)[place]  # ties share the mean of their ranks
    hits = int(positive.sum())
    misses = positive.size - hits
    if not hits or not misses:
        return float("nan")
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


class ConfusionMatrix(DatasetMetric):
    """How many columns of each true class were taken for each class.

    Args:
        nclass: number of classes; 2 for predictions of one row.
        threshold: for one row: above it means class 1.

    Attributes:
        matrix: int64 (nclass, nclass) of the last evaluation, true classes down; or None.

    Raises:
        ConfigurationError: `nclass` is less than 2, or `threshold` is no number.

    Example:
        metric = ConfusionMatrix(nclass=3)
        model.eval(train, metric)
        assert metric.matrix.sum() == 40
    """

    def __init__(self, nclass: int, threshold: float = 0.5) -> None:
        super().__init__()
        self.nclass = count(self, "nclass", nclass)
        if self.nclass < 2:
            raise ConfigurationError(f"ConfusionMatrix: nclass={nclass} must be 2 or more")
        self.threshold = number(self, "threshold", threshold)
        self.metric_names = [f"true {i} as {j}" for i in range(nclass) for j in range(nclass)]
        self.matrix: np.ndarray | None = None

    def values(self, y: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return the counts row by row, nclass^2 numbers.

        Raises:
            ShapeError: there is another number of rows.
        """
        self.matrix = _confusion(self, y, t, self.nclass, self.threshold)
        return self.matrix.ravel()


def _confusion(
    owner: Metric, y: np.ndarray, t: np.ndarray, nclass: int, threshold: float
) -> np.ndarray:
    rows = 2 if len(y) == 1 else len(y)
    if rows != nclass:
        raise ShapeError(
            f"{owner.classnm}: predictions of {len(y)} row(s) are of {rows} classes, not of "
            f"nclass={nclass}"
        )
    pairs = classes(owner, t, 0.5) * nclass + classes(owner, y, threshold)
    return np.bincount(pairs, minlength=nclass * nclass).reshape(nclass, nclass)


class F1(DatasetMetric):
    """F1 score: 2 hits / (2 hits + false alarms + misses), one number for precision and recall.

    One row holds the score of class 1, whose F1 it is; of several rows the scores of all classes
    are averaged (macro). A class that neither is there nor was predicted counts 0 (Rijsbergen,
    1979).

    Args:
        threshold: for one row: above it means class 1.

    Raises:
        ConfigurationError: `threshold` is no number.

    Example:
        assert F1()(t, t) == 1
    """

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = number(self, "threshold", threshold)
        self.metric_names = ["F1"]

    def values(self, y: np.ndarray, t: np.ndarray) -> np.float64:
        """Return the score."""
        nclass = max(2, len(y))
        matrix = _confusion(self, y, t, nclass, self.threshold)
        hits, total = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)
        scores = np.where(total > 0, 2 * hits / np.maximum(total, 1), 0.0)
        return np.float64(scores[1] if len(y) == 1 else scores.mean())
