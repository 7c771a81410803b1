"""ObjectDetection: label accuracy and masked box loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms import ObjectDetection

RNG = np.random.RandomState(4)
LABELS, BOXES = RNG.uniform(size=(3, 5)), RNG.normal(size=(12, 5)) * 2
TRUE = np.eye(3)[:, [0, 1, 2, 0, 1]]
TRUE_BOXES, BOX_MASK = RNG.normal(size=(12, 5)), RNG.randint(0, 2, (12, 5)).astype(float)


def box_loss(columns: slice) -> float:
    x = BOXES * BOX_MASK - TRUE_BOXES
    loss = np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5)
    return float(loss.sum(0)[columns].mean())


@pytest.mark.parametrize("columns", [slice(0, None), slice(0, 3)])
def test_without_label_mask(be: Any, columns: slice) -> None:
    y = [be.array(LABELS), be.array(BOXES)]
    t = (be.array(TRUE), (be.array(TRUE_BOXES), be.array(BOX_MASK)))
    right = (LABELS.argmax(0) == TRUE.argmax(0))[columns].mean()
    metric = ObjectDetection()
    np.testing.assert_allclose(metric(y, t, columns), [right, box_loss(columns)], rtol=1e-6)
    assert metric.metric_names == ["Accuracy", "SmoothL1Loss"]
    assert (metric.label_ind, metric.bbox_ind) == (0, 1)


@pytest.mark.parametrize("rows", [1, 3])
def test_masked_labels_count_as_right(be: Any, rows: int) -> None:
    mask = np.array([[1.0, 0.0, 1.0, 0.0, 1.0]])
    y = (be.array(LABELS), be.array(BOXES))
    label_target = (be.array(TRUE), be.array(np.repeat(mask, rows, 0)))
    t = (label_target, (be.array(TRUE_BOXES), be.array(BOX_MASK)))
    right = (LABELS.argmax(0) == TRUE.argmax(0)) | (mask[0] == 0)
    np.testing.assert_allclose(
        ObjectDetection()(y, t), [right.mean(), box_loss(slice(0, None))], rtol=1e-6
    )


def test_mistakes_are_named(be: Any) -> None:
    labels, boxes = be.array(LABELS), be.array(BOXES)
    with pytest.raises(ConfigurationError, match="predictions"):
        ObjectDetection()(labels, (labels, (boxes, boxes)))
    with pytest.raises(ConfigurationError, match="box targets"):
        ObjectDetection()([labels, boxes], [labels, boxes])
    with pytest.raises(ShapeError, match="ObjectDetection"):
        ObjectDetection()([labels, boxes], [labels, (labels, 1.0)])
