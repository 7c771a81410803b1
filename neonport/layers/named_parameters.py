"""NamedParameterLayer: a layer with any number of parameters, each known by a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neonport.errors import CheckpointError, ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_init, label
from neonport.layers.parameter import fill_parameter
from neonport.layers.parameter_io import (
    check_fit,
    check_names,
    check_states,
    host_array,
    host_states,
    params_of,
    restore_states,
)
from neonport.shape import as_shape
from neonport.tensor.tensor import Tensor


@dataclass
class Parameter:
    """A named tensor that the optimizer changes."""

    value: Tensor
    gradient: Tensor
    init: Any
    filled: bool = False
    states: list[Any] = field(default_factory=list)


class NamedParameterLayer(Layer):
    """Makes parameters when first asked for, draws them in `allocate`, saves and loads them.

    Args:
        name: given name, or None.

    Attributes:
        parameters: name -> Parameter, in the order in which they were asked for.
    """

    neon_module = "neonport.layers.named_parameters"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.owns_delta = True
        self.parameters: dict[str, Parameter] = {}
        self._stored: dict[str, Any] = {}  # loaded before the parameters existed
        self._stored_states: dict[str, Any] = {}
        self._loaded = False

    @property
    def parameters_loaded(self) -> bool:
        """Whether parameters of a checkpoint wait to be asked for."""
        return bool(self._stored)

    def parameter(self, name: str, shape: Any, init: Any) -> Tensor:
        """The parameter `name`, made when first asked for and filled by `allocate`.

        Args:
            name: key in checkpoints.
            shape: of the tensor.
            init: initializer or its name, or an array of that shape.

        Raises:
            ConfigurationError: no initializer, or the same name with another shape.
        """
        init = check_init(self, init, f"init of {name}")
        wanted = as_shape(shape)
        known = self.parameters.get(name)
        if known is None:
            value = self.be.empty(wanted, name=name)
            known = Parameter(value, self.be.empty_like(value), init)
            if name in self._stored:
                self._restore(name, known)
            self.parameters[name] = known
            self.has_params = True
        elif known.value.shape != wanted:
            raise ConfigurationError(
                f"{label(self)}: parameter {name!r} has shape {known.value.shape}, now {wanted} is "
                "asked for; use another name, or a new layer for inputs of another shape"
            )
        return known.value

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs; fill parameters, in the order they were asked for, unless loaded.

        Args:
            shared_outputs: memory for the outputs.
            accumulate_updates: also make what `set_acc_on` needs.

        Raises:
            CheckpointError: other parameters were loaded than the layer asked for.
        """
        super().allocate(shared_outputs)
        if self._loaded:
            known = [name for name, parameter in self.parameters.items() if parameter.filled]
            check_names(self, "params", {*known, *self._stored}, self.parameters)
        for name, parameter in self.parameters.items():
            if not parameter.filled:
                fill_parameter(self, parameter.value, parameter.init, f"init of {name}")
                parameter.filled = True
        self.accumulate_updates = bool(accumulate_updates or self.accumulate_updates)
        if self.accumulate_updates and not self.acc_params:
            gradients = [p.gradient for p in self.parameters.values()]
            self.acc_params = [(self.be.empty_like(g), g) for g in gradients]

    def get_params(self) -> Any:
        """`[((parameter, gradient), states), ...]` for the optimizer."""
        return [((p.value, p.gradient), p.states) for p in self.parameters.values()]

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the layer, if wanted with parameters and states (by name) as host arrays."""
        desc = super().get_description(**kwargs)
        if get_weights and (self.parameters or self._stored):
            known = self.parameters.items()
            desc["params"] = self._stored | {name: p.value.get() for name, p in known}
            if keep_states:
                states = {name: host_states(p.states) for name, p in known}
                desc["states"] = self._stored_states | states
        return desc

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        Raises:
            CheckpointError: entries are missing, too many, or do not fit.
        """
        super().check_weights(pdict, load_states)
        stored = self._check_params(pdict)
        states = self._check_states(pdict) if load_states else {}
        check_names(self, "states", {*states, *stored}, stored)
        for name, value in stored.items():
            known = self.parameters.get(name)
            shape = np.shape(value) if known is None else known.value.shape
            check_states(self, name, states.get(name), shape)

    def _check_params(self, pdict: dict[str, Any]) -> dict[str, Any]:
        if not self.parameters and "params" not in pdict:
            return {}
        stored = params_of(self, pdict)
        if not isinstance(stored, Mapping):
            raise CheckpointError(f"{label(self)}: 'params' is a {type(stored).__name__}, no dict")
        if self.parameters:
            check_names(self, "params", stored, self.parameters)
        for name, value in stored.items():
            known = self.parameters.get(name)
            check_fit(self, str(name), value, None if known is None else known.value.shape)
        return dict(stored)

    def _check_states(self, pdict: dict[str, Any]) -> dict[str, Any]:
        stored = pdict.get("states") or {}
        if not isinstance(stored, Mapping):
            raise CheckpointError(f"{label(self)}: 'states' is a {type(stored).__name__}, no dict")
        for name, parameter in self.parameters.items():
            check_states(self, name, stored.get(name), parameter.gradient.shape)
        return dict(stored)

    def set_params(self, pdict: dict[str, Any]) -> None:
        """Load parameters, before or after `configure`.

        Raises:
            CheckpointError: one is missing, unknown or does not fit; nothing has been written.
        """
        stored = self._check_params(pdict)
        self._loaded = True
        if not self.parameters and not stored:
            return
        self._stored, self._stored_states = stored, {}
        self.has_params = bool(stored)
        for name, parameter in self.parameters.items():
            self._restore(name, parameter)

    def set_states(self, pdict: dict[str, Any]) -> None:
        """Load the optimizer's states, a list for each name; none stored means a fresh start."""
        self._stored_states = self._check_states(pdict)
        for name, parameter in self.parameters.items():
            self._restore_states(name, parameter)

    def _restore(self, name: str, parameter: Parameter) -> None:
        check_fit(self, name, self._stored[name], parameter.value.shape)
        parameter.value.set(host_array(self._stored.pop(name)))
        parameter.filled = True
        self._restore_states(name, parameter)

    def _restore_states(self, name: str, parameter: Parameter) -> None:
        arrays = self._stored_states.pop(name, [])
        check_states(self, name, arrays, parameter.gradient.shape)
        restore_states(self, parameter.states, arrays, parameter.gradient)
