"""The digits data set: real images, a fixed split, clear words when scikit-learn is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.data import Digits
from neonport.errors import ConfigurationError

pytest.importorskip("sklearn")


def test_split_is_fixed_and_complete() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    np.random.seed(5)
    (x, y), (held_x, held_y), nclass = Digits(normalize=False).load_data()
    np.random.seed(6)
    (again, _), _, _ = Digits(normalize=False).load_data()
    np.testing.assert_array_equal(x, again)
    assert (nclass, x.shape, held_x.shape) == (10, (1438, 64), (359, 64))
    both = np.concatenate([x, held_x])
    order = np.lexsort(both.T)
    reference = (images / 16).astype(np.float32)
    reference_order = np.lexsort(reference.T)
    np.testing.assert_array_equal(both[order], reference[reference_order])
    np.testing.assert_array_equal(np.concatenate([y, held_y])[order], labels[reference_order])
    assert np.bincount(held_y, minlength=10).min() > 20  # every digit is held out some times


def test_normalisation_uses_training_images_only() -> None:
    (x, _), (held_x, _), _ = Digits(normalize=False).load_data()
    (n, _), (held_n, _), _ = Digits().load_data()
    np.testing.assert_allclose(n.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(held_n, held_x - x.mean(axis=0), atol=1e-6)
    assert n.dtype == np.float32


def test_iterators(make_backend: Callable[..., Any]) -> None:
    be = make_backend(batch_size=32)
    data = Digits()
    assert data.train_iter is data.train_iter
    assert (data.train_iter.ndata, data.valid_iter.ndata) == (1438, 359)
    assert data.train_iter.shape == (1, 8, 8)
    (x, y), _, _ = data.load_data()
    first, labels = next(iter(data.train_iter))
    np.testing.assert_array_equal(first.get(), x[: be.bsz].T)
    np.testing.assert_array_equal(labels.get().argmax(axis=0), y[: be.bsz])
    assert data.train_iter.name == "train"


def test_missing_scikit_learn_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ConfigurationError, match=r"neonport\[demo\]"):
        Digits().load_data()
