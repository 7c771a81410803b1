"""Metrics and outputs over a whole dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from neonport.data.checks import numbers
from neonport.data.dataiterator import ArrayIterator, in_order
from neonport.data.extent import batch_extent
from neonport.errors import ConfigurationError, ShapeError
from neonport.layers.linear import Linear
from neonport.models.state import Network


class EvalResult(np.ndarray):
    """Array that converts to a number when it holds one, also after arithmetic.

    Scripts print `"%.1f" % (model.eval(...) * 100)`; NumPy 2.4 refuses that for 1-D arrays.
    """

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())


def evaluate(model: Network, dataset: Any, metric: Any, strict: bool) -> EvalResult:
    """See `Model.eval`."""
    model.initialize(dataset)
    if getattr(metric, "whole_dataset", False):
        result = np.ravel(metric.values(*_all_columns(model, dataset, metric)))
    else:
        result = _mean_over_batches(model, dataset, metric, strict)
    return result.astype(np.float32).view(EvalResult)


def _extents(model: Network, dataset: Any) -> Iterator[tuple[Any, Any, int, int]]:
    """Yield output, targets, real samples and time steps of each minibatch.

    Raises:
        ConfigurationError: there is none.
    """
    seen = 0
    for x, t in in_order(dataset):
        y = model.fprop(x, inference=True)
        samples, steps = batch_extent(y, model.be.bsz, dataset.ndata - seen)
        if not samples:
            break
        yield y, t, samples, steps
        seen += samples
    if not seen:
        raise ConfigurationError("eval got no batch from the dataset: is it empty?")


def _mean_over_batches(model: Network, dataset: Any, metric: Any, strict: bool) -> np.ndarray:
    total = np.zeros(len(metric.metric_names))
    weight = 0
    for y, t, samples, steps in _extents(model, dataset):
        value = _metric_value(metric, y, t, samples, steps, model.be.bsz, strict)
        total += value * (samples * steps)
        weight += samples * steps
    return total / weight


def _all_columns(model: Network, dataset: Any, metric: Any) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and targets of all real samples, on the host."""
    batches = []
    for y, t, samples, steps in _extents(model, dataset):
        real = [step * model.be.bsz + n for step in range(steps) for n in range(samples)]
        batches.append([part[:, real] for part in metric.columns(y, t)])
    found, true = (np.concatenate(parts, axis=1) for parts in zip(*batches, strict=True))
    return found, true


def _metric_value(
    metric: Any, y: Any, t: Any, samples: int, steps: int, batch_size: int, strict: bool
) -> np.ndarray:
    if strict and steps > 1 and samples < batch_size:
        # Columns run over all samples of step 0, then of step 1: take the real samples of each.
        starts = range(0, steps * batch_size, batch_size)
        values = [metric(y, t, calcrange=slice(start, start + samples)) for start in starts]
        return np.mean([np.ravel(value) for value in values], axis=0)
    return np.ravel(metric(y, t, calcrange=slice(0, steps * samples)))


def outputs(model: Network, dataset: Any) -> Any:
    """See `Model.get_outputs`."""
    model.initialize(dataset)
    size, batches = model.be.bsz, []
    several = False
    for x, _ in in_order(dataset):
        y = model.fprop(x, inference=True)
        several = isinstance(y, (list, tuple))
        batches.append([_samples_first(part, size) for part in (y if several else [y])])
    if not batches:
        raise ConfigurationError("get_outputs got no batch from the dataset: is it empty?")
    found = [_joined(parts, dataset.ndata) for parts in zip(*batches, strict=True)]
    return found if several else found[0]


def _samples_first(y: Any, size: int) -> np.ndarray:
    """An output as an array (samples, time steps, features)."""
    host = y.get()
    if host.dtype.itemsize < y.backend.default_dtype.itemsize:  # of a fit(precision=...)
        host = host.astype(y.backend.default_dtype)
    features, steps = host.shape[0], host.shape[1] // size
    turned: np.ndarray = host.reshape(features, steps, size).transpose(2, 1, 0)
    return turned


def _joined(batches: tuple[np.ndarray, ...], samples: int) -> np.ndarray:
    result = np.concatenate(batches)[:samples]
    return np.ascontiguousarray(result[:, 0] if result.shape[1] == 1 else result)


def has_weights(layers: Any) -> bool:
    """Whether parameters were loaded into a container that has no buffers yet."""
    members = layers.layers_fprop()
    return any(
        getattr(layer, "W", None) is not None or getattr(layer, "parameters_loaded", False)
        for layer in members
    )


def loaded_features(layers: Any) -> int | None:
    """Inputs of a sample by the loaded weights of the first layer, if that is a Linear."""
    first = next((layer for layer in layers.layers_fprop() if not hasattr(layer, "layers")), None)
    loaded = isinstance(first, Linear) and first.W is not None
    return int(first.W.shape[1]) if loaded else None  # type: ignore[union-attr]


def predict(model: Network, X: Any, in_shape: Any) -> Any:
    """See `Model.predict`.

    Args:
        model: the model.
        X: array or list of arrays.
        in_shape: logical shape of a sample as the model knows it, None if it does not yet.
    """
    many = isinstance(X, (list, tuple)) and any(np.ndim(x) > 1 for x in X)
    arrays = [numbers("predict", "X", x) for x in (X if many else [X])]
    for array in arrays:
        if array.ndim < 2:
            raise ShapeError(
                f"predict: X has shape {array.shape}, but needs one row a sample; a single sample "
                "is x.reshape(1, -1)"
            )
    if in_shape is None:
        shapes = [x.shape[1] if x.ndim == 2 else x.shape[1:] for x in arrays]
    else:
        shapes = list(in_shape) if many else [in_shape]
    rows = [x.reshape(len(x), math.prod(x.shape[1:])) for x in arrays]
    for row, shape in zip(rows, shapes, strict=many):
        if row.shape[1] != int(np.prod(shape)):
            raise ShapeError(
                f"predict: the samples of X have {row.shape[1]} numbers, the model was made for "
                f"{int(np.prod(shape))} (shape {shape})"
            )
    dataset = ArrayIterator(rows, be=model.be)
    dataset.shape = shapes if len(shapes) > 1 else shapes[0]
    return outputs(model, dataset)
