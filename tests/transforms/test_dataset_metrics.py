"""Metrics over all samples against NumPy by the definition; figures checked with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms import (
    AUC,
    F1,
    MAE,
    R2,
    RMSE,
    Accuracy,
    BinaryAccuracy,
    ConfusionMatrix,
    LogLoss,
    Misclassification,
    MultiMetric,
    TopKMisclassification,
)

RNG = np.random.RandomState(3)
Y, T = RNG.normal(size=(2, 40)), RNG.normal(size=(2, 40))
SCORE = np.round(RNG.rand(1, 40), 1)  # with ties
TRUE = (RNG.rand(1, 40) < 0.4).astype(float)
PROBABILITY = RNG.rand(3, 40)
LABEL = RNG.randint(0, 3, 40)
ONE_HOT = np.eye(3)[:, LABEL]


def pairwise_area(score: np.ndarray, true: np.ndarray) -> float:
    ahead = score[true > 0][:, None] - score[true == 0][None, :]
    return float(np.mean((ahead > 0) + 0.5 * (ahead == 0)))


def f1_of(found: np.ndarray, true: np.ndarray, c: int) -> float:
    hits = np.sum((found == c) & (true == c))
    return float(2 * hits / (np.sum(found == c) + np.sum(true == c)))


CHOSEN = PROBABILITY.argmax(axis=0)


@pytest.mark.parametrize(
    ("metric", "y", "t", "wanted"),
    [
        (MAE(), Y, T, np.abs(Y - T).mean()),
        (RMSE(), Y, T, np.sqrt(((Y - T) ** 2).mean())),
        (R2(), Y, T, np.mean(1 - ((Y - T) ** 2).mean(axis=1) / T.var(axis=1))),
        (R2(), Y[:1], np.ones((1, 40)), 0),
        (R2(), np.ones((1, 40)), np.ones((1, 40)), 1),
        (BinaryAccuracy(), SCORE, TRUE, np.mean((SCORE > 0.5) == (TRUE == 1))),
        (BinaryAccuracy(0.2), SCORE, TRUE, np.mean((SCORE > 0.2) == (TRUE == 1))),
        (AUC(), SCORE, TRUE, pairwise_area(SCORE[0], TRUE[0])),
        (
            AUC(),
            PROBABILITY,
            ONE_HOT,
            np.mean([pairwise_area(*rows) for rows in zip(PROBABILITY, ONE_HOT, strict=True)]),
        ),
        (F1(), SCORE, TRUE, f1_of(SCORE[0] > 0.5, TRUE[0], 1)),
        (F1(0.3), SCORE, TRUE, f1_of(SCORE[0] > 0.3, TRUE[0], 1)),
        (F1(), PROBABILITY, ONE_HOT, np.mean([f1_of(CHOSEN, LABEL, c) for c in range(3)])),
        (
            ConfusionMatrix(3),
            PROBABILITY,
            ONE_HOT,
            [np.sum((i == LABEL) & (j == CHOSEN)) for i in range(3) for j in range(3)],
        ),
        (
            ConfusionMatrix(2),
            SCORE,
            TRUE,
            [np.sum((i == TRUE) & ((SCORE > 0.5) == j)) for i in range(2) for j in range(2)],
        ),
    ],
)
def test_values(make_backend: Any, metric: Any, y: Any, t: Any, wanted: Any) -> None:
    be = make_backend(dtype=np.float64)
    found = metric(be.array(y), be.array(t))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert np.size(found) == len(metric.metric_names)
    part = slice(5, 30)
    some = metric(be.array(y), be.array(t), calcrange=part)
    np.testing.assert_allclose(some, metric(be.array(y[:, part]), be.array(t[:, part])))
    (second,) = [MultiMetric(metric, 1)([None, be.array(y)], [None, be.array(t)])]
    np.testing.assert_array_equal(second, found)


def test_a_class_without_samples_has_no_area(be: Any) -> None:
    assert np.isnan(AUC()(be.array(SCORE), be.zeros((1, 40))))


@pytest.mark.parametrize("ndata", [5, 16, 27])
def test_eval_judges_all_samples_at_once(make_backend: Any, ndata: int) -> None:
    from neonport.data import ArrayIterator
    from neonport.layers import Affine
    from neonport.models import Model

    make_backend(batch_size=8)
    x, t = RNG.rand(ndata, 3).astype("f4"), RNG.rand(ndata, 2).astype("f4")
    model = Model([Affine(2, RNG.rand(2, 3).astype("f4"))])
    data = ArrayIterator(x, t, make_onehot=False)
    y = model.get_outputs(data)
    for metric, wanted in (
        (RMSE(), np.sqrt(np.square(y - t).mean())),
        (R2(), np.mean(1 - np.square(y - t).mean(axis=0) / t.var(axis=0))),
        (MAE(), np.abs(y - t).mean()),
    ):
        np.testing.assert_allclose(model.eval(data, metric), [wanted], rtol=1e-5)


@pytest.mark.parametrize(
    "metric", [Accuracy(), Misclassification(), LogLoss(), TopKMisclassification(1)]
)
def test_metrics_of_classes_refuse_one_row(be: Any, metric: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"\(1, 40\) have one row.*BinaryAccuracy\(\)"):
        metric(be.array(SCORE), be.array(TRUE))


def test_mistakes_are_named(be: Any) -> None:
    with pytest.raises(ConfigurationError, match="nclass=1"):
        ConfusionMatrix(1)
    with pytest.raises(ConfigurationError, match="threshold='a'"):
        F1("a")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="of 3 classes, not of nclass=4"):
        ConfusionMatrix(4)(be.array(PROBABILITY), be.array(ONE_HOT))
    with pytest.raises(ShapeError, match="same shape"):
        MAE()(be.array(Y), be.array(T[:1]))
    with pytest.raises(ShapeError, match="are none"):
        MAE()(be.array(Y), be.array(T), calcrange=slice(50, 60))
