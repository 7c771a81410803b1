"""Costs beyond neon's: values against NumPy and PyTorch, gradients against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms import (
    ClassWeighted,
    CrossEntropyBinary,
    CrossEntropyMulti,
    Huber,
    KLDivergence,
    Logistic,
    LogisticCrossEntropy,
    MeanAbsolute,
    Softmax,
    SoftmaxCrossEntropy,
    SumSquared,
    shortcut_warning,
)

RNG = np.random.RandomState(0)
Z = RNG.normal(size=(4, 5)) * 3
T = RNG.dirichlet(np.ones(4), 5).T
BITS = (RNG.rand(4, 5) < 0.5).astype(float)
HOT = np.eye(4)[:, [0, 3, 1, 1, 2]]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=0))
    return np.asarray(e / e.sum(axis=0))


def logistic(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def cross(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.asarray(-(t * np.log(p)).sum(axis=0, keepdims=True))


def binary(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.asarray(-(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(axis=0, keepdims=True))


def huber(x: np.ndarray, d: float) -> np.ndarray:
    return np.where(np.abs(x) <= d, x * x / 2, d * (np.abs(x) - d / 2))


def same(z: np.ndarray) -> np.ndarray:
    return z


# cost, activation between z and the cost, targets, value of each column
CASES: dict[str, tuple[Any, Any, Any, Any]] = {
    "absolute": (MeanAbsolute(), same, T, lambda y, t: np.abs(y - t).mean(0, keepdims=True)),
    "huber": (Huber(), same, T, lambda y, t: huber(y - t, 1.0).mean(0, keepdims=True)),
    "huber-2": (Huber(2.5), same, T, lambda y, t: huber(y - t, 2.5).mean(0, keepdims=True)),
    "divergence": (KLDivergence(), softmax, T, lambda y, t: cross(y, t) - cross(t, t)),
    "logits": (SoftmaxCrossEntropy(), same, T, lambda y, t: cross(softmax(y), t)),
    "logits-smooth": (
        SoftmaxCrossEntropy(label_smoothing=0.2),
        same,
        HOT,
        lambda y, t: cross(softmax(y), 0.8 * t + 0.05),
    ),
    "logits-binary": (LogisticCrossEntropy(), same, BITS, lambda y, t: binary(logistic(y), t)),
    "logits-binary-smooth": (
        LogisticCrossEntropy(label_smoothing=0.2),
        same,
        BITS,
        lambda y, t: binary(logistic(y), 0.8 * t + 0.1),
    ),
    "multi-smooth": (
        CrossEntropyMulti(label_smoothing=0.2),
        softmax,
        HOT,
        lambda y, t: cross(y, 0.8 * t + 0.05),
    ),
    "binary-smooth": (
        CrossEntropyBinary(label_smoothing=0.2),
        logistic,
        BITS,
        lambda y, t: binary(y, 0.8 * t + 0.1),
    ),
    "weighted": (
        ClassWeighted(CrossEntropyMulti(), [1, 0, 2.5, 4]),
        softmax,
        HOT,
        lambda y, t: cross(y, t) * np.array([1, 4, 0, 0, 2.5]),
    ),
    "weighted-squares": (
        ClassWeighted(SumSquared(), np.array([1, 0, 2, 3])),
        same,
        T,
        lambda y, t: ((y - t) ** 2).sum(0, keepdims=True) / 2 * (np.array([1, 0, 2, 3]) @ t),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(make_backend: Any, name: str) -> None:
    cost, activation, t, function = CASES[name]
    be = make_backend(dtype=np.float64)
    y = be.array(activation(Z))
    value, slope = be.empty((1, 5)), be.empty((4, 5))
    value[:] = cost(y, be.array(t))
    np.testing.assert_allclose(value.get(), function(activation(Z), t), rtol=1e-12)
    slope[:] = cost.bprop(y, be.array(t))
    wanted, h = np.empty_like(Z), 1e-6
    for i in range(4):
        step = np.zeros((4, 5))
        step[i] = h
        up, down = (function(activation(Z + s), t) for s in (step, -step))
        wanted[i] = (up - down) / (2 * h)
    np.testing.assert_allclose(slope.get(), wanted, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_large_logits_stay_finite(make_backend: Any, dtype: str) -> None:
    be = make_backend(dtype=dtype)
    y = be.array(np.array([[200.0, -200.0], [-200.0, 200.0]]))
    t = be.array(np.array([[1.0, 1.0], [0.0, 0.0]]))
    value, slope = be.empty((1, 2)), be.empty((2, 2))
    for cost, wanted in ((SoftmaxCrossEntropy(), [0, 400]), (LogisticCrossEntropy(), [0, 400])):
        value[:] = cost(y, t)
        np.testing.assert_allclose(value.get()[0], wanted)
        slope[:] = cost.bprop(y, t)
        np.testing.assert_allclose(slope.get(), [[0, -1], [0, 1]], atol=1e-6)


def test_logits_train_as_a_softmax_layer_does(make_backend: Any) -> None:
    from neonport.callbacks import Callbacks
    from neonport.data import ArrayIterator
    from neonport.initializers import Gaussian
    from neonport.layers import Affine, GeneralizedCost
    from neonport.models import Model
    from neonport.optimizers import GradientDescentMomentum

    costs = []
    for activation, cost in ((Softmax(), CrossEntropyMulti()), (None, SoftmaxCrossEntropy())):
        make_backend(batch_size=8, rng_seed=1)
        x, labels = np.random.RandomState(2).rand(24, 5), np.arange(24) % 3
        model = Model([Affine(3, Gaussian(), activation=activation)])
        history = model.fit(
            ArrayIterator(x, labels, nclass=3),
            GeneralizedCost(cost),
            GradientDescentMomentum(0.5, 0.9),
            num_epochs=3,
            callbacks=Callbacks(model, progress_bar=False),
        )
        costs.append(history["cost"])
    np.testing.assert_allclose(*costs, rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "cost", "words"),
    [
        (Softmax(), SoftmaxCrossEntropy(), "leave the activation"),
        (Logistic(), LogisticCrossEntropy(), "leave the activation"),
        (Softmax(), Huber(), "leaves out its derivative"),
        (Softmax(), MeanAbsolute(), "leaves out its derivative"),
        (Logistic(), KLDivergence(), "gradient of a Softmax output"),
        (Logistic(), ClassWeighted(CrossEntropyBinary(), [1]), r"use Logistic\(shortcut=True\)"),
    ],
)
def test_activations_that_do_not_belong_there(activation: Any, cost: Any, words: str) -> None:
    found = shortcut_warning(activation, cost)
    assert found is not None
    assert words.replace("\\", "") in found


def test_activations_that_do() -> None:
    assert shortcut_warning(None, SoftmaxCrossEntropy()) is None
    assert shortcut_warning(Softmax(), KLDivergence()) is None
    assert shortcut_warning(Softmax(), ClassWeighted(CrossEntropyMulti(), [1, 2])) is None


def test_descriptions_come_back() -> None:
    for cost in (
        Huber(2),
        SoftmaxCrossEntropy(0.1),
        CrossEntropyMulti(label_smoothing=0.1),
        ClassWeighted(Huber(3), [1, 2]),
    ):
        description = cost.get_description()
        again = type(cost).gen_class(description["config"])
        assert again.get_description() == description


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Huber(0), "delta=0 must be above 0"),
        (lambda: SoftmaxCrossEntropy(1), r"label_smoothing=1 must be in \[0, 1\)"),
        (lambda: CrossEntropyMulti(label_smoothing=-0.1), "label_smoothing=-0.1"),
        (lambda: LogisticCrossEntropy("a"), "label_smoothing='a'"),  # type: ignore[arg-type]
        (lambda: ClassWeighted(Huber, [1]), "class Huber"),  # type: ignore[arg-type]
        (lambda: ClassWeighted(Softmax(), [1]), "a Softmax, not a cost"),  # type: ignore[arg-type]
        (lambda: ClassWeighted(Huber(), [-1, 2]), "weights="),
        (lambda: ClassWeighted(Huber(), []), "weights="),
        (lambda: ClassWeighted(Huber(), "ab"), "weights="),  # type: ignore[arg-type]
        (lambda: ClassWeighted(Huber(), 3), "weights="),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_named(make: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_weights_fit_the_classes(be: Any) -> None:
    with pytest.raises(ShapeError, match=r"2 weights for predictions of shape \(4, 5\)"):
        ClassWeighted(CrossEntropyMulti(), [1, 2])(be.array(softmax(Z)), be.array(HOT))
