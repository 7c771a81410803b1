"""ShiftAdaMax: AdaMax whose products are shifts, for binary networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neonport.backends.home import home
from neonport.optimizers.base import Optimizer
from neonport.optimizers.shared.checks import fraction
from neonport.optree.node import apply


class ShiftAdaMax(Optimizer):
    """AdaMax with factors rounded to powers of two (Courbariaux et al., 2016).

    With l = lr / (1 - b1^(epoch + 1)): m' = b1 m + (1 - b1) g, v' = max(b2 v, |g|),
    p' = clip(p - shift(shift(m', 1 / (v' + eps)), l), -1, 1).

    Args:
        stochastic_round: round parameters of 16 bits stochastically (an int: to so many bits).
        learning_rate: step size.
        beta_1: share of the mean gradient that is kept, in [0, 1).
        beta_2: share of the largest gradient that is kept, in [0, 1).
        epsilon: keeps the divisor from 0.
        schedule: learning rate over epochs; None for a constant one.
        name: given name.
        wdecay: weight decay; added to the gradient after clipping.

    States of a parameter: [m, v, 1 / (v + eps)].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=ShiftAdaMax(learning_rate=0.01), num_epochs=1)
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(
        self,
        stochastic_round: bool | int = False,
        learning_rate: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        schedule: Any = None,
        name: str = "ShiftAdaMax",
        wdecay: float = 0.0,
    ) -> None:
        super().__init__(
            name,
            stochastic_round=stochastic_round,
            learning_rate=learning_rate,
            epsilon=epsilon,
            schedule=schedule,
            wdecay=wdecay,
        )
        self.beta_1 = fraction(self, "beta_1", beta_1)
        self.beta_2 = fraction(self, "beta_2", beta_2)

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        b1, b2, eps = float(self.beta_1), float(self.beta_2), float(self.epsilon)
        params = self.prepare(layer_list, 3, self.stochastic_round)
        rate = self.number(params, lambda: self.rate(epoch))
        lr = rate / (1.0 - b1 ** (epoch + 1))
        for (param, grad), states in params:
            be = home(param)
            g = self.decayed(self.mean_gradient(grad), param)
            m = b1 * states[0] + (1.0 - b1) * g
            v = be.maximum(b2 * states[1], abs(g))
            inverse = 1.0 / (v + eps)
            # the op itself: `be.shift` evaluates at once, as in neon
            step = apply("shift", apply("shift", m, inverse), lr)
            updates = [
                (states[0], m),
                (states[1], v),
                (states[2], inverse),
                (param, be.clip(param - step, -1.0, 1.0)),
            ]
            self.apply(updates)
