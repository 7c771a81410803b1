"""Held-out samples and class weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.data import class_weights, train_validation_split
from neonport.errors import ConfigurationError, DtypeError, ShapeError

X = np.arange(60).reshape(30, 2)
LABELS = np.array([0] * 20 + [1] * 10)


@pytest.mark.parametrize("stratify", [False, True])
def test_each_sample_is_on_one_side_with_its_target(stratify: bool) -> None:
    split = train_validation_split(X, LABELS, validation=0.3, seed=1, stratify=stratify)
    assert (len(split.train_x), len(split.valid_x)) == (21, 9)
    rows = np.concatenate([split.train_x, split.valid_x])
    assert sorted(map(tuple, rows)) == list(map(tuple, X))
    for x, y in ((split.train_x, split.train_y), (split.valid_x, split.valid_y)):
        np.testing.assert_array_equal(y, LABELS[x[:, 0] // 2])
        assert (np.diff(x[:, 0]) < 0).any()  # shuffled
    if stratify:
        np.testing.assert_array_equal(np.bincount(split.valid_y), [6, 3])


def test_the_seed_decides() -> None:
    one, same, other = (train_validation_split(X, X, seed=s).valid_x for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        ((X, LABELS[:5]), ShapeError, r"\(30, 2\) and y of shape \(5,\)"),
        ((X, LABELS, 0), ConfigurationError, "validation=0 "),
        ((X, LABELS, 1.5), ConfigurationError, "validation=1.5"),
        ((X, LABELS, "a"), ConfigurationError, "validation='a'"),
        ((X[:2], LABELS[:2], 0.01), ConfigurationError, "2 for training and 0"),
        ((X, LABELS, 0.2, "a"), ConfigurationError, "seed='a'"),
        ((X, X, 0.2, 0, True), ShapeError, "one label a sample"),
    ],
)
def test_mistakes_of_a_split(args: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        train_validation_split(*args)


def test_weights_make_classes_count_alike() -> None:
    labels = np.array([0] * 6 + [2] * 3 + [3])
    weights = class_weights(labels)
    np.testing.assert_allclose(weights, [10 / 18, 0, 10 / 9, 10 / 3])
    assert len(class_weights(labels, nclass=6)) == 6
    np.testing.assert_allclose(class_weights(labels.reshape(-1, 1)), weights)


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (([-1, 0],), ConfigurationError, "whole numbers"),
        (([0.5],), ConfigurationError, "whole numbers"),
        (([0, 3], 3), ConfigurationError, "to 2"),
        (([],), ConfigurationError, "whole numbers"),
        ((["a", "b"],), DtypeError, "text"),
    ],
)
def test_mistakes_of_weights(args: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        class_weights(*args)
