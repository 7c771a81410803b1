"""Contents of a model's checkpoint: neon's keys, and all that is needed to resume exactly."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import neonport
from neonport.foundation.turns import in_turn
from neonport.layers.crossing import backends_of
from neonport.models.state import Network

NEON_FORMAT = "2.6.0"  # the neon release whose description keys we write


def data_state(dataset: Any) -> Any:
    """Position of a data iterator that can tell it, else None."""
    return dataset.get_state() if hasattr(dataset, "get_state") else None


@in_turn
def describe(model: Network, get_weights: bool, keep_states: bool) -> dict[str, Any]:
    """Return versions, backend, cost, optimizer and layers as plain data."""
    be = model.be
    description: dict[str, Any] = {
        "neon_version": f"{NEON_FORMAT}+neonport.{neonport.__version__}",
        "backend": {
            "type": type(be).__name__,
            "compat_mode": "caffe" if be.check_caffe_compat() else "neon",
            "rng_seed": be.rng_seed,
            "rng_state": be.rng_get_state(),
        },
    }
    if others := backends_of(model.layers)[1:]:
        states = [other.rng_get_state() for other in others]
        description["backend"]["other_rng_states"] = states
    if model.cost is not None and hasattr(model.cost, "costfunc"):
        description["cost"] = model.cost.costfunc.get_description()
    if model.optimizer is not None:
        description["optimizer"] = model.optimizer.get_description()
    description["model"] = model.layers.get_description(
        get_weights=get_weights, keep_states=keep_states
    )
    if model.initialized:
        description["train_input_shape"] = input_shape(model.layers)
    return description


def input_shape(container: Any) -> Any:
    """Logical input shape; of an encoder-decoder both shapes in one tuple."""
    if hasattr(container, "encoder") and hasattr(container, "decoder"):
        halves = (container.encoder, container.decoder)
        return tuple(n for half in halves for n in half.in_shape)
    return container.in_shape


@in_turn
def snapshot(model: Network, keep_states: bool) -> dict[str, Any]:
    """Describe with weights, plus the position in training.

    `epoch_index` is the number of completed epochs, wherever the snapshot is taken (neon's own
    files are one too high when saved after fit).
    """
    state = model.state
    description = describe(model, get_weights=True, keep_states=keep_states)
    description["epoch_index"] = state.completed_epochs
    resume: dict[str, Any] = {
        "batch_size": model.be.bsz,
        "datatype": np.dtype(model.be.default_dtype).name,
        "minibatch": state.minibatch,
        "costs": state.costs,
        "total_cost": np.array(state.total_cost),
    }
    if keep_states and (own := model.get_state()):
        resume["model"] = own
    if keep_states and hasattr(model.optimizer, "get_state"):
        resume["optimizer_state"] = model.optimizer.get_state()
    if state.precision not in (None, "float32"):
        resume["precision"] = state.precision
    if keep_states and state.loss_scale is not None:
        resume["loss_scale"] = state.loss_scale.get_state()
    if state.dataset is not None:
        # In mid-epoch the iterator may already point at the next epoch: keep where this one began.
        inside = state.minibatch > 0
        resume["data_state"] = state.data_state if inside else data_state(state.dataset)
        resume["ndata"] = getattr(state.dataset, "ndata", None)
    if state.saved is not None:
        resume["saved"] = {os.path.basename(path): digest for path, digest in state.saved.items()}
    description["resume"] = resume
    return description
