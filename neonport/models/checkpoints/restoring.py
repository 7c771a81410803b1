"""Putting a description back into a model: layers, weights, states and the place in training.

All of it is checked before the first value is written, so a model is loaded whole or left as it
was, and whatever a file holds, the error is a CheckpointError.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from neonport.base import NervanaObject
from neonport.errors import CheckpointError, ConfigurationError, NeonportError
from neonport.foundation.descriptions import Builder
from neonport.foundation.turns import in_turn
from neonport.io.checkpoint import checksum
from neonport.layers.crossing import backends_of
from neonport.log import logger
from neonport.models.checkpoints.first_generations import described, is_first_generation
from neonport.models.mixed_precision import PRECISIONS
from neonport.models.state import Network, Pending

_WAY_OUT = "Build the model with the layers it was saved with, or let Model(path) build it"
_LARGEST = 2**53  # of a count: what every number format in between holds exactly


@in_turn
def restore(
    model: Network,
    description: Any,
    load_states: bool,
    classes: Iterable[type] = (),
    file: str = "",
) -> None:
    """See `Model.deserialize`; `file` is where the description was read, if it was.

    Raises:
        CheckpointError: the description is none of a model, or does not fit the model's layers; the
            model is as it was.
        ConfigurationError: there is no backend.
    """
    try:
        _restore(model, description, load_states, classes, file)
    except CheckpointError as error:
        if not file:
            raise
        raise CheckpointError(f"{file!r}: {error}") from error


def _restore(
    model: Network, description: Any, load_states: bool, classes: Iterable[type], file: str
) -> None:
    if is_first_generation(description):
        description = described(description, model.layers)
    entry = _model_entry(description)
    if model.be is None:
        raise ConfigurationError(
            f"{model.classnm} {model.name!r}: there is no backend to load into; call "
            "gen_backend(batch_size=...) first"
        )
    position = read_position(description)
    if load_states:
        model.check_state(position.model)
    layers = model.layers
    if layers is None:
        layers = build(entry, classes)
        if "be" in vars(model):
            layers.adopt_backend(model.be)
    check_fits(layers, entry, load_states)
    if model.layers is None:
        layers.freeze_as(entry)
    before = model.be.rng_get_state()
    rng_state = position.rng_state if load_states else None
    if rng_state is not None and not set_generator(model.be, rng_state):
        rng_state = None
    kept = _keep(layers)
    try:
        layers.load_weights(entry, load_states)
    except BaseException as error:  # by a layer of the user's, whose checks are its own
        _put_back(kept)
        model.be.rng_set_state(before)
        if isinstance(error, CheckpointError) or not isinstance(error, Exception):
            raise
        raise CheckpointError(
            f"the checkpoint cannot be loaded into the layers: {_words(error)}. {_WAY_OUT}"
        ) from error
    model.layers = layers
    NervanaObject.adopt_backend(
        cast(NervanaObject, model), model.be
    )  # its weights are there, whatever comes later
    if position.compat_mode is not None:
        model.be.compat_mode = "caffe" if position.compat_mode == "caffe" else None
    _take_position(model, position, rng_state, load_states)
    if load_states and file and position.saved is not None:
        folder, name = os.path.split(os.path.realpath(file))
        saved = {os.path.join(folder, os.path.basename(n)): d for n, d in position.saved.items()}
        saved.pop(os.path.join(folder, name), None)  # it comes last, as the newest
        model.state.saved = {**saved, os.path.join(folder, name): checksum(file) or ""}


def _keep(layers: Any) -> list[tuple[Any, dict[str, Any], Any]]:
    """What the layers hold, where one of them loads by code that is not ours and may fail.

    Returns:
        Layer, its attributes, its description (None if it has no weights yet).
    """
    members = [layer for layer in layers.layers_fprop() if not hasattr(layer, "layers")]
    if all(_loads_by_our_code(type(layer)) for layer in members):
        return []  # all was checked
    kept = []
    for layer in members:
        try:
            entry = layer.get_description(get_weights=True, keep_states=True)
        except ConfigurationError:
            entry = None
        kept.append((layer, {key: _copied(value) for key, value in vars(layer).items()}, entry))
    return kept


def _loads_by_our_code(cls: type) -> bool:
    methods = [getattr(cls, name) for name in ("load_weights", "set_params", "set_states")]
    return all(method.__module__.partition(".")[0] == "neonport" for method in methods)


def _copied(value: Any) -> Any:
    """Lists, also nested ones, as others: layers fill theirs in place."""
    return [_copied(item) for item in value] if type(value) is list else value


def _put_back(kept: list[tuple[Any, dict[str, Any], Any]]) -> None:
    for layer, attributes, entry in kept:
        with contextlib.suppress(Exception):  # a layer that cannot load does not here either
            if entry is not None:
                layer.load_weights(entry)
            else:
                vars(layer).clear()
                vars(layer).update(attributes)


def _model_entry(description: Any) -> dict[str, Any]:
    """The entry of the outermost container."""
    entry = description.get("model") if isinstance(description, dict) else None
    if not isinstance(entry, dict) or "type" not in entry or "config" not in entry:
        found = type(description).__name__
        if isinstance(description, dict):
            found = ", ".join(repr(key)[:80] for key in list(description)[:8]) or "nothing"
        raise CheckpointError(
            f"this is no description of a model: there is no 'model' with type and config, only "
            f"{found}; use what Model.save_params or Model.serialize gave"
        )
    return entry


@dataclass
class Position:
    """What a description says about the place in training, checked.

    Attributes:
        epoch: epochs trained.
        minibatch: minibatches of the current epoch that are done.
        costs: how many costs of this epoch there are.
        total_cost: sum of their costs, or the mean of the last epoch; None if not stored.
        compat_mode: of the backend, None if not stored.
        rng_state: of the backend's generators, None if not stored.
        saved: names of the checkpoints of the series, with their checksums; None if it is of none.
        model: what the model remembers besides its layers.
        pending: what the next training needs.
        precision: that the model was trained in, None for float32.
    """

    epoch: int
    minibatch: int
    costs: int
    total_cost: np.ndarray | None
    compat_mode: str | None
    rng_state: Any
    saved: dict[str, str] | None
    model: dict[str, Any]
    pending: Pending
    precision: str | None = None


def read_position(description: dict[str, Any]) -> Position:
    """Check what a description says besides layers and weights.

    Raises:
        CheckpointError: an entry is none that `Model.serialize` writes; the message names it.
    """
    backend = _dict(description, "backend")
    resume = _dict(description, "resume")
    optimizer = description.get("optimizer")
    if optimizer is not None:
        optimizer_kind(optimizer)
    mode = backend.get("compat_mode")
    if not isinstance(mode, (str, type(None))):
        raise CheckpointError(f"backend/compat_mode is {str(mode)[:80]!r}, no text")
    cost = resume.get("total_cost")
    if cost is not None:
        cost = np.array(cost) if isinstance(cost, (np.ndarray, float, int)) else None
        if cost is None or cost.dtype.kind not in "biuf" or cost.ndim > 2:
            raise CheckpointError("resume/total_cost is no matrix of numbers")
    saved = _dict(resume, "saved", "resume/")
    if not all(isinstance(text, str) for pair in saved.items() for text in pair):
        raise CheckpointError("resume/saved is no dict of names and checksums")
    precision = resume.get("precision")
    if precision not in (None, *PRECISIONS):
        raise CheckpointError(f"resume/precision is {str(precision)[:80]!r}, none that we know")
    return Position(
        precision=precision,
        saved=saved if "saved" in resume else None,
        epoch=_count(description, "epoch_index"),
        minibatch=_count(resume, "minibatch", "resume/"),
        costs=_count(resume, "costs" if "costs" in resume else "minibatch", "resume/"),
        model=_dict(resume, "model", "resume/"),
        total_cost=cost,
        compat_mode=mode,
        rng_state=backend.get("rng_state", description.get("rng_state")),
        pending=Pending(
            optimizer=optimizer,
            optimizer_state=_dict(resume, "optimizer_state", "resume/") or None,
            data_state=resume.get("data_state"),
            rng_state=None,
            other_rng_states=_list(backend, "other_rng_states", "backend/"),
            batch_size=_count(resume, "batch_size", "resume/") or None,
            ndata=_count(resume, "ndata", "resume/") or None,
            loss_scale=_dict(resume, "loss_scale", "resume/") or None,
        ),
    )


def _dict(holder: dict[str, Any], key: str, where: str = "") -> dict[str, Any]:
    value = holder.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}{key} is a {type(value).__name__}, no dict")
    return value


def _count(holder: dict[str, Any], key: str, where: str = "") -> int:
    value = holder.get(key)
    if value is None:
        return 0
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 0 <= value < _LARGEST:
        raise CheckpointError(f"{where}{key} is {str(value)[:80]!r}, no count")
    return int(value)


def _list(holder: dict[str, Any], key: str, where: str = "") -> list[Any]:
    value = holder.get(key)
    if not isinstance(value, (list, type(None))):
        raise CheckpointError(f"{where}{key} is a {type(value).__name__}, no list")
    return value or []


def _take_position(model: Network, position: Position, rng_state: Any, load_states: bool) -> None:
    state = model.state
    state.epoch = position.epoch
    state.minibatch = position.minibatch if load_states else 0
    state.costs = position.costs if load_states else 0
    if position.total_cost is not None:
        state.total_cost = position.total_cost
    state.pending = None
    state.saved = None
    if not model.initialized:
        state.precision = position.precision
    if load_states:
        model.set_state(position.model)
        state.pending = position.pending
        state.pending.rng_state = rng_state


def check_fits(layers: Any, entry: dict[str, Any], load_states: bool) -> None:
    """Check all entries of a model before the first one is written.

    Raises:
        CheckpointError: naming the layer, and what both sides have.
    """
    try:
        layers.check_weights(entry, load_states)
        _check_whole(entry, load_states)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; nothing was loaded. {_WAY_OUT}") from error
    except Exception as error:  # whatever a layer of the user's makes of it
        raise CheckpointError(
            f"the checkpoint does not fit the layers of this model: {_words(error)}; nothing was "
            f"loaded. {_WAY_OUT}"
        ) from error


def _check_whole(entry: dict[str, Any], load_states: bool) -> None:
    """Refuse states of some layers only, and an array that is used twice.

    Files that we write have states of all layers or none, and each array once. One array in a
    thousand places is a small file that becomes a large model.
    """
    leaves = list(_leaves(entry))
    with_params = [leaf for leaf in leaves if leaf.get("params")]
    lacking = [leaf for leaf in with_params if "states" not in leaf]
    if load_states and 0 < len(lacking) < len(with_params):
        names = ", ".join(str(leaf["config"].get("name"))[:80] for leaf in lacking[:8])
        raise CheckpointError(f"states of the optimizer are missing for layers {names}")
    seen: set[int] = set()
    for leaf in leaves:
        for array in _arrays([leaf.get("params"), leaf.get("states")]):
            if id(array) in seen:
                name = leaf["config"].get("name")
                raise CheckpointError(f"an array of layer {str(name)[:80]} belongs to another too")
            seen.add(id(array))


def _leaves(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The entries of all layers that hold no layers."""
    members = entry["config"].get("layers") if isinstance(entry.get("config"), dict) else None
    if isinstance(members, list):
        for member in members:
            yield from _leaves(member)
    elif isinstance(entry.get("config"), dict):
        yield entry


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _arrays(item)


def build(entry: dict[str, Any], classes: Iterable[type] = ()) -> Any:
    """Build a container from its description.

    Args:
        entry: the description.
        classes: classes of the caller's own that it may name.

    Raises:
        CheckpointError: a class is unknown, stands in the wrong place or refuses its arguments.
    """
    builder = Builder(classes)
    try:
        return builder.build("layer", entry)
    except Exception as error:  # what a constructor makes of a stranger's arguments is not known
        raise CheckpointError(
            f"the model cannot be built from the checkpoint: {_words(error)}; build the layers "
            "yourself and call load_params"
        ) from error


def _words(error: Exception) -> str:
    """The message of an error, with its class where the message alone says little."""
    text = str(error)[:500]
    return text if isinstance(error, NeonportError) else f"{type(error).__name__}: {text}"


def set_generator(be: Any, state: Any) -> bool:
    """Restore the random generator; a state of another kind of backend only warns."""
    try:
        be.rng_set_state(state)
    except (ValueError, TypeError) as error:
        logger.warning("the random generator's state does not fit this backend: %s", error)
        return False
    return True


def optimizer_kind(description: Any) -> Any:
    """Reduce an optimizer's description to what decides about its states: the classes.

    Raises:
        CheckpointError: it is no description.
    """
    config = description.get("config", {}) if isinstance(description, dict) else None
    mapping = config.get("optimizer_mapping", {}) if isinstance(config, dict) else None
    if not isinstance(mapping, dict) or not isinstance(description.get("type"), str):
        raise CheckpointError(f"{str(description)[:80]!r} describes no optimizer")
    name = description["type"].rpartition(".")[2]
    return name, {key: optimizer_kind(value) for key, value in mapping.items()}


def resume(model: Network, dataset: Any, optimizer: Any) -> None:
    """Continue a training where the checkpoint was written, if one was loaded for it.

    The generator is set again because work between loading and `fit` may have drawn from it.

    Raises:
        CheckpointError: the states of optimizer or data are none of these classes; they are as they
            were.
    """
    pending = model.state.pending
    if pending is None:
        return
    other = pending.optimizer is not None and optimizer_kind(pending.optimizer) != optimizer_kind(
        optimizer.get_description()
    )
    _set_states(
        (optimizer, None if other else pending.optimizer_state),
        (dataset, pending.data_state),
        (model.state.loss_scale, pending.loss_scale),
    )
    if pending.data_state is not None:
        model.state.data_state = pending.data_state
    told = []
    if other and pending.optimizer is not None:
        told.append(
            f"the checkpoint was trained with {pending.optimizer['type']}, now the optimizer is "
            f"{optimizer.modulenm}: its states start afresh"
        )
        forget_states(model)
    told += _fit_batches(model, dataset, pending)
    if pending.rng_state is not None:
        set_generator(model.be, pending.rng_state)
        others = backends_of(model.layers)[1:]
        if len(others) == len(pending.other_rng_states):  # where the layers were, too
            for be, state in zip(others, pending.other_rng_states, strict=True):
                set_generator(be, state)
    model.state.pending = None
    for text in told:
        warnings.warn(text, UserWarning, stacklevel=4)


def _set_states(*pairs: tuple[Any, Any]) -> None:
    """Give optimizer and data iterator their stored states, or leave both as they were."""
    before: list[tuple[Any, Any]] = []
    try:
        for owner, state in pairs:
            if state is not None and hasattr(owner, "set_state"):
                before.append((owner, owner.get_state()))
                owner.set_state(state)
    except Exception as error:
        for owner, state in before:
            owner.set_state(state)
        if isinstance(error, NeonportError):
            raise
        raise CheckpointError(
            f"the checkpoint's state of {type(before[-1][0]).__name__} is none of that class: "
            f"{_words(error)}; load the model with weights_only=True to start afresh"
        ) from error


def _fit_batches(model: Network, dataset: Any, pending: Pending) -> list[str]:
    """Start an interrupted epoch again where its minibatches would not be the same; say so."""
    state, size = model.state, model.be.bsz
    ndata = getattr(dataset, "ndata", None)
    changes = []
    if pending.batch_size not in (None, size):
        changes.append(f"a batch size of {pending.batch_size}, now it is {size}")
    if state.minibatch and None not in (pending.ndata, ndata) and pending.ndata != ndata:
        changes.append(f"{pending.ndata} samples, now there are {ndata}")
    if state.minibatch > dataset.nbatches and not changes:
        changes.append("more minibatches in an epoch")
    if not changes:
        return []
    told = f"the checkpoint was written with {' and '.join(changes)}: "
    if not state.minibatch:
        return [told + "training goes on, but not to the bits of a run without a change"]
    done, state.minibatch = state.minibatch, 0
    return [told + f"epoch {state.epoch}, of which {done} minibatches were done, starts again"]


def forget_states(model: Network) -> None:
    """Empty the optimizer's states of all layers; the optimizer makes new ones."""
    for layer in model.layers_to_optimize:
        params = layer.get_params()
        for _, states in params if isinstance(params, list) else [params]:
            del states[:]
