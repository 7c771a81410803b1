"""Adadelta: step sizes from the ratio of running means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neonport.backends.home import home
from neonport.optimizers.base import Optimizer
from neonport.optimizers.shared.checks import fraction


class Adadelta(Optimizer):
    """dx' = sqrt((E[dx^2] + eps) / (E[g^2]' + eps)) g, p' = p - lr dx' (Zeiler, 2012).

    Args:
        stochastic_round: round parameters of 16 bits stochastically (an int: to so many bits).
        decay: share of the running means that is kept, in [0, 1).
        epsilon: starts the first steps.
        param_clip_value: largest magnitude of a parameter.
        name: given name.
        learning_rate: factor on the step; 1 in the paper.
        wdecay: weight decay; added to the gradient after clipping.
        schedule: learning rate over epochs; None for a constant one.

    States of a parameter: [E[g^2], E[dx^2], dx].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=Adadelta(decay=0.95), num_epochs=1)
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(
        self,
        stochastic_round: bool | int = False,
        decay: float = 0.95,
        epsilon: float = 1e-6,
        param_clip_value: float | None = None,
        name: str | None = None,
        learning_rate: float = 1.0,
        wdecay: float = 0.0,
        schedule: Any = None,
    ) -> None:
        super().__init__(
            name,
            stochastic_round=stochastic_round,
            epsilon=epsilon,
            param_clip_value=param_clip_value,
            learning_rate=learning_rate,
            wdecay=wdecay,
            schedule=schedule,
        )
        self.decay = fraction(self, "decay", decay)

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        d, eps = float(self.decay), float(self.epsilon)
        params = self.prepare(layer_list, 3, self.stochastic_round)
        lr = self.number(params, lambda: self.rate(epoch))
        for (param, grad), states in params:
            be = home(param)
            mean_g, mean_dx, dx = states
            g = self.decayed(self.mean_gradient(grad), param)
            new_mean_g = d * mean_g + (1.0 - d) * be.square(g)
            step = be.sqrt((mean_dx + eps) / (new_mean_g + eps)) * g
            updates = [
                (mean_g, new_mean_g),
                (mean_dx, d * mean_dx + (1.0 - d) * be.square(step)),
                (dx, step),
                (param, self.clip_value(param - lr * step, self.param_clip_value)),
            ]
            self.apply(updates)
