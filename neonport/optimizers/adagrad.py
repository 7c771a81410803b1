"""Adagrad: steps divided by the root of the sum of all squared gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neonport.backends.home import home
from neonport.optimizers.base import Optimizer, scaled


class Adagrad(Optimizer):
    """s' = s + g^2, p' = p - lr g / sqrt(s' + eps) (Duchi et al., 2011).

    Args:
        stochastic_round: round parameters of 16 bits stochastically (an int: to so many bits).
        learning_rate: step size.
        epsilon: keeps the divisor from 0.
        gradient_clip_norm: largest norm of all gradients together.
        gradient_clip_value: largest magnitude of one element of a gradient.
        param_clip_value: largest magnitude of a parameter.
        name: given name.
        wdecay: weight decay; added to the gradient after clipping.
        schedule: learning rate over epochs; None for a constant one.

    States of a parameter: [sum of squares].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=Adagrad(learning_rate=0.01), num_epochs=1)
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(
        self,
        stochastic_round: bool | int = False,
        learning_rate: float = 0.01,
        epsilon: float = 1e-6,
        gradient_clip_norm: float | None = None,
        gradient_clip_value: float | None = None,
        param_clip_value: float | None = None,
        name: str | None = None,
        wdecay: float = 0.0,
        schedule: Any = None,
    ) -> None:
        super().__init__(
            name,
            stochastic_round=stochastic_round,
            learning_rate=learning_rate,
            epsilon=epsilon,
            gradient_clip_norm=gradient_clip_norm,
            gradient_clip_value=gradient_clip_value,
            param_clip_value=param_clip_value,
            wdecay=wdecay,
            schedule=schedule,
        )

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        params = self.prepare(layer_list, 1, self.stochastic_round)
        lr, eps = self.number(params, lambda: self.rate(epoch)), float(self.epsilon)
        scale = self.norm_scale(params, self.gradient_clip_norm)
        for (param, grad), states in params:
            be = home(param)
            g = self.decayed(self.mean_gradient(grad, self.gradient_clip_value), param)
            total = states[0] + be.square(g)
            step = scaled(scale, lr * g) / be.sqrt(total + eps)
            updates = [
                (states[0], total),
                (param, self.clip_value(param - step, self.param_clip_value)),
            ]
            self.apply(updates)
