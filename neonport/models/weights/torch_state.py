"""A state dict of PyTorch, taken apart into modules and handed to the layers in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from neonport.base import shown
from neonport.data.checks import numbers
from neonport.errors import CheckpointError, ConfigurationError
from neonport.layers.torch_layout import TorchRow, row_of
from neonport.models.weights.arrays import load_entries
from neonport.models.weights.names import named_layers

CALL = "from_torch_state_dict"
IGNORED = {"num_batches_tracked"}  # counters, without a meaning here
RECURRENT = re.compile(r"((?:weight|bias)_(?:ih|hh))_l(\d+)(_reverse)?")
Modules = dict[str, dict[str, np.ndarray]]


def modules_of(state: Any) -> Modules:
    """Entries of a state dict by module, in order; each layer of a stacked RNN is a module.

    Raises:
        ConfigurationError: it is no state dict.
        DtypeError: an entry is no tensor of numbers.
    """
    if not isinstance(state, Mapping):
        hint = "; give module.state_dict()" if hasattr(state, "state_dict") else ""
        raise ConfigurationError(f"{CALL}: the state dict is {shown(state)}, no dict{hint}")
    modules: Modules = {}
    for key, value in state.items():
        prefix, _, name = str(key).rpartition(".")
        if name in IGNORED:
            continue
        if prefix.rpartition(".")[2] == "out_proj":  # a module inside of an attention
            prefix, name = prefix.rpartition(".")[0], f"out_proj_{name}"
        if match := RECURRENT.fullmatch(name):
            prefix, name = f"{prefix}.l{match[2]}".lstrip("."), match[1] + (match[3] or "")
        modules.setdefault(prefix, {})[name] = _array(str(key), value)
    return modules


def _array(key: str, value: Any) -> np.ndarray:
    if hasattr(value, "detach"):  # PyTorch's
        value = value.detach().cpu()
        try:
            value = value.numpy()
        except TypeError:  # NumPy has no such type: bfloat16
            value = value.float().numpy()
    return numbers(CALL, key, value)


def load_torch_state(container: Any, state: Any, names: Mapping[str, str] | None) -> None:
    """See `Model.from_torch_state_dict`."""
    modules = modules_of(state)
    layers = named_layers(container)
    rows = {name: _row(name, layer) for name, layer in layers.items() if layer.has_params}
    if names is not None:
        modules = _in_order(modules, rows, names)
    entries: dict[str, dict[str, np.ndarray]] = {name: {} for name in layers}
    source = _Source(modules)
    for name, row in rows.items():
        entries[name] = row.convert(**source.take(name, row))
    source.need_end()
    load_entries(CALL, layers, entries)


def _row(name: str, layer: Any) -> TorchRow:
    row = row_of(layer)
    reason = "no row of neonport.layers.torch_layout knows this class" if row is None else ""
    if row is None or row.refusal:
        reason = reason or (row.refusal if row else "")
        raise ConfigurationError(
            f"{CALL}: nothing of PyTorch corresponds to {name} ({layer.classnm}): {reason}"
        )
    return row


def _in_order(modules: Modules, rows: Mapping[str, TorchRow], names: Mapping[str, str]) -> Modules:
    """The modules in the order of the layers that they belong to."""
    found: Modules = {}
    for layer, row in rows.items():
        if row.continues:
            continue
        if names.get(layer) not in modules:
            raise ConfigurationError(
                f"{CALL}: names says {names.get(layer)!r} for {layer}; the modules are "
                f"{', '.join(map(repr, modules))}"
            )
        found[names[layer]] = modules[names[layer]]
    if unknown := [layer for layer in names if layer not in rows]:
        raise ConfigurationError(
            f"{CALL}: names holds {unknown[0]!r}; the layers with parameters are {', '.join(rows)}"
        )
    return found


class _Source:
    """Modules that layers take one after the other."""

    def __init__(self, modules: Modules) -> None:
        self._waiting: Iterator[tuple[str, dict[str, np.ndarray]]] = iter(modules.items())
        self._prefix = ""
        self._rest: dict[str, np.ndarray] = {}

    def take(self, layer: str, row: TorchRow) -> dict[str, Any]:
        """The arrays of a row by name.

        Raises:
            CheckpointError: the next module has others.
        """
        if not row.continues:
            self.need_nothing_left(layer)
            self._prefix, rest = next(self._waiting, ("", {}))
            self._rest = dict(rest)
        if missing := [name for name in row.names if name not in self._rest]:
            there = ", ".join(self._rest) or "nothing"
            where = f"module {self._prefix!r}" if self._prefix or self._rest else "the state dict"
            raise CheckpointError(
                f"{CALL}: {layer} needs {', '.join(missing)}, but {where} has {there} left; "
                "build the model as PyTorch's, layer by layer, or give names={layer: module}"
            )
        found: dict[str, Any] = {name: self._rest.pop(name) for name in row.names}
        found.update((name, self._rest.pop(name, None)) for name in row.optional)
        return found

    def need_nothing_left(self, layer: str) -> None:
        """Raise CheckpointError if the layers so far have left entries of a module."""
        if self._rest:
            raise CheckpointError(
                f"{CALL}: module {self._prefix!r} also has {', '.join(self._rest)}, which no layer "
                f"before {layer} takes; a bias needs a layer: Affine(..., bias=Constant(0))"
            )

    def need_end(self) -> None:
        """Raise CheckpointError if there are modules that no layer has taken."""
        self.need_nothing_left("the end")
        if left := [prefix for prefix, _ in self._waiting]:
            raise CheckpointError(
                f"{CALL}: the model has no layers for the modules {', '.join(map(repr, left))}; "
                "leave them out of the state dict"
            )
