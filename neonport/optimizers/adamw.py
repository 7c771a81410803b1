"""AdamW and Nadam: Adam with weight decay apart from the gradient, and with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any

from neonport.backends.home import home
from neonport.errors import CheckpointError
from neonport.optimizers.adam import Adam
from neonport.optimizers.base import scaled
from neonport.optimizers.shared.checks import not_negative

if TYPE_CHECKING:
    from neonport.optimizers.base import Param


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself (Loshchilov and Hutter, 2019, alg. 2).

    m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2,
    p' = (1 - lr wdecay) p - lr (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + eps).

    t counts calls of `optimize`. Unlike in neon's Adam, eps is added to the corrected root, as the
    algorithm says, and clipping by norm acts on the gradient.

    Args:
        learning_rate, beta_1, beta_2, epsilon: as of `Adam`.
        wdecay: share of a parameter that a step of rate 1 takes away.
        stochastic_round, gradient_clip_norm, gradient_clip_value, param_clip_value, name, schedule:
            as of `Adam`.

    States of a parameter: [m, v].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=AdamW(0.001, wdecay=0.05), num_epochs=1)
    """

    neon_module = "neonport.optimizers.adamw"

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        wdecay: float = 0.01,
        stochastic_round: bool | int = False,
        gradient_clip_norm: float | None = None,
        gradient_clip_value: float | None = None,
        param_clip_value: float | None = None,
        name: str = "adamw",
        schedule: Any = None,
    ) -> None:
        super().__init__(
            stochastic_round, learning_rate, beta_1, beta_2, epsilon, gradient_clip_norm,
            gradient_clip_value, param_clip_value, name, wdecay, schedule,
        )  # fmt: skip

    def _count(self, epoch: int) -> float:
        """Count a step and return its learning rate."""
        self.t += 1
        return self.rate(epoch)

    def _root(self) -> float:
        """Return what corrects the root of v for its start at zero."""
        return 1.0 / sqrt(1.0 - float(self.beta_2) ** self.t)

    def _direction(self, params: Sequence[Param]) -> Callable[[Any, Any], Any]:
        """Return the function of (new mean, gradient) that is divided by the root."""
        factor = self.number(params, lambda: 1.0 / (1.0 - float(self.beta_1) ** self.t))
        return lambda m, g: factor * m

    def optimize(self, layer_list: Sequence[Any], epoch: int) -> None:
        """Update the parameters of all layers once; see `Optimizer.optimize`."""
        params = self.prepare(layer_list, 2, self.stochastic_round)
        scale = self.norm_scale(params, self.gradient_clip_norm)
        b1, b2, eps = float(self.beta_1), float(self.beta_2), float(self.epsilon)
        lr = self.number(params, lambda: self._count(epoch))  # first: it counts the step
        root = self.number(params, self._root)
        direction = self._direction(params)
        for (param, grad), states in params:
            be = home(param)
            g = scaled(scale, self.mean_gradient(grad, self.gradient_clip_value))
            g = self._penalized(g, param)
            m = b1 * states[0] + (1.0 - b1) * g
            v = b2 * states[1] + (1.0 - b2) * be.square(g)
            step = lr * direction(m, g) / (root * be.sqrt(v) + eps)
            updates = [
                (states[0], m),
                (states[1], v),
                (param, self.clip_value(self._kept(param, lr) - step, self.param_clip_value)),
            ]
            self.apply(updates)

    def _penalized(self, grad: Any, param: Any) -> Any:
        return grad

    def _kept(self, param: Any, lr: Any) -> Any:
        return param * (1.0 - lr * float(self.wdecay)) if self.wdecay else param


class Nadam(AdamW):
    """Adam with Nesterov's momentum: the step looks ahead by one gradient (Dozat, 2016).

    With mu_t = b1 (1 - 0.96^(psi t) / 2) and M_t = mu_1 ... mu_t: m, v as in Adam and
    p' = p - lr (mu_{t+1} m' / (1 - M_{t+1}) + (1 - mu_t) g / (1 - M_t)) / (sqrt(v' / (1 - b2^t)) +
    eps).

    Args:
        learning_rate, beta_1, beta_2, epsilon: as of `Adam`.
        momentum_decay: psi, how fast the momentum comes up to b1.
        wdecay: weight decay; added to the gradient after clipping.
        stochastic_round, gradient_clip_norm, gradient_clip_value, param_clip_value, name, schedule:
            as of `Adam`.

    States of a parameter: [m, v].

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        model.fit(train, cost=cost, optimizer=Nadam(0.002), num_epochs=1)
    """

    neon_module = "neonport.optimizers.adamw"

    def __init__(
        self,
        learning_rate: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 4e-3,
        stochastic_round: bool | int = False,
        gradient_clip_norm: float | None = None,
        gradient_clip_value: float | None = None,
        param_clip_value: float | None = None,
        name: str = "nadam",
        wdecay: float = 0.0,
        schedule: Any = None,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, wdecay, stochastic_round, gradient_clip_norm,
            gradient_clip_value, param_clip_value, name, schedule,
        )  # fmt: skip
        self.momentum_decay = not_negative(self, "momentum_decay", momentum_decay)
        self.product = 1.0

    def get_state(self) -> dict[str, Any]:
        """Return the number of steps and the product of their momenta."""
        return {**super().get_state(), "product": self.product}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned.

        Raises:
            CheckpointError: the state is not Nadam's.
        """
        product = state.get("product")
        if product is not None and not (isinstance(product, float) and isfinite(product)):
            raise CheckpointError(f"Nadam: product={product!r} is not one of momenta")
        super().set_state(state)
        self.product = state["product"]

    def _momentum(self, t: int) -> float:
        return float(self.beta_1) * (1.0 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def _count(self, epoch: int) -> float:
        rate = super()._count(epoch)
        self.product *= self._momentum(self.t)
        return rate

    def _direction(self, params: Sequence[Param]) -> Callable[[Any, Any], Any]:
        def of_grad() -> float:
            return (1.0 - self._momentum(self.t)) / (1.0 - self.product)

        def of_mean() -> float:
            ahead = self._momentum(self.t + 1)
            return ahead / (1.0 - self.product * ahead)

        grad_factor, mean_factor = self.number(params, of_grad), self.number(params, of_mean)
        return lambda m, g: mean_factor * m + grad_factor * g

    def _penalized(self, grad: Any, param: Any) -> Any:
        return self.decayed(grad, param)

    def _kept(self, param: Any, lr: Any) -> Any:
        return param
