"""BiBNRNN: a bidirectional recurrent layer whose input products are batch-normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from neonport.errors import CheckpointError
from neonport.layers.checks import label
from neonport.layers.parameter import stats_dtype
from neonport.layers.parameter_io import (
    check_fit,
    check_names,
    check_states,
    host_array,
    host_states,
    restore_states,
)
from neonport.layers.recurrent.bidirectional import BiRNN
from neonport.tensor.tensor import Tensor

DEFAULTS = {"gmean": 0.0, "gvar": 0.0, "beta": 0.0, "gamma": 1.0}
RHO, EPSILON = 0.9, 1e-3


class BiBNRNN(BiRNN):
    """h = act(norm(W_input x) + W_recur h' + b) in both directions (Laurent et al., 2015).

    The products of all 2 * nout rows are normalised over samples *and* steps, as `BatchNorm` does,
    then scaled by gamma and shifted by beta.

    Checkpoints hold W, the running statistics, beta and gamma; those that neon wrote lack the last
    two, and load as beta = 0, gamma = 1.

    Args:
        output_size, init, init_inner, activation, reset_cells, split_inputs, name: see `BiRNN`.
        strict: see `BiRNN`.

    Attributes:
        gamma, beta: parameters (2 * nout, 1), with `grad_gamma`, `grad_beta`.
        gmean, gvar: running statistics (2 * nout, 1).

    Example:
        layer = BiBNRNN(5, init=Gaussian(), activation=Rectlin())
        layer.configure((3, 2))  # 3 features, 2 steps
        layer.allocate()
        assert layer.fprop(be.ones((3, 2 * 4))).shape == (10, 2 * 4)
    """

    stored_params: ClassVar[tuple[str, ...]] = ("W", *DEFAULTS)

    def __init__(
        self,
        output_size: int,
        init: Any,
        init_inner: Any = None,
        activation: Any = None,
        reset_cells: bool = False,
        split_inputs: bool = False,
        name: str | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(
            output_size, init, init_inner, activation, reset_cells, split_inputs, name,
            strict=strict,
        )  # fmt: skip
        self.gamma: Any = None
        self.beta: Any = None
        self.gmean: Any = None
        self.gvar: Any = None
        self.grad_gamma: Any = None
        self.grad_beta: Any = None
        self.beta_states: list[Any] = []
        self.gamma_states: list[Any] = []
        self._products: Any = None
        self._mean: Any = None
        self._var: Any = None

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, parameters (unless loaded), statistics and buffers."""
        super().allocate(shared_outputs, accumulate_updates)
        self._make_statistics({})
        if self._products is None or self._products.shape != self.z.shape:
            self._products = self.be.empty(self.z.shape)
            self._mean, self._var = (self.be.zeros_like(self.gmean) for _ in range(2))
        if self.accumulate_updates and len(self.acc_params) == 1:
            gradients = (self.grad_beta, self.grad_gamma)
            self.acc_params += [(self.be.zeros_like(g), g) for g in gradients]

    def _make_statistics(self, values: Mapping[str, Any]) -> None:
        """Make gamma, beta and the statistics, or set those that are given."""
        for key, default in DEFAULTS.items():
            tensor = getattr(self, key)
            if tensor is None:
                tensor = self.be.zeros((2 * self.nout, 1), dtype=stats_dtype(self.be))
                setattr(self, key, tensor.fill(default))
            if key in values:
                tensor.set(host_array(values[key]).reshape(-1, 1))
        if self.grad_beta is None:
            self.grad_beta = self.be.zeros_like(self.beta)
            self.grad_gamma = self.be.zeros_like(self.gamma)

    # ---- propagation -------------------------------------------------------------------------

    def _feed(self, steps: int, inference: bool) -> None:
        self._multiply(self._products, steps)
        self.be.compound_fprop_bn(
            self._columns(self._products, steps), self._mean, self._var, self.gmean, self.gvar,
            self.gamma, self.beta, self._columns(self.z, steps), EPSILON, RHO, True,
            inference=inference or self.frozen,
        )  # fmt: skip

    def _fill_gradients(self, gradient: Tensor, steps: int) -> None:
        if self.frozen:  # the running statistics were used, which are constants
            gradient[:] = gradient * (self.gamma / self.be.sqrt(self.gvar + EPSILON))
            return
        self._fill_products(steps, [])
        self.be.compound_bprop_bn(
            gradient, self.grad_gamma, self.grad_beta, gradient,
            self._columns(self._products, steps), self._mean, self._var, self.gamma, EPSILON,
        )  # fmt: skip
        # behind the normalization: only now is it that of the products of inputs and weights
        self.be.compound_dots(*self._input_weight_gradients(gradient, steps))

    # ---- parameters --------------------------------------------------------------------------

    def get_params(self) -> Any:
        """`[((W, dW), states), ((beta, ...), ...), ((gamma, ...), ...)]` for the optimizer."""
        return [
            ((self.W, self.dW), self.states),
            ((self.beta, self.grad_beta), self.beta_states),
            ((self.gamma, self.grad_gamma), self.gamma_states),
        ]

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the layer, if wanted with parameters, statistics and states as host arrays."""
        desc = super().get_description(get_weights, keep_states, **kwargs)
        if get_weights and self.gamma is not None:
            desc["params"] |= {key: getattr(self, key).get() for key in DEFAULTS}
            if keep_states:
                desc["states"] = [host_states(states) for _, states in self.get_params()]
        return desc

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        Raises:
            CheckpointError: entries are missing, too many, or do not fit.
        """
        super().check_weights(pdict, load_states)
        params = self._check_params(pdict)
        check_names(self, "params", {*params, *DEFAULTS}, self.stored_params)
        if load_states:
            self._stored_states(pdict, self._stored_shape(params))

    def _check_params(self, pdict: dict[str, Any]) -> Mapping[str, Any]:
        params = super()._check_params(pdict)
        for key in DEFAULTS:
            if key in params:
                check_fit(self, key, params[key], (2 * self.nout, 1))
        return params

    def set_params(self, pdict: dict[str, Any]) -> None:
        """Load parameters and statistics, before or after `allocate`; see the class.

        Raises:
            CheckpointError: no `params`, or a shape that does not fit; nothing has been written.
        """
        params = self._check_params(pdict)
        own = {key: value for key, value in params.items() if key not in DEFAULTS}
        super().set_params({"params": own})
        self._make_statistics(
            {key: params.get(key, [[v]] * 2 * self.nout) for key, v in DEFAULTS.items()}
        )

    def _stored_states(
        self, pdict: dict[str, Any], shape: tuple[int, ...] | None
    ) -> list[list[Any]]:
        """States of W, beta and gamma in an entry, checked; neon's files have those of W alone."""
        stored = pdict.get("states") or []
        if not isinstance(stored, (list, tuple)):
            raise CheckpointError(f"{label(self)}: 'states' is a {type(stored).__name__}, no list")
        apart = len(stored) == 3 and all(isinstance(states, (list, tuple)) for states in stored)
        found = [list(states) for states in stored] if apart else [list(stored), [], []]
        column = (2 * self.nout, 1)
        for what, states, form in zip(
            ("W", "beta", "gamma"), found, (shape, column, column), strict=True
        ):
            check_states(self, what, states, form)
        return found

    def set_states(self, pdict: dict[str, Any]) -> None:
        """Load states `[[of W], [of beta], [of gamma]]`, or those of W; none means a fresh start.

        Raises:
            CheckpointError: a state does not fit its parameter.
        """
        found = self._stored_states(pdict, None if self.dW is None else self.dW.shape)
        for ((_, gradient), states), arrays in zip(self.get_params(), found, strict=True):
            restore_states(self, states, arrays, gradient)
