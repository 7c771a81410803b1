"""ParameterLayer: the base of layers with one weight tensor W and its gradient dW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from neonport.errors import BackendMismatchError, CheckpointError, ConfigurationError, ShapeError
from neonport.layers.base import Layer
from neonport.layers.checks import check_init, label
from neonport.layers.parameter_io import (
    check_fit,
    check_names,
    check_states,
    host_array,
    host_states,
    params_of,
    restore_states,
)
from neonport.tensor.tensor import Tensor

Params = tuple[tuple[Tensor, Tensor], list[Any]]


def stats_dtype(be: Any) -> Any:
    """Dtype of sums and statistics: float32, float64 on a float64 backend."""
    return np.float64 if np.dtype(be.default_dtype) == np.float64 else np.float32


def fill_parameter(layer: Any, tensor: Tensor, init: Any, what: str = "init") -> None:
    """Give a new parameter its first values.

    Args:
        layer: whose parameter, for errors.
        tensor: the parameter.
        init: initializer, or an array or tensor of the same shape.
        what: name of the argument `init` came from, for errors.

    Raises:
        ConfigurationError: no initializer.
        ShapeError: the array has another shape.
        BackendMismatchError: the tensor lives elsewhere.
    """
    if init is None:
        raise ConfigurationError(
            f"{label(layer)}: no {what} and no loaded weights; give {what}=Gaussian() or the like, "
            "or load_weights before allocate"
        )
    init = check_init(layer, init, what)
    if not isinstance(init, (np.ndarray, Tensor)):
        init.fill(tensor)
        return
    if tuple(init.shape) != tensor.shape:
        raise ShapeError(
            f"{label(layer)}: {what} is an array of shape {tuple(init.shape)}, the parameter has "
            f"shape {tensor.shape}; give an array of that shape"
        )
    if isinstance(init, Tensor) and init.backend is not tensor.backend:
        raise BackendMismatchError(
            f"{label(layer)}: {what} is a tensor on {init.backend}, the layer is on "
            f"{tensor.backend}; give {what}=tensor.get()"
        )
    tensor[:] = init


class ParameterLayer(Layer):
    """A layer with weights; subclasses set `weight_shape` and `out_shape` in `configure`.

    Args:
        init: initializer of W or its name ("he_normal"), or an array (ndarray or Tensor) of its
            shape; None if W is loaded.
        name: given name, or None.
        parallelism: label kept for neon.

    Attributes:
        W, dW: weights and their gradient, summed over the batch (the optimizer divides).
        weight_shape: shape of W.
        batch_sum: (rows, 1) sums over the columns of the outputs, if `batch_sum_shape` is set.
        states: the optimizer's tensors, a list that it fills in place.
        stored_params: names under which a checkpoint holds the parameters.

    Example:
        class Scale(ParameterLayer):
            def configure(self, in_obj):
                super().configure(in_obj)
                self.out_shape = self.in_shape
                self.weight_shape = (self.in_shape, 1)
                return self

            def fprop(self, inputs, inference=False):
                self.inputs = inputs
                self.outputs[:] = self.W * inputs
                return self.outputs

            def bprop(self, error):
                self.dW[:] = self.be.sum(error * self.inputs, axis=1)
                error[:] = error * self.W
                return error

        layer = Scale(init=Constant(3))
        layer.configure(3)
        layer.allocate()
        assert np.allclose(layer.fprop(x).get(), 3 * x.get())
    """

    neon_module = "neon.layers.layer"
    stored_params: ClassVar[tuple[str, ...]] = ("W",)
    local_weights: ClassVar[bool] = False  # W is (C*R*S, K), not (nout, nin): for initializers

    def __init__(
        self, init: Any = None, name: str | None = None, parallelism: str = "Unknown"
    ) -> None:
        super().__init__(name, parallelism)
        self.init = check_init(self, init)
        self.has_params = True
        self.owns_delta = True
        self.W: Any = None
        self.dW: Any = None
        self.weight_shape: Any = None
        self.batch_sum: Any = None
        self.batch_sum_shape: Any = None
        self.states: list[Any] = []
        self.acc_dW: Any = None

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs and weights; weights that were loaded before are kept.

        Args:
            shared_outputs: memory for the outputs.
            accumulate_updates: also make what `set_acc_on` needs.

        Raises:
            ConfigurationError: not configured, or no initializer.
            CheckpointError: loaded weights of another shape.
        """
        super().allocate(shared_outputs)
        if self.weight_shape is None:
            raise ConfigurationError(f"{label(self)}: configure did not set self.weight_shape")
        if self.W is None:
            self.init_params(self.weight_shape)
        else:
            check_fit(self, "W", self.W, tuple(self.weight_shape))
        if self.batch_sum is None and self.batch_sum_shape is not None:
            self.batch_sum = self.be.empty(self.batch_sum_shape, dtype=stats_dtype(self.be))
        self.accumulate_updates = bool(accumulate_updates or self.accumulate_updates)
        if self.accumulate_updates and not self.acc_params:
            self.acc_dW = self.be.empty_like(self.dW)
            self.acc_params = [(self.acc_dW, self.dW)]

    def init_params(self, shape: tuple[int, ...]) -> None:
        """Make W of `shape` and fill it, make dW, forget states."""
        weights = self.be.empty(shape, **self.get_param_attrs())
        fill_parameter(self, weights, self.init)
        self.W = weights
        self.dW = self.be.empty_like(weights)
        self.states.clear()

    def get_params(self) -> Any:
        """`((W, dW), states)` for the optimizer."""
        return (self.W, self.dW), self.states

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the layer.

        Args:
            get_weights: add host arrays of the parameters under `params`.
            keep_states: with weights, add the optimizer's under `states`.
            kwargs: passed on (`skip`).

        Raises:
            ConfigurationError: weights wanted and there are none yet.
        """
        desc = super().get_description(**kwargs)
        init = desc["config"].get("init")
        if isinstance(init, Tensor):
            desc["config"]["init"] = init.get()
        if get_weights:
            if self.W is None:
                raise ConfigurationError(
                    f"{label(self)} has no weights yet; allocate or load them first"
                )
            desc["params"] = {"W": self.W.get()}
            if keep_states:
                desc["states"] = host_states(self.states)
        return desc

    def get_params_serialize(self, keep_states: bool = True) -> dict[str, Any]:
        """The description with weights."""
        return self.get_description(get_weights=True, keep_states=keep_states)

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        Raises:
            CheckpointError: entries are missing, too many, or do not fit.
        """
        super().check_weights(pdict, load_states)
        params = self._check_params(pdict)
        if type(self).set_params is ParameterLayer.set_params:
            check_names(self, "params", params, self.stored_params)
        if load_states and type(self).set_states is ParameterLayer.set_states:
            check_states(self, "W", pdict.get("states"), self._stored_shape(params))

    def _check_params(self, pdict: dict[str, Any]) -> Mapping[str, Any]:
        params = params_of(self, pdict)
        if not isinstance(params, Mapping):
            raise CheckpointError(
                f"{label(self)}: 'params' is a {type(params).__name__}, expected a dict with 'W'; "
                "files of other layouts are not read: give the array by layer.set_params({'W': w})"
            )
        shapes = self._parameter_shapes()
        for key, value in params.items():
            current = getattr(self, key, None) if isinstance(key, str) else None
            if isinstance(current, Tensor) or key in self.stored_params:
                known = current.shape if isinstance(current, Tensor) else shapes.get(key)
                check_fit(self, key, value, known)
            elif not isinstance(key, str) or hasattr(self, key):
                raise CheckpointError(
                    f"{label(self)}: {str(key)[:80]!r} is part of the class, not a parameter"
                )
        return params

    def _parameter_shapes(self) -> dict[str, Any]:
        """Shapes that are known before there are tensors, by name; None before `configure`."""
        return {"W": None if self.weight_shape is None else tuple(self.weight_shape)}

    def _stored_shape(self, params: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Shape that W will have once `params` are loaded."""
        if isinstance(self.W, Tensor):
            return self.W.shape
        if self.weight_shape is not None:
            return tuple(self.weight_shape)
        shape = np.shape(params.get("W", ()))
        return shape if len(shape) > 1 else (int(np.prod(shape)), 1)

    def set_params(self, pdict: dict[str, Any]) -> None:
        """Load parameters, before or after `allocate`.

        Args:
            pdict: a description whose `params` maps attribute names to values: a tensor attribute
                is set, another array becomes a tensor, the rest a plain attribute.

        Raises:
            CheckpointError: no `params`, or a shape that does not fit; nothing has been written.
        """
        params = self._check_params(pdict)
        for key, value in params.items():
            current = getattr(self, key, None)
            if isinstance(current, Tensor):
                current.set(host_array(value))
            elif isinstance(value, (np.ndarray, Tensor)):
                setattr(self, key, self.be.array(host_array(value)))
            else:
                setattr(self, key, value)
        if self.dW is None and self.W is not None:
            self.dW = self.be.empty_like(self.W)

    def set_states(self, pdict: dict[str, Any]) -> None:
        """Load the optimizer's states; none stored means that it starts fresh.

        Raises:
            CheckpointError: a state does not fit W.
        """
        arrays = pdict.get("states")
        check_states(self, "W", arrays, None if self.dW is None else self.dW.shape)
        restore_states(self, self.states, arrays, self.dW)
