"""Schedules beyond neon's: cosine, warm-up, one cycle, and a rate that falls on plateaus."""

from __future__ import annotations

from math import cos, inf, isfinite, isnan, pi
from typing import Any

from neonport.errors import CheckpointError, ConfigurationError
from neonport.optimizers.schedules import Schedule, as_schedule
from neonport.optimizers.shared.checks import fraction, not_negative, positive, whole


def _cosine(begin: float, end: float, share: float) -> float:
    """From `begin` (share 0) to `end` (share 1) along half a cosine."""
    return end + (begin - end) * (1.0 + cos(pi * min(1.0, max(0.0, share)))) / 2.0


class CosineSchedule(Schedule):
    """floor + (rate - floor) (1 + cos(pi epoch / total_epochs)) / 2, then floor.

    From Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts.

    Args:
        total_epochs: when the floor is reached.
        floor: last rate.

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        rate = CosineSchedule(total_epochs=4)
        rates = [rate.get_learning_rate(1.0, epoch) for epoch in (0, 2, 4, 5)]
        assert np.allclose(rates, [1, 0.5, 0, 0])
    """

    neon_module = "neonport.optimizers.annealing"

    def __init__(self, total_epochs: float, floor: float = 0.0) -> None:
        super().__init__()
        self.total_epochs = positive(self, "total_epochs", total_epochs)
        self.floor = not_negative(self, "floor", floor)

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate of an epoch."""
        return _cosine(float(learning_rate), self.floor, epoch / self.total_epochs)


class WarmupSchedule(Schedule):
    """rate (start + (1 - start) epoch / epochs) in the first epochs, then another schedule.

    The other one counts its epochs from the end of the warm-up (Goyal et al., 2017, section 2.2).

    Args:
        epochs: epochs of the warm-up.
        after: the schedule that follows; None for a constant rate.
        start: share of the rate in the first epoch, in [0, 1).

    Raises:
        ConfigurationError: an argument is out of range, or `after` is no schedule.

    Example:
        rate = WarmupSchedule(epochs=2, start=0.5, after=CosineSchedule(total_epochs=2))
        rates = [rate.get_learning_rate(1.0, epoch) for epoch in range(5)]
        assert np.allclose(rates, [0.5, 0.75, 1, 0.5, 0])
    """

    neon_module = "neonport.optimizers.annealing"

    def __init__(self, epochs: int, after: Any = None, start: float = 0.1) -> None:
        super().__init__()
        self.epochs = whole(self, "epochs", epochs)
        self.start = fraction(self, "start", start)
        self.after: Any = None if after is None else as_schedule(self, after)

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate of an epoch."""
        if epoch < self.epochs:
            share = self.start + (1.0 - self.start) * epoch / self.epochs
            return float(learning_rate) * share
        if self.after is None:
            return float(learning_rate)
        return float(self.after.get_learning_rate(learning_rate, epoch - self.epochs))

    def get_state(self) -> dict[str, Any]:
        """What the schedule that follows remembers."""
        return self.after.get_state() if hasattr(self.after, "get_state") else {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned."""
        if hasattr(self.after, "set_state"):
            self.after.set_state(state)


class OneCycleSchedule(Schedule):
    """Up from rate / div to the rate, then down to rate / (div final_div), by half cosines.

    From Smith and Topin, "Super-Convergence", 2018, in the two-phase form that is usual today.

    Args:
        total_epochs: length of the cycle, 2 or more.
        warm: share of the cycle in which the rate rises, in [0, 1).
        div: what the optimizer's rate, the highest, is divided by at the start; above 0.
        final_div: by what the first rate is divided at the end; above 0.

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        rate = OneCycleSchedule(total_epochs=10, warm=0.3, div=10, final_div=100)
        rates = [rate.get_learning_rate(1.0, epoch) for epoch in (0, 2, 9)]
        assert np.allclose(rates, [0.1, 1, 0.001])
    """

    neon_module = "neonport.optimizers.annealing"

    def __init__(
        self, total_epochs: int, warm: float = 0.3, div: float = 25.0, final_div: float = 1e4
    ) -> None:
        super().__init__()
        self.total_epochs = whole(self, "total_epochs", total_epochs)
        if self.total_epochs < 2:
            raise ConfigurationError(
                f"OneCycleSchedule: total_epochs={total_epochs!r} must be 2 or more"
            )
        self.warm = fraction(self, "warm", warm)
        self.div = positive(self, "div", div)
        self.final_div = positive(self, "final_div", final_div)

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate of an epoch."""
        high = float(learning_rate)
        first, last = high / self.div, high / (self.div * self.final_div)
        top, end = max(0.0, self.warm * self.total_epochs - 1.0), self.total_epochs - 1.0
        if epoch < top:
            return _cosine(first, high, epoch / top)
        return _cosine(high, last, (epoch - top) / (end - top))


class PlateauSchedule(Schedule):
    """The rate times a factor each time the held-out loss has stopped falling.

    It learns of the loss by the callback `ReduceOnPlateau`. What it remembers is part of the
    optimizer's state, so that a resumed training goes on with the reduced rate.

    Args:
        factor: what the rate is multiplied by, in [0, 1).
        patience: evaluations without a better loss that are put up with.
        min_delta: by how much a loss must be lower to be better.
        floor: lowest rate.

    Attributes:
        scale: factor so far.
        best: lowest loss so far.
        waited: evaluations since the last better one.

    Raises:
        ConfigurationError: an argument is out of range.

    Example:
        optimizer = Adam(learning_rate=0.01, schedule=PlateauSchedule(factor=0.5, patience=2))
        callbacks = Callbacks(model, eval_set=train, progress_bar=False)
        callbacks.add_callback(ReduceOnPlateau())
        model.fit(train, cost, optimizer, num_epochs=3, callbacks=callbacks)
    """

    neon_module = "neonport.optimizers.annealing"

    def __init__(
        self, factor: float = 0.1, patience: int = 10, min_delta: float = 0.0, floor: float = 0.0
    ) -> None:
        super().__init__()
        self.factor = fraction(self, "factor", factor)
        self.patience = whole(self, "patience", patience)
        self.min_delta = not_negative(self, "min_delta", min_delta)
        self.floor = not_negative(self, "floor", floor)
        self.scale, self.best, self.waited = 1.0, inf, 0

    def observe(self, loss: float) -> bool:
        """Take note of a loss; whether the rate is lower from now on."""
        if loss < self.best - self.min_delta:
            self.best, self.waited = float(loss), 0
            return False
        self.waited += 1
        if self.waited < self.patience:
            return False
        self.waited = 0
        self.scale *= self.factor
        return True

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate, whatever the epoch."""
        return max(float(learning_rate) * self.scale, min(self.floor, float(learning_rate)))

    def get_state(self) -> dict[str, float]:
        """What it remembers of the losses."""
        return {"scale": self.scale, "best": self.best, "waited": self.waited}

    def set_state(self, state: dict[str, float]) -> None:
        """Continue from what `get_state` returned.

        Raises:
            CheckpointError: the state is not one of this schedule.
        """
        try:
            scale, best, waited = float(state["scale"]), float(state["best"]), int(state["waited"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"PlateauSchedule: {state!r} is not its state") from error
        if not isfinite(scale) or scale < 0 or isnan(best) or waited < 0:
            raise CheckpointError(f"PlateauSchedule: {state!r} is not its state")
        self.scale, self.best, self.waited = scale, best, waited
