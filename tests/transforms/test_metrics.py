"""LogLoss, TopK, Misclassification, Accuracy, MultiMetric against NumPy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms import (
    Accuracy,
    LogLoss,
    Misclassification,
    MultiMetric,
    SumSquared,
    TopKMisclassification,
)


def batch(classes: int, n: int, dtype: str = "float32", seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.RandomState(seed)
    y = rng.uniform(0.01, 1, (classes, n))
    y = (y / y.sum(0)).astype(dtype)
    true = rng.randint(0, classes, n)
    return y, np.eye(classes, dtype=dtype)[:, true], true


@pytest.mark.parametrize("calcrange", [slice(0, None), slice(0, 5), slice(2, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values(make_backend: Any, calcrange: slice, dtype: str) -> None:
    be = make_backend(dtype=dtype)
    y, t, true = batch(10, 12, dtype)
    yt, tt = be.array(y), be.array(t)
    p = y[true, np.arange(12)].astype(np.float64)
    wrong = (y.argmax(0) != true)[calcrange].mean()
    below = (np.sum(y > y[true, np.arange(12)], axis=0) >= 3)[calcrange].mean()
    loss = -np.log(p)[calcrange].mean()
    tolerance = 1e-3 if dtype == "float16" else 1e-6
    assert LogLoss()(yt, tt, calcrange) == pytest.approx(loss, rel=tolerance)
    assert Misclassification()(yt, tt, calcrange=calcrange) == pytest.approx(wrong)
    assert Accuracy()(yt, tt, calcrange=calcrange) == pytest.approx(1 - wrong)
    np.testing.assert_allclose(
        TopKMisclassification(3)(yt, tt, calcrange=calcrange), [loss, wrong, below], rtol=tolerance
    )


def test_names_and_result_types(be: Any) -> None:
    y, t, _ = batch(4, 6)
    yt, tt = be.array(y), be.array(t)
    assert LogLoss().metric_names == ["LogLoss"]
    assert Misclassification(steps=3).metric_names == ["Top1Misclass"]
    assert Accuracy().metric_names == ["Accuracy"]
    assert TopKMisclassification(5).metric_names == ["LogLoss", "Top1Misclass", "Top5Misclass"]
    assert LogLoss()(yt, tt).shape == ()
    assert TopKMisclassification(2)(yt, tt).shape == (3,)
    assert float(Misclassification()(yt, tt)) >= 0


def test_the_first_of_tied_classes_wins(be: Any) -> None:
    y = be.array([[0.4, 0.4], [0.4, 0.4], [0.2, 0.2]])
    t = be.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    metric = Misclassification()
    assert metric(y, t) == 0.5
    np.testing.assert_array_equal(metric.outputs.get(), [[0, 1]])  # type: ignore[union-attr]
    assert metric.preds is metric.outputs
    assert Accuracy()(y, t) == 0.5


def test_top_k_shares_places_between_ties(be: Any) -> None:
    # columns: clear hit; tie of two for one place; tie of three for two places; miss
    y = be.array(
        [[0.7, 0.4, 0.25, 0.1], [0.1, 0.3, 0.25, 0.2], [0.1, 0.3, 0.25, 0.3], [0.1, 0.0, 0.25, 0.4]]
    )
    t = be.array(np.eye(4)[:, [0, 1, 2, 0]])
    top = TopKMisclassification(2)
    top(y, t)
    np.testing.assert_allclose(top.topk.get(), [[0, 0.5, 0.5, 1]], atol=1e-6)  # type: ignore[union-attr]
    np.testing.assert_allclose(top.top1.get(), [[0, 1, 0.75, 1]], atol=1e-6)  # type: ignore[union-attr]


def test_nan_is_no_hit(be: Any) -> None:
    y, t = be.array([[np.nan, 0.9], [np.nan, 0.1]]), be.array([[1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(TopKMisclassification(2)(y, t)[1:], [0.5, 0.5])


def test_more_guesses_than_classes_always_hit(be: Any) -> None:
    y, t, _ = batch(3, 8)
    assert TopKMisclassification(5)(be.array(y), be.array(t))[2] == 0


@pytest.mark.parametrize(
    "metric", [LogLoss(), TopKMisclassification(2), Misclassification(), Accuracy()]
)
def test_trees_and_changing_sizes(be: Any, metric: Any) -> None:
    for n in (5, 8):
        y, t, _ = batch(4, n, seed=n)
        plain = metric(be.array(y), be.array(t))
        np.testing.assert_allclose(metric(be.array(2 * y) * 0.5, be.array(t)), plain, rtol=1e-6)


def test_buffers_are_made_once(be: Any) -> None:
    metric = Misclassification()
    y, t, _ = batch(4, 5)
    metric(be.array(y), be.array(t))
    first = metric.outputs
    metric(be.array(y), be.array(t))
    assert metric.outputs is first


def test_a_metric_may_be_older_than_the_backend(make_backend: Any) -> None:
    metric = Accuracy()
    _, t, _ = batch(4, 5)
    for _ in range(2):
        be = make_backend()  # no batch size
        metric(be.array(t), be.array(t))
        assert metric(be.array(t), be.array(t)) == 1


def test_more_than_2048_classes_in_float16(make_backend: Any) -> None:
    be = make_backend(dtype=np.float16)
    y = np.zeros((3000, 2))
    t = np.zeros((3000, 2))
    y[[2049, 2050], [0, 1]] = 1
    t[[2048, 2050], [0, 1]] = 1  # 2048 and 2049 are one number in float16
    assert Misclassification()(be.array(y), be.array(t)) == 0.5


def test_mistakes_are_named(be: Any) -> None:
    with pytest.raises(ConfigurationError, match="k=0"):
        TopKMisclassification(0)
    with pytest.raises(ConfigurationError, match="steps"):
        Misclassification(steps=0)
    with pytest.raises(ConfigurationError, match="not a metric"):
        MultiMetric(SumSquared(), 0)  # type: ignore[arg-type]
    for metric in (LogLoss(), TopKMisclassification(2), Misclassification(), Accuracy()):
        with pytest.raises(ShapeError, match=metric.classnm):
            metric(be.ones((3, 4)), be.ones((1, 4)))
        with pytest.raises(ShapeError, match="none"):
            metric(be.ones((3, 4)), be.ones((3, 4)), calcrange=slice(4, None))


def test_multi_metric_picks_output_and_target(be: Any) -> None:
    y, t, true = batch(4, 6)
    other, _, _ = batch(4, 6, seed=9)
    outputs, wrong = [be.array(other), be.array(y)], (y.argmax(0) != true).mean()
    metric = MultiMetric(Misclassification(), 1)
    assert metric(outputs, be.array(t)) == pytest.approx(wrong)
    assert metric(outputs, (be.array(other), be.array(t))) == pytest.approx(wrong)
    calcrange = slice(0, 2)
    expected = (y.argmax(0) != true)[:2].mean()
    assert metric(outputs, [None, be.array(t)], calcrange=calcrange) == pytest.approx(expected)
    assert metric.metric_names == ["Top1Misclass"]
    assert metric.outputs is metric.metric.outputs
    assert copy.copy(metric).index == 1
    with pytest.raises(AttributeError):
        _ = metric.nothing
