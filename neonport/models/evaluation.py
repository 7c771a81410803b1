"""Metrics and outputs over a whole dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import numpy as np

from neonport.callbacks.cost import LossCallback
from neonport.data.dataiterator import in_order
from neonport.data.rows.extent import batch_extent
from neonport.errors import ConfigurationError
from neonport.foundation.turns import in_turn
from neonport.layers.containers.merge_broadcast import MergeMultistream
from neonport.layers.linear import Linear
from neonport.layers.recurrent.stateful import StatefulLayer
from neonport.models.array_data import input_rows, inputs_iterator
from neonport.models.state import Network


class EvalResult(np.ndarray):
    """Array that converts to a number when it holds one, also after arithmetic.

    Scripts print `"%.1f" % (model.eval(...) * 100)`; NumPy 2.4 refuses that for 1-D arrays.
    """

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())


@in_turn
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


@in_turn
def outputs(model: Network, dataset: Any, memories: Sequence[Any] = ()) -> Any:
    """See `Model.get_outputs`.

    Args:
        model: the model.
        dataset: data iterator.
        memories: layers that forget before each minibatch what they carry to the next one.
    """
    model.initialize(dataset)
    size, batches = model.be.bsz, []
    several = False
    for x, _ in in_order(dataset):
        for layer in memories:
            layer.reset_state()
        y = model.fprop(x, inference=True)
        several = isinstance(y, (list, tuple))
        batches.append([samples_first(part, size) for part in _leaves(y)])
    if not batches:
        raise ConfigurationError("get_outputs got no batch from the dataset: is it empty?")
    found = [joined(parts, dataset.ndata) for parts in zip(*batches, strict=True)]
    return found if several else found[0]


def _leaves(outputs: Any) -> Iterator[Any]:
    """The output tensors of a model in order, also of a tree in a tree."""
    if isinstance(outputs, (list, tuple)):
        for part in outputs:
            yield from _leaves(part)
    else:
        yield outputs


def samples_first(y: Any, size: int) -> np.ndarray:
    """An output as an array (samples, time steps, features)."""
    host = y.get()
    if host.dtype.itemsize < y.backend.default_dtype.itemsize:  # of a fit(precision=...)
        host = host.astype(y.backend.default_dtype)
    features, steps = host.shape[0], host.shape[1] // size
    turned: np.ndarray = host.reshape(features, steps, size).transpose(2, 1, 0)
    return turned


def joined(batches: Sequence[np.ndarray], samples: int) -> np.ndarray:
    """The first `samples` of the batches, without the axis of time if there is one step."""
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
    for layer in layers.layers_fprop():
        if isinstance(layer, MergeMultistream):
            return None  # there are several inputs
        if not hasattr(layer, "layers"):
            loaded = isinstance(layer, Linear) and layer.W is not None
            return int(layer.W.shape[1]) if loaded else None
    return None


@in_turn
def predict(model: Network, X: Any, in_shape: Any) -> Any:
    """See `Model.predict`.

    Args:
        model: the model.
        X: array or list of arrays.
        in_shape: logical shape of a sample as the model knows it, None if it does not yet.
    """
    alone = getattr(model.layers, "inference_shape", None)  # where inference reads one input of two
    if alone is not None and not isinstance(X, (list, tuple)):
        in_shape = alone
    data = inputs_iterator(model, *input_rows("predict", X, in_shape))
    model.initialize(data)
    memories = [m for m in model.layers.layers_fprop() if isinstance(m, StatefulLayer)]
    with ExitStack() as stack:
        for layer in memories:
            stack.enter_context(layer.state_apart())
        return outputs(model, data, memories)


@in_turn
def costs_and_metrics(model: Network, dataset: Any, metrics: Any) -> dict[str, float]:
    """See `Model.evaluate`."""
    found: dict[str, float] = {}
    if model.cost is not None:
        found["cost"] = LossCallback(dataset).get_loss(model)
    for metric in metrics:
        values = evaluate(model, dataset, metric, strict=False)
        found.update(zip(metric.metric_names, values.tolist(), strict=True))
    return found


@in_turn
def activations(model: Network, dataset: Any, layers: dict[str, Any]) -> dict[str, np.ndarray]:
    """Outputs of layers for a whole dataset; see `Model.activations`.

    Args:
        model: the model.
        dataset: data iterator.
        layers: the layers by the names to return.
    """
    model.initialize(dataset)
    batches: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(_keeping(layer, batches[name], model.be.bsz))
        for x, _ in in_order(dataset):
            model.fprop(x, inference=True)
    return {
        name: _as_shape(parts, dataset.ndata, layers[name])
        for name, parts in batches.items()
        if parts  # paths that only help to train do not run
    }


def _as_shape(batches: list[np.ndarray], samples: int, layer: Any) -> np.ndarray:
    """Outputs (samples, features), (samples, steps, features) or (samples, *shape of images)."""
    found = joined(tuple(batches), samples)
    shape = layer.out_shape
    return found.reshape(-1, *shape) if isinstance(shape, tuple) and len(shape) > 2 else found


@contextmanager
def _keeping(layer: Any, batches: list[np.ndarray], size: int) -> Iterator[None]:
    """Keep what a layer returns; a layer above may work in the same buffer, so it is copied."""
    fprop = layer.fprop

    @wraps(fprop)
    def kept(*args: Any, **kwargs: Any) -> Any:
        y = fprop(*args, **kwargs)
        if isinstance(y, (list, tuple)):
            raise ConfigurationError(
                f"activations: the layer {layer.name} has {len(y)} outputs, one array holds one; "
                "ask for other layers"
            )
        batches.append(samples_first(y, size))
        return y

    layer.fprop = kept
    try:
        yield
    finally:
        del layer.fprop
