"""RMSProp: steps divided by a running root mean square of the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neonport.backends.home import home
from neonport.optimizers.base import Optimizer, scaled
from neonport.optimizers.shared.checks import fraction


class RMSProp(Optimizer):
    """s' = d s + (1 - d) g^2, p' = p - lr g / (sqrt(s' + eps) + eps) (Tieleman and Hinton, 2012).

    Clipping by norm shortens the step only; the mean square sees the gradient as it is.

    Args:
        stochastic_round: round parameters of 16 bits stochastically (an int: to so many bits).
        decay_rate: share d of the mean square that is kept, in [0, 1).
        learning_rate: step size.
        epsilon: keeps the divisor from 0.
        gradient_clip_norm: largest norm of all gradients together.
        gradient_clip_value: largest magnitude of one element of a gradient.
        param_clip_value: largest magnitude of a parameter.
        name: given name.
        wdecay: weight decay; added to the gradient after clipping.
        schedule: learning rate over epochs; None for a constant one.

    States of a parameter: [mean square].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=RMSProp(decay_rate=0.95), num_epochs=1)
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(
        self,
        stochastic_round: bool | int = False,
        decay_rate: float = 0.95,
        learning_rate: float = 2e-3,
        epsilon: float = 1e-6,
        gradient_clip_norm: float | None = None,
        gradient_clip_value: float | None = None,
        param_clip_value: float | None = None,
        name: str | None = None,
        schedule: Any = None,
        wdecay: float = 0.0,
    ) -> None:
        super().__init__(
            name,
            stochastic_round=stochastic_round,
            learning_rate=learning_rate,
            epsilon=epsilon,
            gradient_clip_norm=gradient_clip_norm,
            gradient_clip_value=gradient_clip_value,
            param_clip_value=param_clip_value,
            schedule=schedule,
            wdecay=wdecay,
        )
        self.decay_rate = fraction(self, "decay_rate", decay_rate)

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        d, eps = float(self.decay_rate), float(self.epsilon)
        params = self.prepare(layer_list, 1, self.stochastic_round)
        lr = self.number(params, lambda: self.rate(epoch))
        scale = self.norm_scale(params, self.gradient_clip_norm)
        for (param, grad), states in params:
            be = home(param)
            g = self.decayed(self.mean_gradient(grad, self.gradient_clip_value), param)
            square = d * states[0] + (1.0 - d) * be.square(g)
            step = scaled(scale, lr * g) / (be.sqrt(square + eps) + eps)
            updates = [
                (states[0], square),
                (param, self.clip_value(param - step, self.param_clip_value)),
            ]
            self.apply(updates)
