"""Mistakes in the arguments of `Model`'s methods, each with a sentence on the way out."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.base import need_instance, shown
from neonport.callbacks.callback import Callback
from neonport.callbacks.container import Callbacks
from neonport.data.checks import check_dataset
from neonport.data.dataiterator import ArrayIterator
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
    if isinstance(dataset, ArrayIterator) and dataset.be is not model.be:
        raise BackendMismatchError(
            f"{call}: the data of ArrayIterator {dataset.name} are on {dataset.be!r}, the model is "
            f"on {model.be!r}: gen_backend was called between the two; move the data by "
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
    if isinstance(dataset, ArrayIterator) and dataset.ndata < model.be.bsz:
        raise ConfigurationError(
            f"fit: the {dataset.ndata} samples of ArrayIterator {dataset.name} do not fill one "
            f"batch of {model.be.bsz}; call gen_backend with a smaller batch_size first"
        )
    _need_methods(
        "cost", cost, "GeneralizedCost(costfunc=CrossEntropyMulti())", ("get_cost", "get_errors")
    )
    _need_methods("optimizer", optimizer, "GradientDescentMomentum(0.1, 0.9)", ("optimize",))
    whole = isinstance(num_epochs, (int, np.integer)) and not isinstance(num_epochs, bool)
    if not whole or num_epochs < 0:
        raise ConfigurationError(
            f"fit: num_epochs={num_epochs!r} must be a whole number, 0 or more: the epochs in "
            "total, those that are done included"
        )
    if callbacks is not None:
        _check_callbacks(model, callbacks)


def _need_methods(argument: str, value: Any, example: str, methods: tuple[str, ...]) -> None:
    need_instance("fit", argument, value, example)
    if all(callable(getattr(value, name, None)) for name in methods):
        return
    if argument == "cost" and callable(getattr(value, "bprop", None)):
        example = f"GeneralizedCost(costfunc={type(value).__name__}(...))"
    raise ConfigurationError(f"fit: {argument} is {shown(value)}; give {example}")


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


def check_eval(model: Any, dataset: Any, metric: Any) -> None:
    """Check the arguments of `Model.eval`.

    Raises:
        ConfigurationError: naming the argument and what to give.
    """
    need_batch_size("eval", model.be)
    check_dataset("eval", dataset, ("ndata", "reset"))
    check_place("eval", model, dataset)
    check_metric("eval", metric)


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
