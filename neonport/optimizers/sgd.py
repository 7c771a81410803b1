"""Stochastic gradient descent with momentum, plain or Nesterov's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neonport.errors import ConfigurationError
from neonport.optimizers.base import Optimizer, scaled
from neonport.optimizers.shared.checks import fraction


class GradientDescentMomentum(Optimizer):
    """v' = mu v - lr G, p' = p + v', with G = g + wdecay p (Polyak, 1964).

    With `nesterov`, p' = p + mu v' - lr G (Sutskever et al., 2013). Momentum 0 keeps no state.

    Args:
        learning_rate: step size.
        momentum_coef: share mu of the velocity that is kept, in [0, 1).
        stochastic_round: round parameters of 16 bits stochastically (an int: to so many bits).
        wdecay: weight decay; added to the gradient after clipping, so it is part of the velocity.
        gradient_clip_norm: largest norm of all gradients together.
        gradient_clip_value: largest magnitude of one element of a gradient.
        param_clip_value: largest magnitude of a parameter.
        name: given name.
        schedule: learning rate over epochs; None for a constant one.
        nesterov: use Nesterov's variant.

    States of a parameter: [velocity].

    Raises:
        ConfigurationError: an argument is out of range, or `nesterov` without momentum.

    Example:
        momentum = GradientDescentMomentum(0.1, momentum_coef=0.9, wdecay=0.0005)
        model.fit(train, cost=cost, optimizer=momentum, num_epochs=1)
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(
        self,
        learning_rate: float,
        momentum_coef: float,
        stochastic_round: bool | int = False,
        wdecay: float = 0.0,
        gradient_clip_norm: float | None = None,
        gradient_clip_value: float | None = None,
        param_clip_value: float | None = None,
        name: str | None = None,
        schedule: Any = None,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            name,
            stochastic_round=stochastic_round,
            learning_rate=learning_rate,
            gradient_clip_norm=gradient_clip_norm,
            gradient_clip_value=gradient_clip_value,
            param_clip_value=param_clip_value,
            wdecay=wdecay,
            schedule=schedule,
        )
        self.momentum_coef = fraction(self, "momentum_coef", momentum_coef)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum_coef:
            raise ConfigurationError(
                "GradientDescentMomentum: nesterov=True needs a momentum_coef above 0"
            )

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        mu = float(self.momentum_coef)
        params = self.prepare(layer_list, 1 if mu else 0, self.stochastic_round)
        lr = self.number(params, lambda: self.rate(epoch))
        scale = self.norm_scale(params, self.gradient_clip_norm)
        for (param, grad), states in params:
            g = scaled(scale, self.mean_gradient(grad, self.gradient_clip_value))
            g = self.decayed(g, param)
            updates = []
            if mu:
                velocity = mu * states[0] - lr * g
                step = mu * velocity - lr * g if self.nesterov else velocity
                updates.append((states[0], velocity))
                moved = param + step
            else:
                moved = param - lr * g
            updates.append((param, self.clip_value(moved, self.param_clip_value)))
            self.apply(updates)
