"""ObjectDetection: label accuracy and box loss of a network with two outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.transforms.costs import SmoothL1Loss
from neonport.transforms.metrics import ALL_COLUMNS, Metric, column_mean, row_shape
from neonport.transforms.operands import backend_of, same_shape

if TYPE_CHECKING:
    from neonport.tensor.tensor import Tensor


class ObjectDetection(Metric):
    """Accuracy of the labels and smooth L1 loss of the boxes.

    Predictions are (labels (classes, n), boxes (4 classes, n)); targets are (labels, (boxes,
    box mask)) or ((labels, label mask), (boxes, box mask)).

    Attributes:
        label_ind, bbox_ind: positions of labels and boxes in both.
        labelMetric, detectionMetric: values of each column of the last call.

    Example:
        boxes, mask = be.zeros((12, 4)), be.ones((12, 4))
        accuracy, loss = ObjectDetection()((t, boxes), (t, (boxes, mask)))
        assert accuracy == 1 and loss == 0
    """

    neon_module = "neon.transforms.cost"

    def __init__(self) -> None:
        super().__init__()
        self.metric_names = ["Accuracy", "SmoothL1Loss"]
        self.label_ind = 0
        self.bbox_ind = 1
        self.labelMetric: Tensor | None = None
        self.detectionMetric: Tensor | None = None
        self._loss = SmoothL1Loss()

    def __call__(  # type: ignore[override]
        self, y: Sequence[Any], t: Sequence[Any], calcrange: slice = ALL_COLUMNS
    ) -> np.ndarray:
        """Return accuracy and box loss as an array of 2.

        Raises:
            ConfigurationError: predictions or targets are not built as described.
            ShapeError: shapes differ.
        """
        labels, boxes = self._pair("predictions", y, self.label_ind, self.bbox_ind)
        true_labels, true_boxes = self._pair("targets", t, self.label_ind, self.bbox_ind)
        true_boxes, box_mask = self._pair("box targets", true_boxes, 0, 1)
        if isinstance(true_labels, (list, tuple)):
            true_labels, mask = self._pair("label targets", true_labels, 0, 1)
            # the masked columns of both become zeros, and so agree
            labels, true_labels = labels * mask, true_labels * mask
        same_shape(self, labels, true_labels)
        same_shape(self, boxes, true_boxes)
        be = backend_of(self, labels, boxes)
        self.labelMetric = self.buffer("label", be, row_shape(labels))
        self.detectionMetric = self.buffer("detection", be, row_shape(boxes))
        self.labelMetric[:] = be.equal(be.argmax(labels, axis=0), be.argmax(true_labels, axis=0))
        self.detectionMetric[:] = self._loss(boxes * box_mask, true_boxes)
        rows = (self.labelMetric, self.detectionMetric)
        return np.array([column_mean(row, calcrange) for row in rows])

    def _pair(self, what: str, value: Any, first: int, second: int) -> tuple[Any, Any]:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise ConfigurationError(
                f"ObjectDetection: {what} must be a pair, not {type(value).__name__}; its class "
                "says what it takes"
            )
        return value[first], value[second]
