"""Arrays before they become minibatches: held-out samples, weights of classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neonport.data.checks import numbers
from neonport.data.rows.row_order import RowOrder
from neonport.errors import ConfigurationError, ShapeError


class Split(NamedTuple):
    """Samples and targets for training, and the held-out ones for validation."""

    train_x: np.ndarray
    train_y: np.ndarray
    valid_x: np.ndarray
    valid_y: np.ndarray


def train_validation_split(
    X: Any, y: Any, validation: float = 0.2, seed: int = 0, stratify: bool = False
) -> Split:
    """Hold samples out, chosen at random: the same ones for the same seed.

    Args:
        X: array with one sample a row.
        y: targets, one row a sample.
        validation: share of the samples that is held out, between 0 and 1.
        seed: of the choice.
        stratify: hold the share out of each class; `y` are labels then.

    Returns:
        (train_x, train_y, valid_x, valid_y), shuffled.

    Raises:
        ShapeError: X and y have not the same length.
        ConfigurationError: a share that leaves one of both without samples, or a bad seed.

    Example:
        x, labels = np.random.rand(50, 3), np.arange(50) % 2
        split = train_validation_split(x, labels, validation=0.2, stratify=True)
        assert len(split.train_x) == 40 and list(np.bincount(split.valid_y)) == [5, 5]
    """
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y):
        raise ShapeError(
            f"train_validation_split: X of shape {X.shape} and y of shape {y.shape} must have one "
            "row a sample each"
        )
    try:
        share = float(validation)
    except (TypeError, ValueError):
        share = 0.0
    if not 0 < share < 1:
        raise ConfigurationError(
            f"train_validation_split: validation={validation!r} must be a share between 0 and 1"
        )
    order = RowOrder(len(X), seed).rows_of(0)
    if stratify:
        labels = y.reshape(len(y), -1)
        if labels.shape[1] != 1:
            raise ShapeError(
                f"train_validation_split: stratify needs one label a sample, y has shape {y.shape}"
            )
        groups = [order[labels[order, 0] == label] for label in np.unique(labels)]
        counts = [round(share * len(group)) for group in groups]
        chosen = np.concatenate([g[:n] for g, n in zip(groups, counts, strict=True)] or [order])
        held = order[np.isin(order, chosen)]
    else:
        held = order[: round(share * len(X))]
    kept = order[~np.isin(order, held)]
    if not len(held) or not len(kept):
        raise ConfigurationError(
            f"train_validation_split: {len(X)} samples leave {len(kept)} for training and "
            f"{len(held)} for validation={validation}; choose another share"
        )
    return Split(X[kept], y[kept], X[held], y[held])


def class_weights(labels: Any, nclass: int | None = None) -> np.ndarray:
    """Weights for `ClassWeighted` by which all classes count alike: samples / (classes * count).

    The formula is scikit-learn's "balanced" (after King and Zeng, 2001).

    Args:
        labels: whole numbers from 0, any shape.
        nclass: number of classes; None takes the largest label plus 1.

    Returns:
        float64 (nclass,); a class without samples has weight 0.

    Raises:
        ConfigurationError: no labels, or numbers that are no classes.
        DtypeError: labels that are text.

    Example:
        assert (class_weights([0, 0, 0, 1]) == [4 / 6, 2]).all()
    """
    found = numbers("class_weights", "y", labels).ravel()
    whole = found.size and np.isfinite(found).all() and (found == np.floor(found)).all()
    if not whole or found.min() < 0 or (nclass is not None and found.max() >= nclass):
        raise ConfigurationError(
            "class_weights: labels must be whole numbers from 0"
            + ("" if nclass is None else f" to {nclass - 1}")
        )
    counts = np.bincount(found.astype(np.int64), minlength=nclass or 0)
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = found.size / (present.sum() * counts[present])
    return weights
