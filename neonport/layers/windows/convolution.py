"""Convolution: filters that slide over images or volumes, with a bias for each map or without."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_init, check_inputs, label
from neonport.layers.parameter import fill_parameter
from neonport.layers.parameter_io import check_fit, host_states, restore_states, states_of_each
from neonport.layers.windows.filters import FilterLayer
from neonport.layers.windows.geometry import check_fits, image_sizes, logical
from neonport.tensor.tensor import Tensor


class Convolution(FilterLayer):
    """outputs = cross-correlation of the inputs with filters W (C*T*R*S, K); no flip, no bias.

    Images (C, H, W) become (K, P, Q), volumes (C, D, H, W) become (K, M, P, Q), each axis of size
    floor((X + 2 * padding - dilation * (F - 1) - 1) / stride) + 1. Rows of W run over (C, T, R, S).

    Args:
        fshape: height and width of a filter and the number of maps (R, S, K); with a depth in front
            for volumes.
        strides: steps; an int for height and width (the depth keeps 1), a pair, (d, h, w), or a
            dict with keys of str_d, str_h, str_w.
        padding: zeros on each side, likewise (pad_d, ...).
        dilation: distance of the cells of a filter, likewise (dil_d, ...).
        init: initializer of W, or an array of its shape.
        bsum: also keep the sum of each map, for a BatchNorm that follows.
        name: given name, or None.
        parallelism: label kept for neon.

    Example:
        layer = Convolution((3, 3, 8), padding=1, init=Gaussian())
        layer.configure((1, 6, 6))
        layer.allocate()
        assert layer.out_shape == (8, 6, 6)
    """

    neon_module = "neon.layers.layer"

    def __init__(
        self,
        fshape: Any,
        strides: Any = None,
        padding: Any = None,
        dilation: Any = None,
        init: Any = None,
        bsum: bool = False,
        name: str | None = None,
        parallelism: str = "Data",
    ) -> None:
        super().__init__(fshape, strides, padding, dilation, init, bsum, name, parallelism)

    def _sizes(self, batch: int) -> Any:
        C, *image = image_sizes(self, self.in_shape)
        params = {**self.convparams, **dict(zip("DHW", image, strict=True))}
        found = self.be.conv_layer(self.be.default_dtype, batch, C, **params)
        check_fits(self, found.TRS, found.DHW, found.MPQ)
        return found

    def _output(self) -> Any:
        return logical(self.nglayer.K, self.nglayer.MPQ)

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Compute the convolution, added to `beta` times what the output buffer holds.

        With `set_batch_size` only the first samples are computed.

        Args:
            inputs: images (C*D*H*W, batch).
            inference: no sums for a BatchNorm are kept.
            beta: factor of what the output buffer holds.
        """
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        self.inputs = inputs
        now, views = self._now(), self._views
        self.be.fprop_conv(
            now, views.of("inputs", inputs, now.dimI), self._filters(),
            views.of("outputs", self.outputs, now.dimO), bias=self._bias(),
            bsum=self._sums(inference), beta=beta,
        )  # fmt: skip
        return self.outputs

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Compute deltas = alpha * gradient of the inputs + beta * deltas, and dW.

        Args:
            error: (K*M*P*Q, batch).
            alpha: factor of the input gradient; dW is not scaled.
            beta: factor of what `deltas` holds.
        """
        check_error(self, error)
        sizes, views = self.nglayer, self._views
        errors = views.of("error", error, sizes.dimO)
        if self.deltas is not None:
            deltas = views.of("deltas", self.deltas, sizes.dimI)
            self.be.bprop_conv(sizes, self._filters(), errors, deltas, alpha=alpha, beta=beta)
        if not self.frozen:
            self.be.update_conv(
                sizes, views.of("all inputs", self.inputs, sizes.dimI), errors,
                views.of("dW", self.dW, sizes.dimF), grad_bias=self._bias_gradient(),
            )  # fmt: skip
        return self.deltas

    def _bias(self) -> Tensor | None:
        return None

    def _bias_gradient(self) -> Tensor | None:
        return None


class Convolution_bias(Convolution):  # neon's name
    """A convolution with a bias for each map, added in the same pass.

    Loads entries that neon wrote before 2.3 too: a Convolution followed by a Bias.

    Args:
        fshape, strides, padding, dilation, init, bsum, name, parallelism: as of `Convolution`.
        bias: initializer of the bias, or an array (K, 1).

    Attributes:
        weight_bias, grad_bias: (K, 1), the bias and its gradient.
        states: two lists, the optimizer's tensors of W and of the bias.

    Example:
        layer = Convolution_bias((3, 3, 8), init=Gaussian(), bias=Constant(0.1))
        layer.configure((1, 6, 6))
        layer.allocate()
        assert layer.weight_bias.shape == (8, 1)
    """

    stored_params: ClassVar[tuple[str, ...]] = ("W", "weight_bias")

    def __init__(
        self,
        fshape: Any,
        strides: Any = None,
        padding: Any = None,
        dilation: Any = None,
        init: Any = None,
        bsum: bool = False,
        name: str | None = None,
        bias: Any = None,
        parallelism: str = "Data",
    ) -> None:
        super().__init__(fshape, strides, padding, dilation, init, bsum, name, parallelism)
        self.bias = self.init_bias = check_init(self, bias, "bias")
        self.weight_bias: Any = None
        self.grad_bias: Any = None
        self.acc_grad_bias: Any = None
        self.states = [[], []]

    # ---- buffers -----------------------------------------------------------------------------

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, weights, then the bias; what was loaded before is kept."""
        super().allocate(shared_outputs, accumulate_updates)
        if self.weight_bias is None:
            bias = self.be.empty((self.nglayer.K, 1), **self.get_param_attrs())
            fill_parameter(self, bias, self.bias, "bias")
            self.weight_bias = bias
        else:
            check_fit(self, "weight_bias", self.weight_bias, (self.nglayer.K, 1))
        self._make_gradient()
        if self.accumulate_updates and self.acc_grad_bias is None:
            self.acc_grad_bias = self.be.empty_like(self.grad_bias)
            self.acc_params.append((self.acc_grad_bias, self.grad_bias))

    def init_params(self, shape: tuple[int, ...]) -> None:
        """Make W of `shape` and fill it, make dW, forget states."""
        super().init_params(shape)
        self.states[:] = [[], []]

    def _make_gradient(self) -> None:
        if self.grad_bias is None and self.weight_bias is not None:
            self.grad_bias = self.be.empty_like(self.weight_bias)

    def _bias(self) -> Tensor | None:
        return self._views.of("bias", self.weight_bias, (self.nglayer.K, 1, 1, 1, 1))

    def _bias_gradient(self) -> Tensor | None:
        return self._views.of("grad_bias", self.grad_bias, (self.nglayer.K, 1, 1, 1, 1))

    # ---- parameters --------------------------------------------------------------------------

    def get_params(self) -> Any:
        """`[((W, dW), states), ((weight_bias, grad_bias), states)]`."""
        return [
            ((self.W, self.dW), self.states[0]),
            ((self.weight_bias, self.grad_bias), self.states[1]),
        ]

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the layer, if wanted with parameters and states as host arrays.

        Raises:
            ConfigurationError: weights wanted and there are none yet.
        """
        desc = super().get_description(get_weights=get_weights, keep_states=False, **kwargs)
        if isinstance(bias := desc["config"].get("bias"), Tensor):
            desc["config"]["bias"] = bias.get()
        if get_weights:
            if self.weight_bias is None:
                raise ConfigurationError(
                    f"{label(self)} has no bias yet; allocate or load it first"
                )
            desc["params"]["weight_bias"] = self.weight_bias.get()
            if keep_states:
                desc["states"] = [host_states(states) for states in self.states]
        return desc

    def take_entries(self, entries: list[dict[str, Any]]) -> tuple[dict[str, Any], int]:
        """Take one entry, or a Convolution's and the Bias's after it as one."""
        first, *rest = entries
        if rest and _is(first, "Convolution") and _is(rest[0], "Bias"):
            return _fused(first, rest[0]), 2
        return first, 1

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        Raises:
            CheckpointError: entries are missing, too many, or do not fit.
        """
        super().check_weights(pdict, load_states)
        if load_states:
            shape = self._stored_shape(pdict["params"])
            self._stored_states(pdict, shape, None if shape is None else (shape[-1], 1))

    def _parameter_shapes(self) -> dict[str, Any]:
        shapes = super()._parameter_shapes()
        shapes["weight_bias"] = (self.convparams["K"], 1)
        return shapes

    def _stored_states(self, pdict: dict[str, Any], weights: Any, bias: Any) -> list[Any]:
        return states_of_each(self, pdict, {"W": weights, "weight_bias": bias})

    def set_states(self, pdict: dict[str, Any]) -> None:
        """Load states `[[of W], [of the bias]]`; without any the optimizer starts fresh."""
        self._make_gradient()
        gradients = self.dW, self.grad_bias
        shapes = [None if g is None else g.shape for g in gradients]
        stored = self._stored_states(pdict, *shapes)
        for states, arrays, gradient in zip(self.states, stored, gradients, strict=True):
            restore_states(self, states, arrays, gradient)


def _is(entry: dict[str, Any], classname: str) -> bool:
    """Whether an entry of a checkpoint is of a class of neon's."""
    package, _, rest = str(entry.get("type")).partition(".")
    return package in ("neon", "neonport") and rest.rpartition(".")[2] == classname


def _fused(convolution: dict[str, Any], bias: dict[str, Any]) -> dict[str, Any]:
    """The entry of a Convolution_bias out of two."""
    config = dict(convolution.get("config") or {})
    if "init" in (bias.get("config") or {}):
        config["bias"] = bias["config"]["init"]
    fused: dict[str, Any] = {"type": "neon.layers.layer.Convolution_bias", "config": config}
    weights, shift = convolution.get("params"), bias.get("params")
    if isinstance(weights, dict) and isinstance(shift, dict) and "W" in shift:
        fused["params"] = {**weights, "weight_bias": shift["W"]}
    elif weights is not None:
        fused["params"] = weights
    if "states" in convolution and "states" in bias:
        fused["states"] = [convolution["states"], bias["states"]]
    return fused
