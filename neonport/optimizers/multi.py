"""MultiOptimizer: another optimizer for each layer, chosen by its name or class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from neonport.base import shown
from neonport.errors import CheckpointError, ConfigurationError
from neonport.optimizers.base import Optimizer
from neonport.tensor.tensor import Tensor


class MultiOptimizer(Optimizer):
    """Give each layer to the optimizer of its name, else of its class, else to `default`.

    The class is the exact one (`Linear`, `Bias`, `Convolution_bias`, `BatchNorm`, ...): compound
    layers like `Affine` are split before. One optimizer may stand under several keys; its layers
    are then updated together. Clipping by norm is per optimizer.

    Args:
        optimizer_mapping: layer name or class name -> optimizer; needs the key `default`.
        name: given name.

    Attributes:
        map_list: optimizer -> layers, of the last call.

    Raises:
        ConfigurationError: there is no `default`, or a value is not an optimizer.

    Example:
        mapping = {"default": Adam(), "Bias": GradientDescentMomentum(0.1, momentum_coef=0.9)}
        model.fit(train, cost=cost, optimizer=MultiOptimizer(mapping), num_epochs=1)
    """

    neon_module = "neon.optimizers.optimizer"
    _not_parts: ClassVar[tuple[str, ...]] = ("map_list",)

    def __init__(self, optimizer_mapping: Mapping[str, Optimizer], name: str | None = None) -> None:
        super().__init__(name=name)
        self._reset_mapping(optimizer_mapping)

    def _reset_mapping(self, new_mapping: Mapping[str, Optimizer]) -> None:
        """Use another mapping from now on."""
        if not isinstance(new_mapping, Mapping):
            raise ConfigurationError(
                f"MultiOptimizer: {shown(new_mapping)} is no mapping; give names and optimizers: "
                "{'default': Adam(), 'Bias': GradientDescentMomentum(0.1, 0.9)}"
            )
        for key, optimizer in new_mapping.items():
            if not isinstance(optimizer, Optimizer):
                raise ConfigurationError(
                    f"MultiOptimizer: {key!r} maps to {optimizer!r}, which is not an optimizer"
                )
        if "default" not in new_mapping:
            raise ConfigurationError(
                f"MultiOptimizer: the mapping of {sorted(new_mapping)} needs a key 'default', for "
                "layers that no other key names"
            )
        self.optimizer_mapping = dict(new_mapping)
        self.map_list: dict[Optimizer, list[Any]] | None = None

    def _map_optimizers(self, layer_list: Iterable[Any]) -> dict[Optimizer, list[Any]]:
        """Return optimizer -> layers, in the order of the layers."""
        # not cached: a few dictionary look-ups a layer, and a cache by id would go stale
        groups: dict[Optimizer, list[Any]] = {}
        for layer in layer_list:
            keys = (getattr(layer, "name", None), type(layer).__name__, "default")
            key = next(k for k in keys if k in self.optimizer_mapping)
            groups.setdefault(self.optimizer_mapping[key], []).append(layer)
        return groups

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        self.map_list = self._map_optimizers(layer_list)
        for optimizer, layers in self.map_list.items():
            optimizer.optimize(layers, epoch)

    def set_guard(self, guard: Tensor | None) -> None:
        """Guard the updates of all optimizers; see `Optimizer.set_guard`."""
        for optimizer in self.optimizer_mapping.values():
            optimizer.set_guard(guard)

    def get_state(self) -> dict[str, Any]:
        """Return the state of each optimizer under its key."""
        return {key: opt.get_state() for key, opt in self.optimizer_mapping.items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned.

        Raises:
            CheckpointError: keys or states do not fit the mapping; nothing was changed then.
        """
        super().set_state(state)
        before = self.get_state()
        try:
            for key, optimizer in self.optimizer_mapping.items():
                optimizer.set_state(state[key])
        except CheckpointError:
            for key, optimizer in self.optimizer_mapping.items():
                optimizer.set_state(before[key])
            raise

    def get_description(self, skip: Iterable[str] = (), **kwargs: Any) -> dict[str, Any]:
        """Describe the mapping; each optimizer is described under its key."""
        mapping = {key: opt.get_description() for key, opt in self.optimizer_mapping.items()}
        self._desc = {"type": self.modulenm, "config": {"optimizer_mapping": mapping}}
        return self._desc
