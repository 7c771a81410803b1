"""PrecisionRecall: both, averaged over classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neonport.errors import ShapeError
from neonport.tensor.tensor import Tensor
from neonport.transforms.metrics import ALL_COLUMNS, Metric
from neonport.transforms.operands import backend_of, count, number, same_shape

if TYPE_CHECKING:
    from neonport.transforms.operands import Operand


class PrecisionRecall(Metric):
    """Precision and recall, each a mean over classes; an absent class counts 0.

    Args:
        num_classes: rows of predictions and targets.
        binarize: turn each column of the predictions into a one-hot vector first (in place, if they
            are a tensor).
        epsilon: added to the denominators.

    Attributes:
        outputs: (num_classes, 2), precision and recall of each class in the last call.
        token_stats: (num_classes, 3), true positives, predictions and targets of each class.

    Example:
        precision, recall = PrecisionRecall(num_classes=3)(t, t)
        assert abs(precision - 1) < 1e-5 and abs(recall - 1) < 1e-5
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, num_classes: int, binarize: bool = False, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.num_classes = count(self, "num_classes", num_classes)
        self.binarize = bool(binarize)
        self.epsilon = number(self, "epsilon", epsilon)
        self.metric_names = ["Precision", "Recall"]
        self.outputs: Tensor | None = None
        self.token_stats: Tensor | None = None

    def __call__(self, y: Operand, t: Operand, calcrange: slice = ALL_COLUMNS) -> np.ndarray:
        """Return precision and recall as an array of 2.

        Args:
            y: predictions, (num_classes, columns).
            t: targets of the same shape.
            calcrange: ignored; all columns count.

        Raises:
            ShapeError: the shapes differ or have another number of rows.
        """
        same_shape(self, y, t)
        if y.shape[0] != self.num_classes:
            raise ShapeError(
                f"PrecisionRecall: predictions of shape {y.shape} have not num_classes="
                f"{self.num_classes} rows"
            )
        be = backend_of(self, y, t)
        if self.binarize:
            y = self._one_hot(y)
        stats = self.buffer("token_stats", be, (self.num_classes, 3), np.float32)
        rates = self.buffer("outputs", be, (self.num_classes, 2), np.float32)
        updates = [
            (stats[:, 0:1], be.sum(y * t, axis=1)),
            (stats[:, 1:2], be.sum(y, axis=1)),
            (stats[:, 2:3], be.sum(t, axis=1)),
        ]
        be.assign_many(updates)
        rates[:] = stats[:, 0:1] / (stats[:, 1:3] + self.epsilon)
        self.token_stats, self.outputs = stats, rates
        return rates.get().mean(axis=0, dtype=np.float64)

    def _one_hot(self, y: Operand) -> Tensor:
        """Write a one-hot vector of the largest prediction over each column."""
        be = backend_of(self, y)
        winner = self.buffer("winner", be, (1, y.shape[1]), np.int32)
        winner[:] = be.argmax(y, axis=0)
        target = y if isinstance(y, Tensor) else self.buffer("onehot", be, y.shape)
        target[:] = be.onehot(winner, axis=0)
        return target
