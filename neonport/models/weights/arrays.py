"""The weights of a model as a dict of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neonport.base import shown
from neonport.data.checks import numbers
from neonport.errors import CheckpointError, ConfigurationError
from neonport.models.weights.names import named_layers
from neonport.tensor.tensor import Tensor


def get_weights(container: Any) -> dict[str, np.ndarray]:
    """See `Model.get_weights`."""
    found = {}
    for name, layer in named_layers(container).items():
        if layer.has_params:
            description = layer.get_description(get_weights=True, keep_states=False)
            for key, value in description.get("params", {}).items():
                found[f"{name}.{key}"] = np.array(value)
    return found


def set_weights(call: str, container: Any, weights: Any) -> None:
    """Give all layers their weights, or none; see `Model.set_weights`.

    Args:
        call: names the method in errors.
        container: the layers of a model.
        weights: name -> array.

    Raises:
        ConfigurationError: it is no dict.
        CheckpointError: names are missing, unknown, or arrays do not fit.
        DtypeError: something is no array of numbers.
    """
    if not isinstance(weights, Mapping):
        raise ConfigurationError(
            f"{call}: the weights are {shown(weights)}; give a dict name -> array, as get_weights "
            "returns it, or the path of a file that save_weights wrote"
        )
    layers = named_layers(container)
    entries: dict[str, dict[str, np.ndarray]] = {name: {} for name in layers}
    for key, value in weights.items():
        name, _, parameter = str(key).rpartition(".")
        if name not in entries:
            raise CheckpointError(
                f"{call}: there is no layer for {str(key)[:80]!r}; the names are "
                f"<layer>.<parameter>, with the layers {', '.join(layers)}"
            )
        held = value.get() if isinstance(value, Tensor) else value
        entries[name][parameter] = numbers(call, str(key), held)
    load_entries(call, layers, entries)


def load_entries(
    call: str, layers: Mapping[str, Any], entries: Mapping[str, dict[str, np.ndarray]]
) -> None:
    """Check the parameters of every layer, then load them.

    Args:
        call: names the method in errors.
        layers: the layers by name.
        entries: name of the layer -> name of the parameter -> array; empty for layers without.

    Raises:
        CheckpointError: something is missing or does not fit; nothing has been written.
    """
    chosen = []
    for name, layer in layers.items():
        found = {"params": entries[name]}
        if not entries[name] and not layer.has_params:
            continue
        if not entries[name]:
            raise CheckpointError(f"{call}: there are no weights for the layer {name}")
        try:
            layer.check_weights(found, load_states=False)
        except CheckpointError as error:
            raise CheckpointError(f"{call}: {name}: {error}") from error
        chosen.append((layer, found))
    for layer, found in chosen:
        layer.set_params(found)
