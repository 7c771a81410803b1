"""Checkpoints of neon 1.0 and 1.1, which hold parameters by position, and no description.

| written by | `layer_params_states`, one item for each layer with parameters |
|---|---|
| 1.0 | `params`: the array W, or for a BatchNorm the list beta, gamma, gmean, gvar; `states` |
| 1.1 | `params`: a dict with W and a name; `states` |

From 1.2 on a file describes its layers, and needs nothing from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neonport.errors import CheckpointError
from neonport.layers.checks import label

ITEMS = "layer_params_states"
_BATCH_NORM = ("beta", "gamma", "gmean", "gvar")


def is_first_generation(description: Any) -> bool:
    """Whether a description is one of neon 1.0 or 1.1."""
    return isinstance(description, dict) and "model" not in description and ITEMS in description


def described(description: dict[str, Any], layers: Any) -> dict[str, Any]:
    """The description that later versions would have written.

    Args:
        description: of neon 1.0 or 1.1.
        layers: the model's layers, which say what belongs where.

    Raises:
        CheckpointError: there are no layers, another number of items than layers with parameters,
            or an item that is none.
    """
    items = description[ITEMS]
    if layers is None:
        raise CheckpointError(
            "this checkpoint of neon 1.0 or 1.1 does not say which layers its model has; build the "
            "model with its layers and call load_params"
        )
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, dict) for item in items):
        raise CheckpointError(f"{ITEMS} is no list of parameters and states")
    entry = layers.get_description(get_weights=False)
    rest = list(items)
    for layer, target in _pairs(layers, entry):
        if layer.has_params:
            target.update(_take(layer, rest, len(items)))
    if rest:
        raise CheckpointError(
            f"{ITEMS}: the checkpoint has parameters of {len(items)} layers, this model uses "
            f"{len(items) - len(rest)} of them; build it with the layers it was saved with"
        )
    return {"epoch_index": description.get("epoch_index", 0), "model": entry}


def _pairs(container: Any, entry: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """All layers that hold no layers, with their entries."""
    found = []
    for layer, member in zip(container.layers, entry["config"]["layers"], strict=True):
        if hasattr(layer, "layers"):
            found += _pairs(layer, member)
        else:
            found.append((layer, member))
    return found


def _take(layer: Any, rest: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """Take the items of one layer: a convolution with a bias was two layers then."""
    params, states = _item(layer, rest, count)
    if "weight_bias" in getattr(layer, "stored_params", ()):
        bias, bias_states = _item(layer, rest, count)
        params["weight_bias"] = bias.get("W")
        states = [states, bias_states]
    shape = getattr(layer, "weight_shape", None)
    weights: Any = params.get("W")
    if shape is not None and hasattr(layer, "vocab_size") and np.ndim(weights) == 2:
        turned = tuple(shape)[::-1]
        if np.shape(weights) == turned != tuple(shape):  # up to 1.1.4 a row was a feature
            params["W"] = np.ascontiguousarray(np.transpose(weights))
            states = [
                np.ascontiguousarray(np.transpose(s)) if np.ndim(s) == 2 else s for s in states
            ]
    return {"params": params, "states": states}


def _item(layer: Any, rest: list[dict[str, Any]], count: int) -> tuple[dict[str, Any], list[Any]]:
    if not rest:
        raise CheckpointError(
            f"the checkpoint has parameters of {count} layers, too few for this model: there are "
            f"none for {label(layer)}; build it with the layers it was saved with"
        )
    item = rest.pop(0)
    params, states = item.get("params"), item.get("states")
    if isinstance(params, Mapping):
        stored = {key: value for key, value in params.items() if key != "name"}
    elif isinstance(params, np.ndarray):
        stored = {"W": params}
    elif isinstance(params, (list, tuple)) and len(params) == len(_BATCH_NORM):
        stored = dict(zip(_BATCH_NORM, params, strict=True))
    else:
        raise CheckpointError(f"{label(layer)}: its item in {ITEMS} has no parameters")
    if not isinstance(states, (list, tuple, type(None))):
        raise CheckpointError(f"{label(layer)}: the states in {ITEMS} are no list")
    return stored, list(states or [])
