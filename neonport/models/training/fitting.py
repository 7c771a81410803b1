"""`Model.fit`: from arrays or an iterator to the trainer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from neonport.callbacks.container import Callbacks
from neonport.callbacks.cost import MetricCallback
from neonport.checking.opinion import second_opinion
from neonport.checking.spec import parse
from neonport.data.checks import check_dataset
from neonport.data.dataiterator import ArrayIterator
from neonport.errors import ConfigurationError
from neonport.foundation.turns import in_training, in_use
from neonport.layers.crossing import backends_of
from neonport.models import checks
from neonport.models.array_data import data_iterator, sample_weights, weighted
from neonport.models.state import Network
from neonport.models.training.history import History
from neonport.models.training.trainer import Trainer

P = ParamSpec("P")


def _by_one_thread(
    function: Callable[Concatenate[Network, P], History],
) -> Callable[Concatenate[Network, P], History]:
    """Refuse a training of a model that another thread trains."""

    @wraps(function)
    def run(model: Network, *args: P.args, **kwargs: P.kwargs) -> History:
        turn = in_training.of(model)
        if not turn.acquire(blocking=False):
            raise ConfigurationError(
                f"fit: model {model.name!r} is being trained by another thread; wait until that "
                "is done, or train a copy: copy.deepcopy(model)"
            )
        try:
            return function(model, *args, **kwargs)
        finally:
            turn.release()

    return run


def are_arrays(dataset: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether arguments of `fit` are samples and targets, not a data iterator and a cost."""
    if "y" in kwargs or not args:
        return "y" in kwargs
    is_cost = callable(getattr(args[0], "get_errors", None))
    return not is_cost and not hasattr(dataset, "nbatches")


@_by_one_thread
def fit_arrays(
    model: Network,
    X: Any,
    y: Any,
    cost: Any = None,
    optimizer: Any = None,
    num_epochs: Any = None,
    callbacks: Any = None,
    record: bool = False,
    precision: str | None = None,
    *,
    shuffle: bool = True,
    class_weight: Any = None,
    sample_weight: Any = None,
    **others: Any,
) -> History:
    """Train on arrays; see `Model.fit`."""
    checks.need_batch_size("fit", model.be)
    checks.check_training(model, cost, optimizer, num_epochs, callbacks)
    if class_weight is not None or sample_weight is not None:
        cost = weighted("fit", cost, model.cost)
    inputs = X[0] if isinstance(X, (list, tuple)) else X
    weights = sample_weights("fit", inputs if y is None else y, class_weight, sample_weight)
    train = data_iterator("fit", model, X, y, shuffle, weights)
    _go_on(model, train)
    return fit(model, train, cost, optimizer, num_epochs, callbacks, record, precision, **others)


def _go_on(model: Network, train: ArrayIterator) -> None:
    """Begin where the last training on as many samples ended, so that no order comes again."""
    before, pending = model.state.dataset, model.state.pending
    same = isinstance(before, ArrayIterator) and before.shuffle == train.shuffle
    if same and before.ndata == train.ndata:
        train.set_state(before.get_state())
    if pending is not None and pending.ndata not in (None, train.ndata):
        pending.data_state = None  # a place among other samples


@_by_one_thread
def fit(
    model: Network,
    dataset: Any,
    cost: Any = None,
    optimizer: Any = None,
    num_epochs: Any = None,
    callbacks: Any = None,
    record: bool = False,
    precision: str | None = None,
    *,
    validation_data: Any = None,
    metrics: Any = (),
    progress_bar: bool = True,
    check: str | None = None,
) -> History:
    """Train on a data iterator; see `Model.fit`."""
    checks.check_fit(model, dataset, cost, optimizer, num_epochs, callbacks)
    parse(check, "fit: check")
    chosen = checks.metric_list("fit", metrics)
    checks.check_validation(validation_data, chosen, callbacks)
    held_out = _held_out(model, dataset, validation_data)
    if callbacks is None:
        callbacks = Callbacks(model, eval_set=held_out, progress_bar=progress_bar)
        for place, metric in enumerate(chosen, 1):  # after the held-out cost, before the bar
            callbacks.add_callback(MetricCallback(held_out, metric), insert_pos=place)
    model.nbatches, model.ndata = dataset.nbatches, dataset.ndata
    state = model.state
    if state.pending is None and state.minibatch:
        _go_on_inside_epoch(model, dataset)
    with second_opinion(backends_of(model.layers), check):
        with in_use.of(model):
            model.initialize(dataset, cost, precision)
        model.optimizer, state.dataset = optimizer, dataset
        if hasattr(optimizer, "set_backend"):
            optimizer.set_backend(model.be)
        return Trainer(model, dataset, callbacks, record).fit(num_epochs)


def _go_on_inside_epoch(model: Network, dataset: Any) -> None:
    """Start an interrupted epoch again where its minibatches would not be the same; say so."""
    state, size = model.state, model.be.bsz
    if dataset is not state.dataset:
        state.minibatch = 0  # an interrupted epoch continues only on its own data
    elif state.batch_size not in (None, size):
        if state.data_state is not None:
            dataset.set_state(state.data_state)
        done, state.minibatch = state.minibatch, 0
        warnings.warn(
            f"fit: the last training had a batch size of {state.batch_size}, now it is {size}: "
            f"epoch {state.epoch}, of which {done} minibatches were done, starts again",
            UserWarning,
            stacklevel=4,
        )


def _held_out(model: Network, dataset: Any, validation_data: Any) -> Any:
    """The data iterator to evaluate, or None."""
    if isinstance(validation_data, (tuple, list)):
        model.configure(dataset)
        return data_iterator("fit: validation_data", model, *validation_data)
    if validation_data is not None:
        check_dataset("fit: validation_data", validation_data, ("ndata", "reset"))
        checks.check_place("fit: validation_data", model, validation_data)
    return validation_data
