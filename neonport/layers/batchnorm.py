"""BatchNorm (Ioffe and Szegedy, 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neonport.errors import CheckpointError, ConfigurationError
from neonport.layers.activation import Activation
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label
from neonport.layers.parameter import stats_dtype
from neonport.layers.parameter_io import (
    check_fit,
    check_names,
    host_array,
    host_states,
    params_of,
    restore_states,
    states_of_each,
)
from neonport.layers.shapes import interpret_in_shape, leading
from neonport.tensor.tensor import Tensor
from neonport.transforms.rectifiers import Rectlin

STORED = ("beta", "gamma", "gmean", "gvar")


class BatchNorm(Layer):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta for every feature (map), over the batch.

    Training uses the batch's own mean and biased variance and moves the running ones; inference
    uses the running ones.

    In a chain, the rectifier of an Activation above is made in the same pass over memory, and so is
    its gradient: then that layer hands on what it gets. A layer that is run by itself normalises.

    Args:
        rho: share of the old running statistics that a step keeps, 0 <= rho <= 1.
        eps: added to the variance, > 0.
        name: given name, or None.
        binary: use power-of-two shifts for multiplications (ShiftBatchNorm).

    Attributes:
        nfm: number of features or maps; inputs are seen as (nfm, -1).
        gamma, beta: parameters (nfm, 1), with `grad_gamma`, `grad_beta`.
        gmean, gvar: running statistics (nfm, 1).
        x, y: the inputs and outputs seen as (nfm, -1).
        in_chain: whether a chain runs it now, and the layer above right after it.
        made_above: the Activation whose transform the last `fprop` made, or None.

    Example:
        layer = BatchNorm(rho=0.9)
        layer.configure(3)
        layer.allocate()
        outputs = layer.fprop(x).get()
        assert np.allclose(outputs.mean(axis=1), 0, atol=1e-6)
    """

    neon_module = "neon.layers.layer"
    _not_parts = (*Layer._not_parts, "made_above")

    def __init__(
        self, rho: float = 0.9, eps: float = 1e-3, name: str | None = None, binary: bool = False
    ) -> None:
        super().__init__(name)
        if not 0 <= rho <= 1 or not eps > 0:
            raise ConfigurationError(
                f"{label(self)}: needs 0 <= rho <= 1 and eps > 0, got {rho}, {eps}"
            )
        self.rho = rho
        self.eps = eps
        self.binary = binary
        self.has_params = True
        self.owns_delta = True
        self.nfm: int | None = None
        self.allparams: list[Tensor] | None = None
        self.gamma: Any = None
        self.beta: Any = None
        self.gmean: Any = None
        self.gvar: Any = None
        self.grad_gamma: Any = None
        self.grad_beta: Any = None
        self.xvar: Any = None
        self.x: Any = None
        self.y: Any = None
        self._own_sum: Any = None
        self.in_chain = False
        self.made_above: Any = None
        self._error: tuple[Any, Any, Any, Any] | None = None
        self.states: list[list[Any]] = [[], []]

    def __str__(self) -> str:
        known = self.in_shape is not None
        nin, steps = interpret_in_shape(self.in_shape) if known else ("?", "?")
        return (
            f"{self.classnm} Layer '{self.name}': {nin} inputs, {steps} steps, "
            f"{self.nfm or '?'} feature maps"
        )

    def configure(self, in_obj: Any) -> BatchNorm:
        """The shape stays; the first entry of it is the number of maps."""
        super().configure(in_obj)
        interpret_in_shape(self.in_shape)
        self.out_shape = self.in_shape
        self.nfm = leading(self.in_shape)
        self.inputs = self._error = self.made_above = None
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, parameters (unless loaded) and scratch."""
        super().allocate(shared_outputs)
        assert self.nfm is not None
        self.y = self.outputs.reshape((self.nfm, -1))
        if self.allparams is None:
            self.init_params(self.nfm)
        check_fit(self, "gamma", self.gamma, (self.nfm, 1))
        if self.xvar is None:
            self.xvar = self.be.zeros_like(self.gmean)
            self._own_sum = self.be.zeros_like(self.gmean)
        self.accumulate_updates = bool(accumulate_updates or self.accumulate_updates)
        if self.accumulate_updates and not self.acc_params:
            pairs = (("acc_grad_beta", self.grad_beta), ("acc_grad_gamma", self.grad_gamma))
            for attribute, gradient in pairs:
                setattr(self, attribute, self.be.zeros_like(gradient))
                self.acc_params.append((getattr(self, attribute), gradient))

    def init_params(self, dim0: int) -> None:
        """Make gamma = 1, beta = gmean = gvar = 0, each (dim0, 1), and the gradients."""
        kind = stats_dtype(self.be)
        values = {"beta": 0.0, "gamma": 1.0, "gmean": 0.0, "gvar": 0.0}
        for key, value in values.items():
            setattr(self, key, self.be.zeros((dim0, 1), dtype=kind).fill(value))
        self._collect()

    def _collect(self) -> None:
        self.allparams = [getattr(self, key) for key in STORED]
        if self.grad_beta is None:
            self.grad_beta = self.be.zeros_like(self.beta)
            self.grad_gamma = self.be.zeros_like(self.gamma)

    def init_buffers(self, inputs: Any) -> None:
        """See `inputs` as (nfm, -1); free for a buffer seen before."""
        if self.inputs is not inputs:
            self.inputs = inputs
            self.x = inputs.reshape((self.nfm, -1))

    @property
    def xsum(self) -> Any:
        """The buffer of batch sums (means, after `fprop`); the layer below may have filled it."""
        below = getattr(self.prev_layer, "batch_sum", None)
        fits = below is not None and below.shape == (self.nfm, 1) and below.backend is self.be
        return below if fits else self._own_sum

    # ---- propagation -------------------------------------------------------------------------

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Normalise; see the class.

        Args:
            inputs: any layout of `in_shape`.
            inference: use the running statistics.
            beta: factor of what the output buffer holds, added.
        """
        check_inputs(self, inputs)
        self.made_above = None
        if inference or self.frozen:
            return self._fprop_inference(inputs, beta)
        self.init_buffers(inputs)
        self.made_above = None if beta else self._rectifier_above()
        self._compound(self.xsum, accumbeta=beta, inference=False)
        return self.outputs

    def _rectifier_above(self) -> Activation | None:
        """The layer above if its transform can be made here, and its gradient, with equal bits.

        The backward pass makes the outputs again, from what it reads anyway.
        """
        above, own = self.next_layer, type(self)
        fits = (
            self.in_chain
            and type(above) is Activation
            and type(above.transform) is Rectlin
            and above.prev_layer is self
            and above.be is self.be
            and own.fprop is BatchNorm.fprop
            and own.bprop is BatchNorm.bprop
            and self.x.dtype == self.y.dtype == self.gamma.dtype  # nothing is rounded in between
        )
        return above if fits else None

    @property
    def _transform(self) -> Any:
        return None if self.made_above is None else self.made_above.transform

    def _fprop_inference(self, inputs: Any, beta: float = 0.0) -> Any:
        self.init_buffers(inputs)
        self._compound(self._own_sum, accumbeta=beta, inference=True)
        return self.outputs

    def _compound(self, xsum: Any, accumbeta: float, inference: bool) -> None:
        self.be.compound_fprop_bn(
            self.x, xsum, self.xvar, self.gmean, self.gvar, self.gamma, self.beta, self.y,
            self.eps, self.rho, xsum is self._own_sum, accumbeta=accumbeta, relu=False,
            binary=self.binary, inference=inference, transform=self._transform,
        )  # fmt: skip

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Gradients of gamma, beta and the inputs; returns `deltas`.

        Raises:
            ConfigurationError: alpha != 1 or beta != 0: the input gradient is not accumulated.
        """
        delta_in, delta_out = self._views(error, alpha, beta)
        if self.frozen:
            return self._bprop_frozen(delta_in, delta_out)
        self.be.compound_bprop_bn(
            delta_out, self.grad_gamma, self.grad_beta, delta_in, self.x, self.xsum, self.xvar,
            self.gamma, self.eps, binary=self.binary, transform=self._transform, beta=self.beta,
        )  # fmt: skip
        return self.deltas

    def _bprop_frozen(self, delta_in: Any, delta_out: Any) -> Any:
        """The gradient of the inputs where the running statistics are constants."""
        if self.deltas is not None:
            delta_out[:] = delta_in * (self.gamma / self.be.sqrt(self.gvar + self.eps))
        return self.deltas

    def _views(self, error: Any, alpha: float, beta: float) -> tuple[Any, Any]:
        """The error and the input gradient seen as (nfm, -1)."""
        check_error(self, error)
        if alpha != 1 or beta != 0:
            raise ConfigurationError(
                f"{label(self)}: bprop(alpha={alpha}, beta={beta}): a BatchNorm cannot add into "
                "its input gradient; in a MergeSum put the path that starts with it last, after a "
                "BranchNode put a SkipNode in between"
            )
        if self._error is None or self._error[0] is not error or self._error[1] is not self.deltas:
            # a first layer has no deltas and the error is not ours to overwrite
            deltas = self.be.empty_like(error) if self.deltas is None else self.deltas
            shape = (self.nfm, -1)
            self._error = error, self.deltas, error.reshape(shape), deltas.reshape(shape)
        return self._error[2:]

    # ---- parameters --------------------------------------------------------------------------

    def get_params(self) -> Any:
        """`[((beta, grad_beta), states), ((gamma, grad_gamma), states)]`."""
        return [
            ((self.beta, self.grad_beta), self.states[0]),
            ((self.gamma, self.grad_gamma), self.states[1]),
        ]

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the layer, if wanted with parameters, statistics and states as host arrays."""
        desc = super().get_description(**kwargs)
        if get_weights:
            if self.allparams is None:
                raise ConfigurationError(
                    f"{label(self)} has no parameters yet; allocate or load first"
                )
            desc["params"] = {key: getattr(self, key).get() for key in STORED}
            if keep_states:
                desc["states"] = [host_states(states) for states in self.states]
        return desc

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        Raises:
            CheckpointError: entries are missing, too many, or do not fit.
        """
        super().check_weights(pdict, load_states)
        stored = self._stored(pdict)
        check_names(self, "params", stored, STORED)
        if load_states:
            self._stored_states(pdict, (np.size(stored["beta"]), 1))

    def _stored(self, pdict: dict[str, Any]) -> Mapping[str, Any]:
        """The arrays of an entry by name, checked."""
        params = params_of(self, pdict)
        if not isinstance(params, (Mapping, list, tuple)):
            raise CheckpointError(f"{label(self)}: 'params' is a {type(params).__name__}, no dict")
        stored = params if isinstance(params, Mapping) else dict(zip(STORED, params, strict=False))
        if missing := [key for key in STORED if key not in stored]:
            raise CheckpointError(f"{label(self)}: 'params' lacks {', '.join(missing)}")
        for key in STORED:
            rows = self.nfm if self.nfm is not None else np.size(stored["beta"])
            check_fit(self, key, stored[key], (rows, 1))
        return stored

    def _stored_states(self, pdict: dict[str, Any], shape: tuple[int, ...] | None) -> list[Any]:
        """The states of beta and of gamma in an entry, checked."""
        return states_of_each(self, pdict, {"beta": shape, "gamma": shape})

    def set_params(self, pdict: dict[str, Any]) -> None:
        """Load beta, gamma, gmean and gvar: a dict, or (old files) a list in this order.

        Raises:
            CheckpointError: one is missing or does not fit; nothing has been written.
        """
        stored = self._stored(pdict)
        for key in STORED:
            value = host_array(stored[key]).reshape(-1, 1)
            if getattr(self, key) is None:
                setattr(self, key, self.be.array(value, dtype=stats_dtype(self.be)))
            else:
                getattr(self, key).set(value)
        self._collect()

    def set_states(self, pdict: dict[str, Any]) -> None:
        """Load states `[[of beta], [of gamma]]`; without any the optimizer starts fresh."""
        shape = None if self.grad_beta is None else self.grad_beta.shape
        for states, arrays in zip(self.states, self._stored_states(pdict, shape), strict=True):
            restore_states(self, states, arrays, self.grad_beta)
