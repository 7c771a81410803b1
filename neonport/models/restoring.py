"""Putting a description back into a model: layers, weights, states and the place in training."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from neonport.descriptions import Builder
from neonport.errors import CheckpointError, ConfigurationError, NeonportError
from neonport.log import logger
from neonport.models.state import Network, Pending
from neonport.tensor.tensor import Tensor

_WAY_OUT = "Build the model with the layers it was saved with, or let Model(path) build it"


def resume(model: Network, dataset: Any, optimizer: Any) -> None:
    """Continue a training where the checkpoint was written, if one was loaded for it.

    The generator is set again because work between loading and `fit` may have drawn from it.
    """
    pending = model.state.pending
    if pending is None:
        return
    if pending.optimizer is not None and optimizer_kind(pending.optimizer) != optimizer_kind(
        optimizer.get_description()
    ):
        warnings.warn(
            f"the checkpoint was trained with {pending.optimizer.get('type')}, now the optimizer "
            f"is {optimizer.modulenm}: its states start afresh",
            UserWarning,
            stacklevel=4,
        )
        forget_states(model)
    elif pending.optimizer_state is not None and hasattr(optimizer, "set_state"):
        optimizer.set_state(pending.optimizer_state)
    if pending.data_state is not None and hasattr(dataset, "set_state"):
        dataset.set_state(pending.data_state)
        model.state.data_state = pending.data_state
    if pending.rng_state is not None:
        set_generator(model.be, pending.rng_state)
    model.state.pending = None


def restore(
    model: Network,
    description: dict[str, Any],
    load_states: bool,
    classes: Iterable[type] = (),
) -> None:
    """See `Model.deserialize`.

    Raises:
        CheckpointError: the description is none of a model, or does not fit the model's layers.
        ConfigurationError: there is no backend.
    """
    entry = description.get("model")
    if not isinstance(entry, dict) or "type" not in entry or "config" not in entry:
        found = ", ".join(map(repr, list(description)[:8])) or "nothing"
        raise CheckpointError(
            f"this is no description of a model: there is no 'model' with type and config, only "
            f"{found}; use what Model.save_params or Model.serialize gave"
        )
    if model.be is None:
        raise ConfigurationError(
            f"{model.classnm} {model.name!r}: there is no backend to load into; call "
            "gen_backend(batch_size=...) first"
        )
    backend = description.get("backend") or {}
    if model.layers is None:
        model.layers = build(entry, classes)
        if "be" in vars(model):
            model.layers.set_backend(model.be)
    try:
        check_fits(model.layers, entry)
        model.layers.load_weights(entry, load_states)
    except CheckpointError:
        raise
    except (NeonportError, AssertionError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint does not fit the layers of this model: {error}. {_WAY_OUT}"
        ) from error
    if "compat_mode" in backend:
        model.be.compat_mode = "caffe" if backend["compat_mode"] == "caffe" else None
    model.state.epoch = int(description.get("epoch_index", 0))
    _restore_position(model, description, backend, load_states)


def _restore_position(
    model: Network, description: dict[str, Any], backend: dict[str, Any], load_states: bool
) -> None:
    state, position = model.state, description.get("resume") or {}
    state.minibatch = int(position.get("minibatch", 0)) if load_states else 0
    if "total_cost" in position:
        state.total_cost = np.array(position["total_cost"])
    if not load_states:
        state.pending = None
        return
    rng_state = backend.get("rng_state", description.get("rng_state"))
    if rng_state is not None and not set_generator(model.be, rng_state):
        rng_state = None
    state.pending = Pending(
        optimizer=description.get("optimizer"),
        optimizer_state=position.get("optimizer_state"),
        data_state=position.get("data_state"),
        rng_state=rng_state,
    )


def check_fits(layer: Any, entry: dict[str, Any]) -> None:
    """Compare numbers of layers and shapes of parameters before the first one is written.

    Raises:
        CheckpointError: naming the layer, and what both sides have.
    """
    if hasattr(layer, "layers"):
        for member, stored in _pairs(layer, entry):
            check_fits(member, stored)
        return
    params = entry.get("params")
    for key, value in params.items() if isinstance(params, dict) else ():
        current = getattr(layer, key, None)
        if isinstance(current, Tensor) and current.size != np.size(value):
            raise CheckpointError(
                f"{key} of layer {layer.name} ({layer.classnm}) has shape {current.shape}, in the "
                f"checkpoint {np.shape(value)}; nothing was loaded. {_WAY_OUT}"
            )


def _pairs(container: Any, entry: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """Pair the members of a container with the stored ones, by position."""
    entries = entry["config"]["layers"]
    pairs, rest = [], list(entries)
    for member in container.layers:
        if rest:
            stored, used = member.take_entries(rest)
            pairs.append((member, stored))
            rest = rest[used:]
    if rest or len(pairs) < len(container.layers):
        raise CheckpointError(
            f"{container.classnm} {container.name} has {len(container.layers)} layers, in the "
            f"checkpoint there are {len(entries)}; nothing was loaded. {_WAY_OUT}"
        )
    return pairs


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
    """Reduce an optimizer's description to what decides about its states: the classes."""
    if not isinstance(description, dict) or "type" not in description:
        return None
    mapping = description.get("config", {}).get("optimizer_mapping", {})
    name = description["type"].rpartition(".")[2]
    return name, {key: optimizer_kind(value) for key, value in mapping.items()}


def forget_states(model: Network) -> None:
    """Empty the optimizer's states of all layers; the optimizer makes new ones."""
    for layer in model.layers_to_optimize:
        params = layer.get_params()
        for _, states in params if isinstance(params, list) else [params]:
            del states[:]
