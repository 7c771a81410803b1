"""NeonClassifier and NeonRegressor behave as scikit-learn's own estimators do."""

from __future__ import annotations

import pickle
import sys
import unittest
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_regression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from neonport.backends import gen_backend
from neonport.errors import ConfigurationError
from neonport.initializers import GlorotUniform
from neonport.layers import Affine
from neonport.optimizers import GradientDescentMomentum
from neonport.sklearn import NeonClassifier, NeonRegressor
from neonport.transforms import Tanh

QUICK = {"hidden": (20,), "num_epochs": 70, "learning_rate": 0.02}
# scikit-learn leaves a check out where these are missing; both are about kinds of arrays
LEFT_OUT = ("pandas is not installed", "SCIPY_ARRAY_API is not set")


@parametrize_with_checks([NeonClassifier(**QUICK), NeonRegressor(**QUICK)])
def test_check_estimator(estimator: Any, check: Callable[..., Any]) -> None:
    reason = ""
    try:
        check(estimator)
    except unittest.SkipTest as skip:
        reason = str(skip)
    assert not reason or any(words in reason for words in LEFT_OUT)


def few(samples: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(0)
    labels = rng.randint(3, size=samples)
    return rng.rand(samples, 4) + labels[:, None] * 0.5, np.array(["a", "b", "c"])[labels]


def test_digits_in_a_pipeline_and_a_search() -> None:
    X, y = load_digits(return_X_y=True)
    train_X, test_X, train_y, test_y = train_test_split(X[:600], y[:600], random_state=0)
    network = NeonClassifier((30,), num_epochs=30, batch_size=64, random_state=0, dtype="float32")
    pipeline = make_pipeline(StandardScaler(), network)
    search = GridSearchCV(pipeline, {"neonclassifier__learning_rate": [1e-6, 0.01]}, cv=2)
    search.fit(train_X, train_y)
    assert search.best_params_ == {"neonclassifier__learning_rate": 0.01}
    assert search.score(test_X, test_y) > 0.9


def test_on_a_backend(backend_name: str) -> None:
    X, y = few()
    X = X.astype(np.float32)
    wanted = NeonClassifier(**QUICK, random_state=0).fit(X, y)
    found = NeonClassifier(**QUICK, random_state=0, backend=backend_name).fit(X, y)
    assert found.model_.be.backend_name == backend_name
    assert found.model_.be.default_dtype == np.float32
    np.testing.assert_allclose(found.predict_proba(X), wanted.predict_proba(X), atol=0.05)
    numbers = NeonRegressor(**QUICK, random_state=0, backend=backend_name).fit(X, X[:, :2])
    assert numbers.score(X, X[:, :2]) > 0.9


def test_several_outputs() -> None:
    X, Y = make_regression(80, 5, n_targets=2, random_state=0)
    Y = (Y / 100).astype(np.float32)
    found = NeonRegressor(**QUICK, random_state=0).fit(X, Y)
    assert found.predict(X).shape == (80, 2)
    assert found.score(X, Y) > 0.9
    assert found.history_["cost"][-1] < found.history_["cost"][0]


@pytest.mark.parametrize("make", [NeonClassifier, NeonRegressor])
def test_pickled_in_the_midst_it_goes_on_to_the_same_bits(make: Any) -> None:
    X, y = few()
    numbers = np.unique(y, return_inverse=True)[1]
    kwargs = {"classes": ["a", "b", "c"]} if make is NeonClassifier else {}
    y = y if make is NeonClassifier else numbers.astype(float)
    one = make((10,), random_state=0, batch_size=16).partial_fit(X, y, **kwargs)
    two = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(two.predict(X), one.predict(X))
    for part in (slice(0, 30), slice(30, 36), slice(0, 60)):
        one.partial_fit(X[part], y[part])
        two.partial_fit(X[part], y[part])
    np.testing.assert_array_equal(two.predict(X), one.predict(X))
    for name, value in one.model_.get_weights().items():
        np.testing.assert_array_equal(two.model_.get_weights()[name], value)
    assert two.n_iter_ == 4
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(two))))  # never made in between
    np.testing.assert_array_equal(again.predict(X), one.predict(X))


def test_weights_of_samples_and_classes() -> None:
    X, y = few()
    few_a = y != "a"
    plain = NeonClassifier(**QUICK, random_state=0)
    left = clone(plain).fit(X, y, sample_weight=few_a.astype(float))
    assert "a" not in left.predict(X)
    by_class = clone(plain).set_params(class_weight={"a": 0.0, "b": 1, "c": 1}).fit(X, y)
    np.testing.assert_array_equal(by_class.predict_proba(X), left.predict_proba(X))
    balanced = clone(plain).set_params(class_weight="balanced").fit(X, y)
    assert balanced.score(X, y) > 0.7
    with pytest.raises(ConfigurationError, match="weights of all samples are 0"):
        clone(plain).set_params(class_weight=dict.fromkeys("abc", 0)).fit(X, y)
    with pytest.raises(ValueError, match="from 0 on"):
        plain.fit(X, y, sample_weight=-np.ones(60))


def wide(outputs: int) -> list[Any]:
    """Layers of the user's."""
    return [
        Affine(8, GlorotUniform(), activation=Tanh(), name="inner"),
        Affine(outputs, GlorotUniform()),
    ]


def test_layers_and_an_optimizer_of_ones_own() -> None:
    X, y = few()
    optimizer = GradientDescentMomentum(0.1, 0.9)
    before = gen_backend("cpu", batch_size=7)
    estimator = NeonClassifier(layers=wide, optimizer=optimizer, num_epochs=40, random_state=0)
    found = clone(estimator).fit(X, y)
    assert found.score(X, y) > 0.7
    assert found.model_.activations(X, ["inner"])["inner"].shape == (60, 8)
    assert found.optimizer.get_description() == optimizer.get_description()
    assert found.model_.optimizer is not found.optimizer
    assert found.model_.be is not before
    loaded = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(loaded.predict_proba(X), found.predict_proba(X))


def test_mistakes_are_named() -> None:
    X, y = few()
    plain = NeonClassifier(**QUICK)
    with pytest.raises(ConfigurationError, match="first partial_fit needs classes"):
        plain.partial_fit(X, y)
    plain.partial_fit(X, y, classes=["a", "b", "c"])
    with pytest.raises(ConfigurationError, match=r"are not those of the first"):
        plain.partial_fit(X, y, classes=["a", "b"])
    with pytest.raises(ConfigurationError, match=r"y holds .*'z'"):
        plain.partial_fit(X, np.full(60, "z"))
    with pytest.raises(ConfigurationError, match="batch_size=0 must be"):
        NeonRegressor(batch_size=0).fit(X, X[:, 0])


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "neonport.sklearn")
    with pytest.raises(ImportError, match=r"pip install neonport\[sklearn\]"):
        import_module("neonport.sklearn")
