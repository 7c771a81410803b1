"""Arrays as they come, samples first, as data iterators for a model."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from neonport.base import shown
from neonport.data.checks import check_weights, numbers
from neonport.data.dataiterator import ArrayIterator
from neonport.data.sources.several_targets import SeveralTargets
from neonport.errors import ConfigurationError, ShapeError
from neonport.layers.cost import GeneralizedCost, SampleWeightedCost
from neonport.layers.shapes import interpret_in_shape, is_flat
from neonport.models.state import Network

Rows = tuple[list[np.ndarray], list[Any]]


def input_rows(call: str, X: Any, in_shape: Any) -> Rows:
    """Inputs as one row a sample, and the logical shape of each.

    Args:
        call: names the method in errors.
        X: array (samples, features), (samples, steps, features) of sequences or (samples, *shape of
            a sample); a list of arrays for several inputs.
        in_shape: what the model was made for, a list for several inputs; None if that is open.

    Raises:
        ShapeError: X has no row a sample, or not the model's shape.
        ConfigurationError: another number of inputs than the model has.
        DtypeError: X holds no numbers.
    """
    many = isinstance(X, (list, tuple)) and any(np.ndim(x) > 1 for x in X)
    arrays = [numbers(call, "X", x) for x in (X if many else [X])]
    if in_shape is None:
        wanted: list[Any] = [None] * len(arrays)
    else:
        wanted = [in_shape] if is_flat(in_shape) else list(in_shape)
    if len(arrays) != len(wanted):
        raise ConfigurationError(
            f"{call}: X holds {len(arrays)} inputs, the model has {len(wanted)} (shapes "
            f"{in_shape}); give a list with one array for each"
        )
    found = [_rows(call, x, shape) for x, shape in zip(arrays, wanted, strict=True)]
    if len({len(rows) for rows, _ in found}) > 1:
        raise ShapeError(
            f"{call}: the inputs have {[len(rows) for rows, _ in found]} samples; give as many of "
            "each"
        )
    return [rows for rows, _ in found], [shape for _, shape in found]


def _rows(call: str, x: np.ndarray, wanted: Any) -> tuple[np.ndarray, Any]:
    if x.ndim < 2:
        raise ShapeError(
            f"{call}: X has shape {x.shape}, but needs one row a sample; a single sample "
            "is x.reshape(1, -1)"
        )
    if not len(x):
        raise ConfigurationError(f"{call}: X holds no samples; was a file or a selection empty?")
    sequence = x.ndim == 3 and (wanted is None or (isinstance(wanted, tuple) and len(wanted) == 2))
    if sequence:  # features down, steps across
        x = np.swapaxes(x, 1, 2)
    rows = x.reshape(len(x), prod(x.shape[1:]))
    if wanted is None:
        return rows, rows.shape[1] if x.ndim == 2 else x.shape[1:]
    if rows.shape[1] != int(np.prod(wanted)):
        raise ShapeError(
            f"{call}: the samples of X have {rows.shape[1]} numbers, the model was made for "
            f"{int(np.prod(wanted))} (shape {wanted})"
        )
    if sequence and x.shape[1:] != tuple(wanted):
        raise ShapeError(
            f"{call}: X has {x.shape[2]} steps of {x.shape[1]} features, the model was made for "
            f"{wanted[1]} steps of {wanted[0]}; X of sequences is (samples, steps, features)"
        )
    return rows, wanted


def inputs_iterator(model: Network, rows: list[np.ndarray], shapes: list[Any]) -> ArrayIterator:
    """An iterator over inputs alone."""
    return ArrayIterator(_given(rows), lshape=_given(shapes), be=model.be)


def _given(values: list[Any]) -> Any:
    """Inputs or their shapes as layers and iterators take them: one, or a list of several."""
    return values if len(values) > 1 else values[0]


def data_iterator(
    call: str, model: Network, X: Any, y: Any, shuffle: bool = False, weights: Any = None
) -> ArrayIterator:
    """An iterator over inputs and targets, made for a model; that is configured if it was not.

    Args:
        call: names the method in errors.
        model: the model.
        X: see `input_rows`.
        y: labels, where the model has several outputs; else targets of the shape of the outputs,
            of sequences (samples, steps) or (samples, steps, features). A list of them for several
            outputs, None for the inputs.
        shuffle: go through the samples in another order in each pass.
        weights: one number a sample, or None.

    Raises:
        ShapeError, DtypeError, ConfigurationError: naming what does not fit.
    """
    in_shape = model.data_shape if model.initialized else None
    rows, shapes = input_rows(call, X, in_shape)
    model.configure(_given(shapes))
    given: dict[str, Any] = {"lshape": _given(shapes), "be": model.be, "shuffle": shuffle}
    out_shape = model.layers.out_shape
    if y is not None and not is_flat(out_shape):
        return SeveralTargets(
            _given(rows), *_of_each_output(call, y, len(rows[0]), out_shape), **given
        )
    targets = {} if y is None else _targets(call, y, len(rows[0]), out_shape)
    return ArrayIterator(_given(rows), weights=weights, **given, **targets)


def _of_each_output(
    call: str, y: Any, samples: int, out_shapes: Any
) -> tuple[list[np.ndarray], list[Any]]:
    """Targets of all outputs as rows, and the logical shapes of those that are sequences."""
    flat = isinstance(out_shapes, list) and all(map(is_flat, out_shapes))
    if not flat or not isinstance(y, (list, tuple)) or len(y) != len(out_shapes):
        raise ConfigurationError(
            f"{call}: the model has several outputs (shapes {out_shapes}), and y is {shown(y)}; "
            "give a list with the targets of each, or a data iterator"
        )
    targets, shapes = [], []
    for part, shape in zip(y, out_shapes, strict=True):
        found = _targets(call, part, samples, shape)
        nclass = found.get("nclass")
        rows = found["y"] if nclass is None else _one_hot(call, found["y"], nclass)
        targets.append(rows)
        shapes.append(found.get("target_shape"))
    return targets, shapes


def _targets(call: str, y: Any, samples: int, out_shape: Any) -> dict[str, Any]:
    """Arguments of `ArrayIterator` for the targets of a model with these outputs."""
    features, steps = interpret_in_shape(out_shape)
    y = numbers(call, "y", y)
    if not y.ndim or len(y) != samples:
        raise ShapeError(
            f"{call}: {samples} samples but {len(y) if y.ndim else 1} targets (shape {y.shape}); "
            "give one row a sample"
        )
    if steps > 1:
        y = _sequences(call, y, features, steps)
        return {"y": y, "make_onehot": False, "target_shape": (features, steps)}
    size = prod(y.shape[1:])
    if features > 1 and size == 1:
        return {"y": y.reshape(-1, 1), "nclass": features}
    if size != features:
        raise ShapeError(
            f"{call}: y has {size} numbers a sample (shape {y.shape}), the model {features} "
            "outputs; give that many, or for classes one label a sample"
        )
    return {"y": y.reshape(samples, size), "make_onehot": False}


def _sequences(call: str, y: np.ndarray, features: int, steps: int) -> np.ndarray:
    """Targets of sequences as rows: the steps of feature 0, then those of feature 1."""
    if y.ndim == 2 and features > 1 and y.shape[1] == steps:
        y = _one_hot(call, y[..., None], features)
    elif y.ndim == 2 and features == 1:
        y = y[..., None]
    if y.ndim != 3 or y.shape[1:] != (steps, features):
        raise ShapeError(
            f"{call}: y has shape {y.shape}, the model gives {steps} steps of {features} features "
            f"a sample; give (samples, {steps}) or (samples, {steps}, {features}). If samples are "
            "no sequences, give them as rows or with 3 axes or more: X.reshape(len(X), -1)"
        )
    return np.swapaxes(y, 1, 2).reshape(len(y), features * steps)


def _one_hot(call: str, labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels (..., 1) as (..., classes).

    Raises:
        ConfigurationError: they are not 0 to classes - 1.
    """
    if labels.min() < 0 or labels.max() >= classes or np.any(labels != np.floor(labels)):
        raise ConfigurationError(
            f"{call}: labels must be whole numbers 0..{classes - 1}, found "
            f"{labels.min()}..{labels.max()}"
        )
    return np.equal(labels, np.arange(classes)).astype(np.float32)


def sample_weights(call: str, y: Any, class_weight: Any, sample_weight: Any) -> np.ndarray | None:
    """The weight of each sample, (samples,): that of its class times its own; None for no weights.

    Args:
        call: names the method in errors.
        y: targets; labels where `class_weight` is given.
        class_weight: weight of each class, a dict (1 for classes it lacks) or a list.
        sample_weight: one number a sample.

    Raises:
        ShapeError: targets that are no labels, or another number of weights.
        ConfigurationError: a weight that is negative or not finite, or missing in a list.
        DtypeError: weights that are no numbers.
    """
    if class_weight is None and sample_weight is None:
        return None
    labels = numbers(call, "y", y)
    samples = len(labels) if labels.ndim else 1
    weights = np.ones(samples)
    if sample_weight is not None:
        weights = check_weights(call, sample_weight, samples, 1)[:, 0].astype(np.float64)
    if class_weight is None:
        return weights
    if labels.size != samples or np.any(labels != np.floor(labels)):
        raise ShapeError(
            f"{call}: class_weight needs one label a sample, whole numbers; y has shape "
            f"{labels.shape}"
        )
    labels = labels.reshape(-1).astype(np.int64)
    if isinstance(class_weight, dict):
        table = {label: class_weight.get(label, 1.0) for label in np.unique(labels).tolist()}
    else:
        listed = numbers(call, "class_weight", class_weight).reshape(-1)
        if len(labels) and (labels.min() < 0 or labels.max() >= len(listed)):
            raise ConfigurationError(
                f"{call}: class_weight has {len(listed)} entries, y holds the label "
                f"{labels.max()}; give one for each class, or a dict"
            )
        table = dict(enumerate(listed.tolist()))
    each = np.array([table[label] for label in labels.tolist()])
    return weights * check_weights(f"{call}: class_weight", each, samples, 1)[:, 0]


def weighted(call: str, cost: Any, before: Any) -> SampleWeightedCost:
    """A cost layer that knows weights, with the cost function of another one.

    Args:
        call: names the method in errors.
        cost: the cost layer.
        before: that of the last training, which is taken if it is such a one.

    Raises:
        ConfigurationError: the cost layer is of a kind that has no weights.
    """
    if isinstance(cost, SampleWeightedCost):
        return cost
    if isinstance(before, SampleWeightedCost) and before.costfunc is getattr(cost, "costfunc", 0):
        return before
    if type(cost) is not GeneralizedCost:
        raise ConfigurationError(
            f"{call}: class_weight and sample_weight need a GeneralizedCost, not {shown(cost)}"
        )
    return SampleWeightedCost(cost.costfunc)
