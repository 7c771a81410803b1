"""Optimizer: what all updates share: the parameter list, its checks, states and clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neonport.backends.home import home
from neonport.base import NervanaObject
from neonport.dtypes import compute_dtype
from neonport.errors import CheckpointError, ConfigurationError, ShapeError
from neonport.optimizers.schedules import as_schedule
from neonport.optimizers.shared.checks import bound, not_negative, rounding_bits
from neonport.optimizers.shared.rounding import rounded
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.optree.node import OpTreeNode

    Operand: TypeAlias = Tensor | OpTreeNode
    # ((parameter, gradient), states): the states are the layer's own list
    Param: TypeAlias = tuple[tuple[Tensor, Tensor], list[Tensor]]


def get_param_list(layer_list: Iterable[Any]) -> list[Param]:
    """Flatten what `get_params()` of the layers gives: one entry or a list of entries each.

    Example:
        model.initialize(train, cost)
        for (param, grad), states in get_param_list(model.layers_to_optimize):
            assert param.shape == grad.shape
    """
    params: list[Param] = []
    for layer in layer_list:
        entry = layer.get_params()
        params.extend(entry if isinstance(entry, list) else [entry])
    return params


COMMON: dict[str, Callable[[NervanaObject, str, Any], Any]] = {
    "stochastic_round": rounding_bits,
    "learning_rate": not_negative,
    "epsilon": not_negative,
    "gradient_clip_norm": bound,
    "gradient_clip_value": bound,
    "param_clip_value": bound,
    "wdecay": not_negative,
    "schedule": lambda owner, argument, value: as_schedule(owner, value),
}
"""Hyper-parameters that several optimizers have, each with the check that gives its value."""


class Optimizer(NervanaObject):
    """Base of optimizers.

    A parameter and its states are updated by one `be.assign_many`, in which every right-hand side
    reads old values: new states therefore appear in trees as trees. Hyper-parameters are Python
    floats, so that a changed learning rate compiles nothing.

    Args:
        name: given name.
        common: hyper-parameters that several optimizers have, by the names of `COMMON`; what is
            given becomes an attribute, after the check that stands there.

    Raises:
        ConfigurationError: one of them is out of range.

    Example:
        class Descent(Optimizer):
            def optimize(self, layer_list, epoch):
                for (param, grad), states in get_param_list(layer_list):
                    param[:] = param - 0.1 * grad / be.bsz

        model.fit(train, cost=cost, optimizer=Descent(), num_epochs=1)
    """

    be: Backend
    neon_module = "neon.optimizers.optimizer"
    stochastic_round: bool | int
    learning_rate: float
    epsilon: float
    gradient_clip_norm: float | None
    gradient_clip_value: float | None
    param_clip_value: float | None
    wdecay: float
    schedule: Any = None
    guard: Tensor | None = None

    def __init__(self, name: str | None = None, **common: Any) -> None:
        super().__init__(name=name)
        for argument, value in common.items():
            setattr(self, argument, COMMON[argument](self, argument, value))
        self._norms: dict[tuple[Backend, int], tuple[Tensor, list[Tensor], Tensor]] = {}

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once.

        Args:
            layer_list: layers with `get_params()`; gradients are sums over the batch.
            epoch: index of the epoch, from 0.

        Raises:
            ConfigurationError: no batch size is set, or states belong to another optimizer.
            ShapeError: a gradient has not the shape of its parameter.
        """
        raise NotImplementedError(f"{self.classnm} does not define optimize(layer_list, epoch)")

    def get_state(self) -> dict[str, Any]:
        """Return what the optimizer itself remembers, as plain values; layers hold the rest."""
        if hasattr(self.schedule, "get_state"):
            return {"schedule": self.schedule.get_state()}
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned.

        Raises:
            CheckpointError: the state is not one of this kind of optimizer.
        """
        if set(state) != set(self.get_state()):
            raise CheckpointError(
                f"{self.classnm}: state with keys {sorted(state)} is not of this optimizer, which "
                f"has {sorted(self.get_state())}"
            )
        if "schedule" in state:
            self.schedule.set_state(state["schedule"])

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch by the schedule."""
        return float(self.schedule.get_learning_rate(self.learning_rate, epoch))

    def prepare(
        self, layer_list: Iterable[Any], states: int, stochastic_round: bool | int = False
    ) -> list[Param]:
        """Return the checked parameter list, with zero states where a layer has none yet.

        States are float32, float64 of a float64 gradient, whatever shorter type parameters have.

        Args:
            layer_list: layers.
            states: how many states this optimizer keeps for a parameter.
            stochastic_round: rounding of the parameters, if they have 16 bits.

        Raises:
            ConfigurationError, ShapeError: see `optimize`; nothing was changed then.
        """
        params = get_param_list(layer_list)
        for (param, grad), kept in params:
            self._check(param, grad, len(kept), states)
        for (param, grad), kept in params:
            if not kept:
                # a mean square of float16 would underflow, and steps become far too large
                dtype = compute_dtype([grad.dtype])
                kept.extend(home(grad).zeros_like(grad, dtype=dtype) for _ in range(states))
            param.rounding = stochastic_round
        return params

    def _check(self, param: Tensor, grad: Tensor, kept: int, states: int) -> None:
        if not home(param).bsz:
            raise ConfigurationError(
                f"{self.classnm}: the backend has no batch size, by which gradients are divided; "
                "give one: gen_backend(batch_size=...) or be.bsz = ..."
            )
        if param.shape != grad.shape:
            raise ShapeError(
                f"{self.classnm}: gradient of shape {grad.shape} for parameter {param} of shape "
                f"{param.shape}"
            )
        if kept not in (0, states) and states:
            raise ConfigurationError(
                f"{self.classnm} keeps {states} state(s) a parameter, but parameter {param} of "
                f"shape {param.shape} comes with {kept}, which another optimizer left; load the "
                "model with weights_only=True (or load_states=False), or clear the layer's states"
            )
        param.check_writable(self.classnm)

    def apply(self, updates: Sequence[tuple[Tensor, Any]]) -> None:
        """Assign new values to a parameter and its states, all read before the first is written.

        Parameters of 16 bits are rounded stochastically if the optimizer is to. With a guard that
        is 0, nothing changes.

        Args:
            updates: pairs of a tensor and the tree of its new value.
        """
        be, guard = home(updates[0][0]), self.guard
        pairs = [
            (target, rounded(tree, target) if target.rounding else tree) for target, tree in updates
        ]
        if guard is not None:
            pairs = [(target, be.where(guard, tree, target)) for target, tree in pairs]
        be.assign_many(pairs)

    def set_guard(self, guard: Tensor | None) -> None:
        """Let updates happen only where a tensor (1, 1) on the device is not 0; None: always."""
        self.guard = guard

    def number(self, params: Sequence[Param], function: Callable[[], float]) -> float:
        """Return a number of the update that a recorded step computes anew at each replay."""
        return home(params[0][0][0]).number(function) if params else float(function())

    def mean_gradient(self, grad: Tensor, clip: float | None = None) -> OpTreeNode:
        """Return the gradient per sample, each element clipped to +-clip."""
        return self.clip_value(grad / float(home(grad).bsz), clip)

    def decayed(self, grad: Any, param: Tensor) -> Any:
        """Return the gradient plus wdecay * param, that of the penalty wdecay |param|^2 / 2."""
        return grad + float(self.wdecay) * param if self.wdecay else grad

    def clip_value(self, v: Operand, abs_bound: float | None = None) -> Any:
        """Return `v` clipped to +-abs(abs_bound), or `v` itself if there is no bound."""
        if not abs_bound:
            return v
        bound = abs(float(abs_bound))
        be = home(v)
        return be.clip(v, -bound, bound)

    def clip_gradient_norm(self, param_list: Sequence[Param], clip_norm: float | None) -> float:
        """Return the factor that limits the norm of all gradients together; waits for the device.

        Args:
            param_list: what `get_param_list` returns; gradients are sums over the batch.
            clip_norm: largest norm of the gradients per sample; None or 0 for none.

        Returns:
            clip / max(norm, clip), at most 1 (Pascanu et al., 2013).
        """
        return float(self.norm_scale(param_list, clip_norm))

    def norm_scale(self, param_list: Sequence[Param], clip_norm: float | None) -> float | Tensor:
        """Like `clip_gradient_norm`, but stays on the device: 1.0 or a tensor of shape (1, 1)."""
        if not clip_norm or not param_list:
            return 1.0
        clip = abs(float(clip_norm))
        grads = [grad for (_, grad), _ in param_list]
        be = home(grads[0])
        if any(home(grad) is not be for grad in grads):
            return self._joint_scale(grads, clip)
        squares, slots, scale = self._norm_buffers(be, len(grads))
        totals = [apply("reshape", be.sum(be.square(g)), shape=(1, 1)) for g in grads]
        be.assign_many(zip(slots, totals, strict=True))
        norm = be.sqrt(be.sum(squares, axis=1)) / float(be.bsz)
        scale[:] = clip / be.maximum(norm, clip)
        return scale

    def _joint_scale(self, grads: Sequence[Tensor], clip: float) -> float:
        """The factor for gradients on several backends; waits for all of them."""
        parts: dict[Backend, list[Tensor]] = {}
        for grad in grads:
            parts.setdefault(home(grad), []).append(grad)
        total = 0.0
        for be, some in parts.items():
            be.unrecordable("the norm of gradients on several backends is computed on the host")
            squares, slots, _ = self._norm_buffers(be, len(some))
            sums = [apply("reshape", be.sum(be.square(g)), shape=(1, 1)) for g in some]
            be.assign_many(zip(slots, sums, strict=True))
            total += float(squares.get().sum(dtype=np.float64)) / float(be.bsz) ** 2
        return clip / max(total**0.5, clip)

    def _norm_buffers(self, be: Backend, n: int) -> tuple[Tensor, list[Tensor], Tensor]:
        """Return `n` squared norms, a view of each, and the factor.

        At least float32: squares overflow float16 soon.
        """
        found = self._norms.get((be, n))
        if found is None:
            dtype = np.promote_types(be.default_dtype, np.float32)
            squares = be.empty((1, n), dtype=dtype)
            slots = [squares[:, i : i + 1] for i in range(n)]
            found = self._norms[be, n] = (squares, slots, be.empty((1, 1), dtype=dtype))
        return found


def scaled(scale: float | Tensor, v: Any) -> Any:
    """Return scale * v, or `v` itself where the scale is the number 1."""
    if isinstance(scale, Tensor) or scale != 1.0:
        return scale * v
    return v
