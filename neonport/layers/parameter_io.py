"""Parameters and optimizer states as host arrays of a description, and back, checked first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neonport.dtypes import compute_dtype, is_real
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


def check_fit(layer: Any, what: str, value: Any, shape: tuple[int, ...] | None) -> None:
    """Raise unless a value is an array of numbers that fits a tensor of `shape`.

    Args:
        layer: for errors.
        what: name of the value, for errors.
        value: array or tensor; below two dimensions only its size counts.
        shape: None where it is not known yet.

    Raises:
        CheckpointError: it is none, or naming both shapes.
    """
    dtype, found = getattr(value, "dtype", None), _shape(layer, what, value)
    if not isinstance(value, Tensor):
        dtype = np.asarray(value).dtype if isinstance(value, (list, float, int)) else dtype
        if not isinstance(dtype, np.dtype) or not is_real(dtype):
            raise CheckpointError(
                f"{label(layer)}: stored {what} is no array of numbers but "
                f"{dtype or type(value).__name__}"
            )
    if shape is None:
        return
    fits = found == shape if len(found) > 1 else np.size(value) == math.prod(shape)
    if not fits:
        raise CheckpointError(
            f"{label(layer)}: stored {what} has shape {found}, this layer needs {shape}; "
            "the model was built differently (sizes or order of layers)"
        )


def _shape(layer: Any, what: str, value: Any) -> tuple[int, ...]:
    """The shape of a stored value.

    Raises:
        CheckpointError: it is a nested list whose parts differ in length.
    """
    try:
        return np.shape(value)
    except ValueError as error:
        raise CheckpointError(
            f"{label(layer)}: stored {what} is no array of numbers but a {type(value).__name__} "
            "whose parts differ in length"
        ) from error


def check_names(layer: Any, what: str, found: Iterable[Any], wanted: Iterable[str]) -> None:
    """Raise unless stored entries have the names that the layer knows.

    Raises:
        CheckpointError: naming those that are missing and those that are too many.
    """
    found, wanted = set(map(str, found)), set(wanted)
    words = []
    if missing := sorted(wanted - found):
        words.append(f"lacks {', '.join(missing)}")
    if extra := sorted(found - wanted):
        words.append(f"has {', '.join(name[:80] for name in extra[:8])}, which this layer has not")
    if words:
        raise CheckpointError(f"{label(layer)}: '{what}' {' and '.join(words)}")


def host_array(value: Any) -> np.ndarray:
    """A tensor or array as an array in host memory."""
    return value.get() if isinstance(value, Tensor) else np.asarray(value)


def host_states(states: list[Any]) -> list[Any]:
    """The optimizer's states of one parameter, tensors, as host arrays."""
    return [s.get() for s in states]


def check_states(layer: Any, what: str, arrays: Any, shape: tuple[int, ...] | None) -> None:
    """Raise unless stored states fit the parameter they belong to.

    Args:
        layer: for errors.
        what: name of the parameter, for errors.
        arrays: list of the states, arrays of the parameter's shape; None for none.
        shape: of the parameter, None if there is none yet.

    Raises:
        CheckpointError: no such list, wrong shape, or there is no parameter yet.
    """
    if arrays is None:
        return
    if not isinstance(arrays, (list, tuple)):
        raise CheckpointError(
            f"{label(layer)}: the states of {what} are no list but a {type(arrays).__name__}"
        )
    if arrays and shape is None:
        raise CheckpointError(f"{label(layer)}: load the parameters before the states of {what}")
    for array in arrays:
        if not _shape(layer, f"state of {what}", array):  # no optimizer could go on from it
            raise CheckpointError(
                f"{label(layer)}: stored state of {what} is {type(array).__name__}, no array of "
                f"shape {shape}"
            )
        check_fit(layer, f"state of {what}", array, shape)


def states_of_each(
    layer: Any, pdict: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...] | None]
) -> list[Any]:
    """The stored states of several parameters, a list for each; none stored are empty lists.

    Args:
        layer: for errors.
        pdict: the entry of the layer.
        shapes: of the parameters by name, in the order in which their states are stored.

    Raises:
        CheckpointError: there are not as many lists, or one does not fit.
    """
    stored = pdict.get("states") or [[] for _ in shapes]
    if not isinstance(stored, (list, tuple)) or len(stored) != len(shapes):
        count = len(stored) if isinstance(stored, (list, tuple)) else type(stored).__name__
        raise CheckpointError(
            f"{label(layer)}: expected states of {' and '.join(shapes)}, got {count}"
        )
    for (what, shape), arrays in zip(shapes.items(), stored, strict=True):
        check_states(layer, what, arrays, shape)
    return list(stored)


def restore_states(layer: Any, states: list[Any], arrays: Any, gradient: Tensor | None) -> None:
    """Fill `states`, a list the optimizer keeps using, from stored ones; none stored empties it.

    They have the dtype that the optimizer would give them; stored ones of a shorter type fit.
    """
    arrays = list(arrays or ())
    if len(states) != len(arrays):
        dtype = None if gradient is None else compute_dtype([gradient.dtype])
        states[:] = [layer.be.zeros_like(gradient, dtype) for _ in arrays]
    for state, array in zip(states, arrays, strict=True):
        state.set(host_array(array))


def describe_entry(entry: Any) -> str:
    """Class and name of a stored layer, for errors."""
    if not isinstance(entry, Mapping):
        return type(entry).__name__
    kind = str(entry.get("type", "?")).rpartition(".")[2]
    config = entry.get("config")
    name = repr(config.get("name", "") if isinstance(config, Mapping) else "")
    return f"{kind[:80]} {name[:80]}"
