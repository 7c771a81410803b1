"""Multicost: a cost for each output of a Tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import label, need_configured
from neonport.layers.containers.paths import numbers
from neonport.layers.containers.tree import Tree
from neonport.layers.cost import CostLayer, minibatch_cost
from neonport.layers.deferred_cost import WeightedSum
from neonport.layers.layer_container import LayerContainer
from neonport.layers.sequential import Sequential

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class Multicost(CostLayer):
    """The weighted sum of costs, one for each output of a network.

    Args:
        costs: cost layers in the order of the outputs; a Multicost for an output that is a Tree.
        weights: factors of costs and errors; None for 1.
        name: given name, or None.

    Attributes:
        costfunc, cost, outputs: those of the first cost, the trunk's.

    Raises:
        ConfigurationError: no costs, something that is none, or another number of weights.

    Example:
        fork = BranchNode("fork")
        trunk = [Affine(nout=5, init=Gaussian()), fork, Affine(nout=3, init=Gaussian())]
        model = Model(Tree([trunk, [fork, Affine(nout=3, init=Gaussian())]]))
        costs = [GeneralizedCost(costfunc=SumSquared()) for _ in range(2)]
        model.fit(train, Multicost(costs, weights=[1, 0.5]), optimizer, num_epochs=1)
    """

    be: Backend
    neon_module = "neon.layers.container"

    def __init__(self, costs: Any, weights: Any = None, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(costs, (list, tuple)) or not costs:
            raise ConfigurationError(
                f"{label(self)}: costs must be a list of cost layers, one an output, such as "
                "[GeneralizedCost(costfunc=CrossEntropyMulti())]"
            )
        for cost in costs:
            if isinstance(cost, type) or not hasattr(cost, "get_errors"):
                raise ConfigurationError(
                    f"{label(self)}: {cost!r} is no cost layer; give "
                    "GeneralizedCost(costfunc=...) or another Multicost"
                )
        if len({id(cost) for cost in costs}) < len(costs):
            raise ConfigurationError(
                f"{label(self)}: a cost stands there twice, but has one set of buffers; make one "
                "for each output"
            )
        self.costs = list(costs)
        self.weights = numbers(self, "weights", weights, len(self.costs))  # type: ignore[arg-type]
        self._connected: Any = None

    @property
    def costfunc(self) -> Any:
        """The function of the first cost."""
        return self.costs[0].costfunc

    @property
    def outputs(self) -> Any:
        """The cost of every column by the first cost."""
        return self.costs[0].outputs

    @property
    def cost(self) -> Any:
        """The first cost of the last minibatch, (1, 1)."""
        return self.costs[0].cost

    @property
    def last_cost(self) -> Any:
        """The first cost of the last minibatch, which may still be on the device."""
        return getattr(self.costs[0], "last_cost", None)

    @last_cost.setter
    def last_cost(self, value: Any) -> None:
        for cost in self.costs:
            cost.last_cost = value

    @property
    def deltas(self) -> list[Any]:
        """The errors of all outputs."""
        return [cost.deltas for cost in self.costs]

    @property
    def prev_layer(self) -> Any:
        """The network whose outputs are judged."""
        return self._connected

    @prev_layer.setter
    def prev_layer(self, layer: Any) -> None:
        self._connected = layer
        if layer is None:
            for cost in self.costs:
                cost.prev_layer = None

    def initialize(self, in_obj: Any) -> None:
        """Connect each cost to its output.

        Args:
            in_obj: a configured Tree, a chain that ends in one, or a list of layers.

        Raises:
            ConfigurationError: another number of outputs than of costs.
        """
        ends = _ends(in_obj)
        if len(ends) != len(self.costs):
            raise ConfigurationError(
                f"{label(self)}: {len(self.costs)} costs, but the network has {len(ends)} "
                "output(s); give one cost for each path of the Tree, trunk first"
            )
        for cost, end in zip(self.costs, ends, strict=True):
            cost.initialize(end)
        self._connected = in_obj

    def measure(self, inputs: Any, targets: Any) -> Any:
        """Weighted sum of the costs, which wait on the device until somebody reads it.

        Args:
            inputs: list of outputs; a tensor (of SingleOutputTree at inference) is the first's.
            targets: list of targets, None for an output that has none in this minibatch; anything
                else is the target of all outputs.
        """
        if not isinstance(inputs, (list, tuple)):
            first = targets[0] if self._several(targets) else targets
            return minibatch_cost(self.costs[0], inputs, first)
        parts = []
        for cost, weight, y, t in self._outputs(inputs, targets):
            if t is None:
                cost.last_cost = np.zeros((1, 1))
            else:
                parts.append((weight, minibatch_cost(cost, y, t)))
        return WeightedSum(parts)

    def get_errors(self, inputs: Any, targets: Any) -> list[Any]:
        """Fill and return the errors of all outputs, each times its weight.

        Args:
            inputs, targets: as of `measure`; the error of an output without target is 0.
        """
        return [
            _weighted(cost, weight, y, t) for cost, weight, y, t in self._outputs(inputs, targets)
        ]

    def _several(self, targets: Any) -> bool:
        return isinstance(targets, list) and len(targets) == len(self.costs)

    def _outputs(self, inputs: Any, targets: Any) -> list[tuple[Any, float, Any, Any]]:
        """Cost, weight, output and target of each output."""
        count = len(self.costs)
        if not isinstance(inputs, (list, tuple)) or len(inputs) != count:
            found = len(inputs) if isinstance(inputs, (list, tuple)) else type(inputs).__name__
            raise ConfigurationError(f"{label(self)}: {count} costs, but got {found} outputs")
        if not isinstance(targets, list):
            targets = [targets] * count  # a tuple is one target, with its mask
        if len(targets) != count:
            raise ConfigurationError(
                f"{label(self)}: {count} costs, but {len(targets)} targets; give one for each "
                "output, None for an output without"
            )
        return list(zip(self.costs, self.weights, inputs, targets, strict=True))


def _weighted(cost: Any, weight: float, y: Any, t: Any) -> Any:
    if t is None:
        _fill_with_zeros(cost.deltas)
        return cost.deltas
    errors = cost.get_errors(y, t)
    _scale(errors, weight)
    return errors


def _scale(errors: Any, weight: float) -> None:
    if isinstance(errors, list):
        for error in errors:
            _scale(error, weight)
    elif weight != 1:
        errors[:] = errors * weight


def _fill_with_zeros(deltas: Any) -> None:
    if isinstance(deltas, list):
        for part in deltas:
            _fill_with_zeros(part)
    else:
        deltas[:] = 0


def _ends(in_obj: Any) -> list[Any]:
    """The layers or paths that give the outputs of a network."""
    if isinstance(in_obj, (list, tuple)):
        return list(in_obj)
    if isinstance(in_obj, Tree):
        return list(in_obj.layers)
    if isinstance(in_obj, Sequential) and isinstance(in_obj.out_shape, list):
        return _ends(in_obj.layers[-1])
    if isinstance(in_obj, LayerContainer) and isinstance(in_obj.out_shape, list):
        return list(in_obj.get_terminal())
    if isinstance(in_obj, Layer):
        need_configured(in_obj, "use in a Multicost")
    return [in_obj]
