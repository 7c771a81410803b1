"""An optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from neonport.backends.home import home
from neonport.optimizers.adam import Adam
from neonport.optimizers.base import scaled


class AdaBelief(Adam):
    """Adam whose divisor is how far gradients lie from their mean, not how large they are.

    m' = b1 m + (1 - b1) g, s' = b2 s + (1 - b2) (g - m')^2 + eps, and the step of `Adam` with s
    for v (Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed
    Gradients", 2020, algorithm 2). Arguments are those of `Adam`.
    """

    neon_module = None

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once."""
        params = self.prepare(layer_list, 2, self.stochastic_round)
        scale = self.norm_scale(params, self.gradient_clip_norm)
        b1, b2, eps = float(self.beta_1), float(self.beta_2), float(self.epsilon)
        lr = self.number(params, lambda: self._next_rate(epoch))
        for (param, grad), states in params:
            be = home(param)
            g = self.decayed(self.mean_gradient(grad, self.gradient_clip_value), param)
            m = b1 * states[0] + (1.0 - b1) * g
            s = b2 * states[1] + (1.0 - b2) * be.square(g - m) + eps
            step = scaled(scale, lr * m) / (be.sqrt(s) + sqrt(eps))
            moved = self.clip_value(param - step, self.param_clip_value)
            self.apply([(states[0], m), (states[1], s), (param, moved)])
