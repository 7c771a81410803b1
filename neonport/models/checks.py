"""Mistakes in the arguments of `Model`'s methods, each with a sentence on the way out."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from neonport.base import need_instance, shown
from neonport.callbacks.callback import Callback
from neonport.callbacks.container import Callbacks
from neonport.data.checks import check_dataset
from neonport.data.dataiterator import ArrayIterator
from neonport.data.sources.staged_iterator import StagedIterator
from neonport.errors import BackendMismatchError, ConfigurationError
from neonport.transforms.metrics import check_metric


def need_batch_size(call: str, be: Any) -> None:
    """Raise unless there is a backend with a batch size.

    Raises:
        ConfigurationError: naming what is missing.
    """
    if be is None:
        raise ConfigurationError(
            f"{call}: there is no backend; call gen_backend(batch_size=...) before the model and "
            "its data are made"
        )
    if not be.bsz:
        raise ConfigurationError(
            f"{call}: the backend {be} has no batch size; call gen_backend(batch_size=...) before "
            "the model and its data are made, or set be.bsz"
        )


def check_place(call: str, model: Any, dataset: Any) -> None:
    """Raise if the data live on another backend than the model.

    Raises:
        BackendMismatchError: naming both and how to move the data.
    """
    if isinstance(dataset, (ArrayIterator, StagedIterator)) and dataset.be is not model.be:
        raise BackendMismatchError(
            f"{call}: the data of {dataset.classnm} {dataset.name} are on {dataset.be!r}, the "
            f"model is on {model.be!r}: gen_backend was called between the two; move the data by "
            "data.set_backend(model.be), or make both anew"
        )


def check_fit(
    model: Any, dataset: Any, cost: Any, optimizer: Any, num_epochs: Any, callbacks: Any
) -> None:
    """Check the arguments of `Model.fit`; see there.

    Raises:
        ConfigurationError: naming the argument and what to give.
    """
    need_batch_size("fit", model.be)
    check_dataset("fit", dataset, ("nbatches", "ndata"))
    check_place("fit", model, dataset)
    if isinstance(dataset, (ArrayIterator, StagedIterator)) and dataset.ndata < model.be.bsz:
        raise ConfigurationError(
            f"fit: the {dataset.ndata} samples of {dataset.classnm} {dataset.name} do not fill one "
            f"batch of {model.be.bsz}; call gen_backend with a smaller batch_size first"
        )
    check_training(model, cost, optimizer, num_epochs, callbacks)


def check_training(model: Any, cost: Any, optimizer: Any, num_epochs: Any, callbacks: Any) -> None:
    """Check the arguments of `Model.fit` that are no data.

    Raises:
        ConfigurationError: naming the argument and what to give.
    """
    _need_methods("fit", "cost", cost, _A_COST, ("get_cost", "get_errors"))
    _need_methods("fit", "optimizer", optimizer, _AN_OPTIMIZER, ("optimize",))
    whole = isinstance(num_epochs, (int, np.integer)) and not isinstance(num_epochs, bool)
    if not whole or num_epochs < 0:
        raise ConfigurationError(
            f"fit: num_epochs={num_epochs!r} must be a whole number, 0 or more: the epochs in "
            "total, those that are done included"
        )
    if callbacks is not None:
        _check_callbacks(model, callbacks)


_A_COST = "GeneralizedCost(costfunc=CrossEntropyMulti())"
_AN_OPTIMIZER = "GradientDescentMomentum(0.1, 0.9)"


def _need_methods(
    call: str, argument: str, value: Any, example: str, methods: tuple[str, ...]
) -> None:
    need_instance(call, argument, value, example)
    if all(callable(getattr(value, name, None)) for name in methods):
        return
    if argument == "cost" and callable(getattr(value, "bprop", None)):
        example = f"GeneralizedCost(costfunc={type(value).__name__}(...))"
    raise ConfigurationError(f"{call}: {argument} is {shown(value)}; give {example}")


def _check_callbacks(model: Any, callbacks: Any) -> None:
    need_instance("fit", "callbacks", callbacks, "Callbacks(model)")
    single = isinstance(callbacks, (Callback, list, tuple))
    if single or not callable(getattr(callbacks, "on_train_begin", None)):
        raise ConfigurationError(
            f"fit: callbacks is {shown(callbacks)}; give one Callbacks object: callbacks = "
            "Callbacks(model), and add others by callbacks.add_callback(...)"
        )
    owner = callbacks.model() if isinstance(callbacks, Callbacks) else model
    if owner is not None and owner is not model:
        raise ConfigurationError(
            f"fit: the callbacks were made for another model, {owner.name!r}; make new ones: "
            "Callbacks(model)"
        )


def check_benchmark(
    model: Any, dataset: Any, cost: Any, optimizer: Any, niterations: Any, nskip: Any
) -> None:
    """Check the arguments of `Model.benchmark`; cost and optimizer may be None.

    Raises:
        ConfigurationError: naming the argument and what to give.
    """
    need_batch_size("benchmark", model.be)
    check_dataset("benchmark", dataset, ())
    check_place("benchmark", model, dataset)
    if cost is not None:
        _need_methods("benchmark", "cost", cost, _A_COST, ("get_cost", "get_errors"))
    if optimizer is not None:
        _need_methods("benchmark", "optimizer", optimizer, _AN_OPTIMIZER, ("optimize",))
    for argument, value, least in (("niterations", niterations, 1), ("nskip", nskip, 0)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            raise ConfigurationError(
                f"benchmark: {argument}={value!r} must be a whole number of minibatches, {least} "
                "or more"
            )


def check_backend(call: str, be: Any) -> None:
    """Raise unless `be` is a backend.

    Raises:
        ConfigurationError: it is a name, or something else.
    """
    if not hasattr(be, "assign_many"):
        raise ConfigurationError(
            f"{call}: be is {shown(be)}, not a backend; give what gen_backend or create_backend "
            "returned"
        )


def refuse_array(call: str, dataset: Any) -> None:
    """Raise if an array was given for data or a shape.

    Raises:
        ConfigurationError: it is one.
    """
    if isinstance(dataset, np.ndarray) and dataset.ndim:
        raise ConfigurationError(
            f"{call}: {shown(dataset)} is neither a data iterator nor the shape of a sample; give "
            "ArrayIterator(X, y, nclass=...), or the number of features"
        )


def check_path(call: str, path: Any) -> None:
    """Raise unless `path` names a file.

    Raises:
        ConfigurationError: it is no path.
    """
    wrong = not isinstance(path, (str, bytes, os.PathLike)) or not path
    if wrong or b"\0" in os.fsencode(path):
        raise ConfigurationError(f"{call}: the path is {shown(path)}; give the name of a file")


def check_eval(model: Any, dataset: Any, metric: Any) -> None:
    """Check the arguments of `Model.eval`.

    Raises:
        ConfigurationError: naming the argument and what to give.
    """
    need_batch_size("eval", model.be)
    check_dataset("eval", dataset, ("ndata", "reset"))
    check_place("eval", model, dataset)
    check_metric("eval", metric)


def check_validation(validation_data: Any, metrics: list[Any], callbacks: Any) -> None:
    """Raise unless `validation_data`, `metrics` and `callbacks` of `Model.fit` go together.

    Raises:
        ConfigurationError: naming what is missing or too much.
    """
    if isinstance(validation_data, (tuple, list)) and len(validation_data) != 2:
        raise ConfigurationError(
            f"fit: validation_data has {len(validation_data)} parts; give (X, y), or a data "
            "iterator"
        )
    if metrics and validation_data is None:
        raise ConfigurationError(
            "fit: metrics are evaluated on held-out data; pass validation_data=(X, y) too, or "
            "judge the training samples afterwards: model.evaluate(X, y, metrics)"
        )
    if callbacks is not None and validation_data is not None:
        raise ConfigurationError(
            "fit: validation_data and metrics are given together with callbacks; give them to "
            "those: Callbacks(model, eval_set=..., metric=...)"
        )


def metric_list(call: str, metrics: Any) -> list[Any]:
    """Return a metric, or several, as a list.

    Raises:
        ConfigurationError: one is no metric.
    """
    chosen = list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
    for metric in chosen:
        check_metric(call, metric)
    return chosen


def check_size(call: str, argument: str, value: Any, limit: int | None) -> int:
    """Return a size given by the user.

    Raises:
        ConfigurationError: it is no whole number from 1 to the limit.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < 1 or (limit is not None and value > limit):
        upper = "" if limit is None else f" to {limit}"
        raise ConfigurationError(
            f"{call}: {argument}={value!r} must be a whole number from 1{upper}"
        )
    return int(value)
