"""Cost layers: the value of a cost function over a batch, and the error it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from neonport.base import NervanaObject, need_instance, shown
from neonport.errors import ConfigurationError, ShapeError
from neonport.layers.base import Layer, interpret_in_shape
from neonport.layers.checks import label, need_backend, need_configured
from neonport.layers.deferred_cost import DeferredCost, DeferredCosts
from neonport.layers.parameter import stats_dtype
from neonport.tensor.tensor import Tensor
from neonport.transforms.metrics import Metric
from neonport.transforms.transform import Transform

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class CostLayer(NervanaObject):
    """Base of cost layers: the cost of a minibatch stays on the device until somebody reads it."""

    be: Backend
    _not_parts: ClassVar[tuple[str, ...]] = ("prev_layer",)

    def measure(self, inputs: Any, targets: Any) -> DeferredCost:
        """Mean cost over all columns. Subclasses implement it.

        Args:
            inputs: what the model computed.
            targets: what it should have.
        """
        raise NotImplementedError(f"{self.classnm} must implement measure(inputs, targets)")

    def get_cost(self, inputs: Any, targets: Any) -> np.ndarray:
        """Mean cost over all columns, as a host array (1, 1); waits for the device.

        Args:
            inputs: what the model computed.
            targets: what it should have.
        """
        return self.measure(inputs, targets).get()


class GeneralizedCost(CostLayer):
    """Applies a cost function to the outputs of a layer.

    Args:
        costfunc: a Cost such as CrossEntropyMulti().
        name: given name, or None.

    Raises:
        ConfigurationError: `costfunc` is no cost: a class, text, a metric or an activation.

    Example:
        cost = GeneralizedCost(costfunc=CrossEntropyMulti())
        model = Model([Affine(nout=3, init=Gaussian(), activation=Softmax())])
        model.initialize(train, cost)
        y = model.fprop(x)
        print(cost.get_cost(y, t))
        model.bprop(cost.get_errors(y, t))

    Attributes:
        outputs: cost of every column, (1, steps * batch).
        deltas: gradient of the *sum* over the columns; the optimizer divides by the batch size.
        last_cost: mean over all columns in the last call of `measure` or `get_cost`; a
            `DeferredCost`, or a host array (1, 1).
    """

    neon_module = "neon.layers.layer"

    def __init__(self, costfunc: Any, name: str | None = None) -> None:
        super().__init__(name)
        need_instance(label(self), "costfunc", costfunc, "CrossEntropyMulti()")
        kind = "a metric, which has no gradient" if isinstance(costfunc, Metric) else ""
        kind = kind or ("an activation" if isinstance(costfunc, Transform) else "")
        if not kind and not (callable(costfunc) and callable(getattr(costfunc, "bprop", None))):
            kind = "no cost function: it needs __call__(y, t) and bprop(y, t)"
        if kind:
            raise ConfigurationError(
                f"{label(self)}: costfunc is {shown(costfunc)}, {kind}; give an instance such as "
                "CrossEntropyMulti() or SumSquared()"
            )
        self.costfunc = costfunc
        self.prev_layer: Any = None
        self.nstep = 1
        self.outputs: Any = None
        self.deltas: Any = None
        self.last_cost: Any = None
        self._costs: DeferredCosts | None = None

    def initialize(self, in_obj: Layer) -> None:
        """Make the buffers.

        Args:
            in_obj: the configured layer (or container) whose outputs are judged.

        Raises:
            ConfigurationError: it is not a configured layer with one output.
        """
        if not isinstance(in_obj, Layer):
            raise ConfigurationError(
                f"{label(self)}: initialize takes the last layer, got {in_obj!r}"
            )
        need_configured(in_obj, f"use in {label(self)}")
        if isinstance(in_obj.out_shape, list):
            raise ConfigurationError(
                f"{label(self)}: {label(in_obj)} has {len(in_obj.out_shape)} outputs; give a "
                "Multicost with a cost for each of them"
            )
        need_backend(self)
        self.prev_layer = in_obj
        _, self.nstep = interpret_in_shape(in_obj.out_shape)
        self.outputs = self.be.iobuf((1, self.nstep))
        self.deltas = self.be.iobuf(in_obj.out_shape)
        dtype = stats_dtype(self.be)
        self._costs = DeferredCosts(self.be, dtype)
        self.last_cost = np.zeros((1, 1), dtype)

    @property
    def cost(self) -> Any:
        """The last cost as a host array (1, 1), None before `initialize`; waits for the device."""
        last = self.last_cost
        return last.get() if isinstance(last, DeferredCost) else last

    @cost.setter
    def cost(self, value: Any) -> None:
        self.last_cost = value

    def measure(self, inputs: Any, targets: Any) -> DeferredCost:
        """Mean cost over all columns, which waits on the device until somebody reads it.

        Args:
            inputs: what the model computed.
            targets: what it should have.
        """
        self._check(inputs)
        return self._keep_mean(self.costfunc(inputs, targets))

    def get_errors(self, inputs: Any, targets: Any) -> Tensor:
        """Fill and return `deltas`, the gradient with respect to `inputs`."""
        self._check(inputs)
        self.deltas[:] = self.costfunc.bprop(inputs, targets)
        return self.deltas

    def _keep_mean(self, tree: Any, weight: float = 1.0) -> DeferredCost:
        assert self._costs is not None  # `_check` was before this
        self.outputs[:] = tree
        mean = self.be.mean(self.outputs, axis=1)
        cost = self.last_cost = self._costs.assign(mean if weight == 1 else mean * weight)
        return cost

    def _check(self, inputs: Any) -> None:
        if self.deltas is None:
            raise ConfigurationError(
                f"{label(self)}: used before initialize; call cost.initialize(last_layer) after "
                "configure (Model.initialize does)"
            )
        if isinstance(inputs, Tensor) and inputs.shape != self.deltas.shape:
            raise ShapeError(
                f"{label(self)}: the outputs have shape {inputs.shape}, the cost was initialised "
                f"for {self.deltas.shape} (out_shape {self.prev_layer.out_shape} of "
                f"{label(self.prev_layer)})"
            )


class GeneralizedCostMask(GeneralizedCost):
    """A cost that a mask in the targets restricts: targets are pairs (target, mask).

    The mean divides by all columns, masked ones included.

    Args:
        costfunc: a Cost.
        weights: factor of cost and error.
        name: given name, or None.

    Example:
        cost = GeneralizedCostMask(costfunc=SumSquared())
        model = Model([Affine(nout=3, init=Gaussian())])
        model.initialize(train, cost)
        mask = be.zeros((3, 4))
        assert cost.get_cost(model.fprop(x), (t, mask)) == 0
    """

    neon_module = "neon.layers.layer"

    def __init__(self, costfunc: Any, weights: float = 1.0, name: str | None = None) -> None:
        super().__init__(costfunc, name)
        self.weights = weights

    def measure(self, inputs: Any, targets_mask: Any) -> DeferredCost:
        """Mean of costfunc(y * mask, t * mask) over all columns, times the weight."""
        self._check(inputs)
        targets, mask = self._pair(targets_mask)
        return self._keep_mean(self.costfunc(inputs * mask, targets * mask), self.weights)

    def get_errors(self, inputs: Any, targets_mask: Any) -> Tensor:
        """Fill and return `deltas`: costfunc.bprop(y, t) * mask * weight."""
        self._check(inputs)
        targets, mask = self._pair(targets_mask)
        self.deltas[:] = self.costfunc.bprop(inputs, targets) * mask * self.weights
        return self.deltas

    def _pair(self, targets: Any) -> tuple[Any, Any]:
        if not isinstance(targets, (tuple, list)) or len(targets) != 2:
            raise ConfigurationError(
                f"{label(self)}: the targets must be a pair (target, mask), got "
                f"{type(targets).__name__}; for targets without a mask use GeneralizedCost"
            )
        return targets[0], targets[1]


class GeneralizedGANCost(GeneralizedCost):
    """The costs of a generator and a discriminator, and the errors of each.

    Args:
        costfunc: a GANCost.
        name: given name, or None.

    Raises:
        ConfigurationError: `costfunc` is no GANCost.

    Example:
        cost = GeneralizedGANCost(costfunc=GANCost(func="modified"))
        model = Model([Affine(nout=1, init=Gaussian(), activation=Logistic())])
        model.initialize(train, cost)
        y = model.fprop(x)
        print(cost.get_cost(y, y, cost_type="dis"))
        model.bprop(cost.get_errors_data(y))
    """

    neon_module = "neon.layers.layer"

    def __init__(self, costfunc: Any, name: str | None = None) -> None:
        super().__init__(costfunc, name)
        if not callable(getattr(costfunc, "bprop_generator", None)):
            raise ConfigurationError(
                f"{label(self)}: costfunc is {shown(costfunc)}; an adversarial pair needs a GANCost"
            )

    def measure(self, y_data: Any, y_noise: Any, cost_type: str = "dis") -> DeferredCost:
        """Mean cost over all columns.

        Args:
            y_data: output of the discriminator for data.
            y_noise: its output for generated samples.
            cost_type: `dis`, `dis_data`, `dis_noise` or `gen`; see GANCost.
        """
        self._check(y_data)
        return self._keep_mean(self.costfunc(y_data, y_noise, cost_type=cost_type))

    def get_cost(self, y_data: Any, y_noise: Any, cost_type: str | None = None) -> np.ndarray:
        """Mean cost over all columns, as a host array (1, 1); waits for the device.

        Args:
            y_data, y_noise: as of `measure`.
            cost_type: as of `measure`; None for that of the costfunc.
        """
        kind = self.costfunc.cost_type if cost_type is None else cost_type
        return self.measure(y_data, y_noise, kind).get()

    def get_errors_data(self, y_data: Any) -> Tensor:
        """Fill and return `deltas`: the discriminator's gradient of the data term."""
        self._check(y_data)
        self.deltas[:] = self.costfunc.bprop_data(y_data)
        return self.deltas

    def get_errors_noise(self, y_noise: Any) -> Tensor:
        """Fill and return `deltas`: the discriminator's gradient of the noise term."""
        self._check(y_noise)
        self.deltas[:] = self.costfunc.bprop_noise(y_noise)
        return self.deltas

    def get_errors_generator(self, y_noise: Any) -> Tensor:
        """Fill and return `deltas`: the gradient of the generator's cost."""
        self._check(y_noise)
        self.deltas[:] = self.costfunc.bprop_generator(y_noise)
        return self.deltas


class SampleWeightedCost(GeneralizedCost):
    """A cost that counts samples by weights: targets are pairs (target, weights).

    The mean divides by the number of columns, not by the sum of the weights. Targets that are no
    pair count as ever, so that the same cost judges held-out data.

    Args:
        costfunc: a Cost.
        name: given name, or None.

    Example:
        cost = SampleWeightedCost(costfunc=SumSquared())
        model = Model([Affine(nout=3, init=Gaussian())])
        model.initialize(train, cost)
        assert cost.get_cost(model.fprop(x), (t, be.zeros((1, 4)))) == 0
    """

    neon_module = "neonport.layers.cost"

    def measure(self, inputs: Any, targets: Any) -> DeferredCost:
        """Mean of costfunc(y, t) * weights over all columns."""
        if not isinstance(targets, (tuple, list)):
            return super().measure(inputs, targets)
        self._check(inputs)
        targets, weights = targets
        return self._keep_mean(self.costfunc(inputs, targets) * weights)

    def get_errors(self, inputs: Any, targets: Any) -> Tensor:
        """Fill and return `deltas`: costfunc.bprop(y, t) * weights."""
        if not isinstance(targets, (tuple, list)):
            return super().get_errors(inputs, targets)
        self._check(inputs)
        targets, weights = targets
        self.deltas[:] = self.costfunc.bprop(inputs, targets) * weights
        return self.deltas


def minibatch_cost(cost: Any, outputs: Any, targets: Any) -> Any:
    """The cost of a minibatch: on the device if the cost layer leaves it there, else on the host.

    A class of its own may define `get_cost` alone, as neon's do.
    """
    if isinstance(cost, CostLayer) and type(cost).get_cost is CostLayer.get_cost:
        return cost.measure(outputs, targets)
    return cost.get_cost(outputs, targets)
