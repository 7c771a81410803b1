"""Parameters and optimizer states as host arrays of a description, and back, checked first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neonport.dtypes import compute_dtype
from neonport.errors import CheckpointError
from neonport.layers.checks import label
from neonport.tensor.tensor import Tensor


def params_of(layer: Any, pdict: Any) -> Any:
    """The `params` entry of a layer's description.

    Raises:
        CheckpointError: there is none.
    """
    if not isinstance(pdict, Mapping) or "params" not in pdict:
        kind = sorted(pdict) if isinstance(pdict, Mapping) else type(pdict).__name__
        raise CheckpointError(
            f"{label(layer)}: the entry has no 'params' (found {kind}); save with weights: "
            "save_params, or get_description(get_weights=True)"
        )
    return pdict["params"]


def check_fit(layer: Any, what: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raise unless an array fits a tensor of `shape`; below two dimensions only the size counts.

    Raises:
        CheckpointError: naming both shapes.
    """
    found = np.shape(value)
    fits = found == shape if len(found) > 1 else np.size(value) == int(np.prod(shape))
    if not fits:
        raise CheckpointError(
            f"{label(layer)}: stored {what} has shape {found}, this layer needs {shape}; "
            "the model was built differently (sizes or order of layers)"
        )


def host_array(value: Any) -> np.ndarray:
    """A tensor or array as an array in host memory."""
    return value.get() if isinstance(value, Tensor) else np.asarray(value)


def host_states(states: list[Any]) -> list[Any]:
    """The optimizer's states of one parameter as host arrays (numbers stay numbers)."""
    return [s.get() if isinstance(s, Tensor) else s for s in states]


def check_states(layer: Any, what: str, arrays: Any, gradient: Tensor | None) -> None:
    """Raise unless stored states fit the parameter they belong to.

    Raises:
        CheckpointError: wrong shape, or there is no parameter yet.
    """
    if not arrays:
        return
    if gradient is None:
        raise CheckpointError(f"{label(layer)}: load the parameters before the states of {what}")
    for array in arrays:
        if np.ndim(array):
            check_fit(layer, f"state of {what}", array, gradient.shape)


def restore_states(layer: Any, states: list[Any], arrays: Any, gradient: Tensor | None) -> None:
    """Fill `states`, a list the optimizer keeps using, from stored ones; none stored empties it.

    They have the dtype that the optimizer would give them; stored ones of a shorter type fit.
    """
    arrays = list(arrays or ())
    if len(states) != len(arrays):
        dtype = None if gradient is None else compute_dtype([gradient.dtype])
        zeros = [layer.be.zeros_like(gradient, dtype) if np.ndim(a) else a for a in arrays]
        states[:] = zeros
    for i, array in enumerate(arrays):
        if isinstance(states[i], Tensor) and np.ndim(array):
            states[i].set(host_array(array))
        else:
            states[i] = array


def describe_entry(entry: Any) -> str:
    """Class and name of a stored layer, for errors."""
    if not isinstance(entry, Mapping):
        return type(entry).__name__
    kind = str(entry.get("type", "?")).rpartition(".")[2]
    return f"{kind} {(entry.get('config') or {}).get('name', '')!r}"
