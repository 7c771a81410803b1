"""Adam: running means of the gradient and of its square, corrected for their start at zero."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from neonport.backends.home import home
from neonport.errors import CheckpointError
from neonport.optimizers.base import Optimizer, scaled
from neonport.optimizers.shared.checks import fraction


class Adam(Optimizer):
    """m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2, p' = p - l m' / (sqrt(v') + eps).

    With l = lr sqrt(1 - b2^t) / (1 - b1^t) (Kingma and Ba, 2015, section 2: the faster order, in
    which eps is not corrected). t counts calls of `optimize`, whatever layers they are for.

    `wdecay` acts through the means, as a penalty on squares would; AdamW keeps it apart.

    Args:
        stochastic_round: round parameters of 16 bits stochastically (an int: to so many bits).
        learning_rate: step size.
        beta_1: share of the mean gradient that is kept, in [0, 1).
        beta_2: share of the mean square that is kept, in [0, 1).
        epsilon: keeps the divisor from 0.
        gradient_clip_norm: largest norm of all gradients together; shortens the step only.
        gradient_clip_value: largest magnitude of one element of a gradient.
        param_clip_value: largest magnitude of a parameter.
        name: given name.
        wdecay: weight decay; added to the gradient after clipping.
        schedule: learning rate over epochs; None for a constant one.

    States of a parameter: [m, v].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=Adam(learning_rate=0.001), num_epochs=1)
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(
        self,
        stochastic_round: bool | int = False,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        gradient_clip_norm: float | None = None,
        gradient_clip_value: float | None = None,
        param_clip_value: float | None = None,
        name: str = "adam",
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
        self.beta_1 = fraction(self, "beta_1", beta_1)
        self.beta_2 = fraction(self, "beta_2", beta_2)
        self.t = 0

    def get_state(self) -> dict[str, Any]:
        """Return the number of steps taken; without it a resumed training starts too fast."""
        return {**super().get_state(), "t": self.t}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned.

        Raises:
            CheckpointError: the state is not Adam's.
        """
        super().set_state(state)
        t = state["t"]
        if isinstance(t, bool) or not isinstance(t, int) or t < 0:
            raise CheckpointError(f"Adam: t={t!r} is not a number of steps")
        self.t = t

    def _next_rate(self, epoch: int) -> float:
        """Count a step and return its corrected learning rate."""
        self.t += 1
        b1, b2 = float(self.beta_1), float(self.beta_2)
        return self.rate(epoch) * sqrt(1.0 - b2**self.t) / (1.0 - b1**self.t)

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        params = self.prepare(layer_list, 2, self.stochastic_round)
        scale = self.norm_scale(params, self.gradient_clip_norm)
        b1, b2, eps = float(self.beta_1), float(self.beta_2), float(self.epsilon)
        lr = self.number(params, lambda: self._next_rate(epoch))
        for (param, grad), states in params:
            be = home(param)
            g = self.decayed(self.mean_gradient(grad, self.gradient_clip_value), param)
            m = b1 * states[0] + (1.0 - b1) * g
            v = b2 * states[1] + (1.0 - b2) * be.square(g)
            step = scaled(scale, lr * m) / (be.sqrt(v) + eps)
            updates = [
                (states[0], m),
                (states[1], v),
                (param, self.clip_value(param - step, self.param_clip_value)),
            ]
            self.apply(updates)
