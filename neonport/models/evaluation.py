"""Metrics and outputs over a whole dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.data.dataiterator import in_order
from neonport.data.extent import batch_extent
from neonport.errors import ConfigurationError
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
    if isinstance(metric, type):
        raise ConfigurationError(f"eval needs an instance: {metric.__name__}(), not the class")
    model.initialize(dataset)
    total = np.zeros(len(metric.metric_names))
    seen = weight = 0
    for x, t in in_order(dataset):
        y = model.fprop(x, inference=True)
        samples, steps = batch_extent(y, model.be.bsz, dataset.ndata - seen)
        if not samples:
            break
        value = _metric_value(metric, y, t, samples, steps, model.be.bsz, strict)
        total += value * (samples * steps)
        weight += samples * steps
        seen += samples
    if not weight:
        raise ConfigurationError("eval got no batch from the dataset: is it empty?")
    return (total / weight).astype(np.float32).view(EvalResult)


def _metric_value(
    metric: Any, y: Any, t: Any, samples: int, steps: int, batch_size: int, strict: bool
) -> np.ndarray:
    if strict and steps > 1 and samples < batch_size:
        # Columns run over all samples of step 0, then of step 1: take the real samples of each.
        starts = range(0, steps * batch_size, batch_size)
        values = [metric(y, t, calcrange=slice(start, start + samples)) for start in starts]
        return np.mean([np.ravel(value) for value in values], axis=0)
    return np.ravel(metric(y, t, calcrange=slice(0, steps * samples)))


def outputs(model: Network, dataset: Any) -> np.ndarray:
    """See `Model.get_outputs`."""
    model.initialize(dataset)
    batches = []
    for x, _ in in_order(dataset):
        y = model.fprop(x, inference=True)
        if isinstance(y, (list, tuple)):
            raise ConfigurationError(
                "get_outputs needs a model with one output; of a tree call fprop for each batch"
            )
        host = y.get()
        features, steps = host.shape[0], host.shape[1] // model.be.bsz
        batches.append(host.reshape(features, steps, model.be.bsz).transpose(2, 1, 0))
    if not batches:
        raise ConfigurationError("get_outputs got no batch from the dataset: is it empty?")
    result = np.concatenate(batches)[: dataset.ndata]
    return np.ascontiguousarray(result[:, 0] if result.shape[1] == 1 else result)
