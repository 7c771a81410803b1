"""PrecisionRecall against NumPy counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ShapeError
from neonport.transforms import PrecisionRecall


def one_hot(indices: Any, classes: int) -> Any:
    return np.eye(classes)[:, indices]


def reference(y: Any, t: Any, epsilon: float) -> tuple[Any, Any]:
    hits = (y * t).sum(1)
    return hits / (y.sum(1) + epsilon), hits / (t.sum(1) + epsilon)


@pytest.mark.parametrize("epsilon", [1e-6, 0.5])
def test_means_over_classes(be: Any, epsilon: float) -> None:
    # class 3 is never predicted, class 4 never true
    y = one_hot([0, 1, 1, 2, 4, 0, 2], 5)
    t = one_hot([0, 1, 2, 2, 3, 1, 2], 5)
    metric = PrecisionRecall(5, epsilon=epsilon)
    result = metric(be.array(y), be.array(t))
    precision, recall = reference(y, t, epsilon)
    np.testing.assert_allclose(result, [precision.mean(), recall.mean()], atol=1e-6)
    np.testing.assert_allclose(metric.outputs.get(), np.stack([precision, recall], 1), atol=1e-6)  # type: ignore[union-attr]
    stats = np.stack([(y * t).sum(1), y.sum(1), t.sum(1)], 1)
    np.testing.assert_array_equal(metric.token_stats.get(), stats)  # type: ignore[union-attr]
    assert metric.metric_names == ["Precision", "Recall"]


@pytest.mark.parametrize("tree", [False, True])
def test_binarize(be: Any, tree: bool) -> None:
    rng = np.random.RandomState(0)
    y, t = rng.uniform(size=(4, 9)), one_hot(rng.randint(0, 4, 9), 4)
    hard = one_hot(y.argmax(0), 4)
    tensor = be.array(y)
    result = PrecisionRecall(4, binarize=True)(tensor * 1.0 if tree else tensor, be.array(t))
    precision, recall = reference(hard, t, 1e-6)
    np.testing.assert_allclose(result, [precision.mean(), recall.mean()], atol=1e-6)
    np.testing.assert_array_equal(tensor.get(), y.astype(np.float32) if tree else hard)


def test_calcrange_is_ignored(be: Any) -> None:
    y, t = one_hot([0, 1, 0], 2), one_hot([0, 1, 1], 2)
    metric = PrecisionRecall(2)
    np.testing.assert_array_equal(
        metric(be.array(y), be.array(t), calcrange=slice(0, 1)), metric(be.array(y), be.array(t))
    )


def test_rows_must_be_the_classes(be: Any) -> None:
    y = be.array(one_hot([0, 1], 3))
    with pytest.raises(ShapeError, match="num_classes=4"):
        PrecisionRecall(4, binarize=True)(y, y)
    with pytest.raises(ShapeError, match="PrecisionRecall"):
        PrecisionRecall(3, binarize=True)(y, be.ones((3, 1)))
    np.testing.assert_array_equal(y.get(), one_hot([0, 1], 3))
