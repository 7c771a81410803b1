"""Lion: steps of one size, in the direction of a sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neonport.backends.home import home
from neonport.optimizers.base import Optimizer, scaled
from neonport.optimizers.shared.checks import fraction


class Lion(Optimizer):
    """p' = (1 - lr wdecay) p - lr sign(b1 m + (1 - b1) g), m' = b2 m + (1 - b2) g.

    From Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2. As every
    element moves by lr, take 3 to 10 times less than for Adam, and as much more weight decay.

    Args:
        learning_rate: step size.
        beta_1: share of the mean gradient in the direction of the step, in [0, 1).
        beta_2: share of the mean gradient that is kept, in [0, 1).
        wdecay: share of a parameter that a step of rate 1 takes away.
        stochastic_round, gradient_clip_norm, gradient_clip_value, param_clip_value, name, schedule:
            as of `Adam`.

    States of a parameter: [m].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=Lion(1e-4, wdecay=0.1), num_epochs=1)
    """

    neon_module = "neonport.optimizers.lion"

    def __init__(
        self,
        learning_rate: float = 1e-4,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        wdecay: float = 0.0,
        stochastic_round: bool | int = False,
        gradient_clip_norm: float | None = None,
        gradient_clip_value: float | None = None,
        param_clip_value: float | None = None,
        name: str | None = None,
        schedule: Any = None,
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
        self.beta_1 = fraction(self, "beta_1", beta_1)
        self.beta_2 = fraction(self, "beta_2", beta_2)

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        params = self.prepare(layer_list, 1, self.stochastic_round)
        scale = self.norm_scale(params, self.gradient_clip_norm)
        b1, b2, wdecay = float(self.beta_1), float(self.beta_2), float(self.wdecay)
        lr = self.number(params, lambda: self.rate(epoch))
        for (param, grad), states in params:
            be = home(param)
            g = scaled(scale, self.mean_gradient(grad, self.gradient_clip_value))
            kept = param * (1.0 - lr * wdecay) if wdecay else param
            moved = kept - lr * be.sgn(b1 * states[0] + (1.0 - b1) * g)
            updates = [
                (states[0], b2 * states[0] + (1.0 - b2) * g),
                (param, self.clip_value(moved, self.param_clip_value)),
            ]
            self.apply(updates)
