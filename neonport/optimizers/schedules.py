"""Schedules: the learning rate as a function of the epoch (counted from 0)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import floor, inf
from typing import Any

import numpy as np

from neonport.base import NervanaObject
from neonport.errors import ConfigurationError
from neonport.log import logger
from neonport.optimizers.shared.checks import finite, not_negative, positive, whole


def _is_list(value: Any) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))


def _steps(owner: NervanaObject, step_config: Any) -> list[float]:
    return [not_negative(owner, "step_config entry", s) for s in step_config]


def _step_table(owner: NervanaObject, step_config: Any, change: Any) -> list[tuple[float, float]]:
    """Pair epochs with rates.

    Raises:
        ConfigurationError: the lists differ in length or the epochs do not ascend.
    """
    if not (_is_list(step_config) and _is_list(change)) or len(step_config) != len(change):
        raise ConfigurationError(
            f"{owner.classnm}: step_config={step_config!r} and change={change!r} must be lists of "
            "equal length: an epoch and the rate from then on"
        )
    steps = _steps(owner, step_config)
    if any(a >= b for a, b in pairwise(steps)):
        raise ConfigurationError(
            f"{owner.classnm}: the epochs in step_config={step_config!r} must ascend"
        )
    rates = [not_negative(owner, "change entry", c) for c in change]
    return list(zip(steps, rates, strict=True))


def _table_rate(table: list[tuple[float, float]], learning_rate: float, epoch: int) -> float:
    """Rate of the last step that has come, so that a resumed training finds it as well."""
    reached = [rate for step, rate in table if step <= epoch]
    return float(reached[-1] if reached else learning_rate)


class Schedule(NervanaObject):
    """Constant rate, or one that changes by a factor at given epochs.

    Args:
        step_config: None for a constant rate; a list of epochs, at each of which the rate is
            multiplied by `change`. Older forms: with a list `change`, StepSchedule; an int,
            PowerSchedule.
        change: factor.

    Attributes:
        steps: number of factors (or the absolute rate) that the last call applied.

    Raises:
        ConfigurationError: `step_config` is none of these, or does not fit `change`.

    Example:
        rate = Schedule(step_config=[2, 4], change=0.1)
        rates = [rate.get_learning_rate(1.0, epoch) for epoch in range(5)]
        assert np.allclose(rates, [1, 1, 0.1, 0.1, 0.01])
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(self, step_config: Any = None, change: Any = 1.0) -> None:
        super().__init__()
        self.step_config = step_config
        self.change = change
        self.steps: float = 0
        self._table: list[tuple[float, float]] | None = None
        self._epochs: list[float] = []
        self._period: int | None = None
        if _is_list(step_config) and _is_list(change):
            logger.warning("Schedule with two lists is deprecated: use StepSchedule")
            self._table = _step_table(self, step_config, change)
            return
        finite(self, "change", change)
        if _is_list(step_config):
            self._epochs = _steps(self, step_config)
        elif step_config is not None:
            logger.warning("Schedule with a step number is deprecated: use PowerSchedule")
            self._period = whole(self, "step_config", step_config)

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate of an epoch.

        Args:
            learning_rate: initial rate.
            epoch: index of the epoch, from 0.
        """
        if self._table is not None:
            self.steps = _table_rate(self._table, learning_rate, epoch)
            return self.steps
        if self._period is not None:
            self.steps = floor(epoch / self._period)
        else:
            self.steps = sum(step <= epoch for step in self._epochs)
        try:
            return float(learning_rate * float(self.change) ** self.steps)
        except OverflowError:  # of Python's; other numbers overflow to infinity by themselves
            return inf if learning_rate else 0.0


class StepSchedule(Schedule):
    """A new absolute rate from each of given epochs on.

    Args:
        step_config: ascending epochs.
        change: rate from each of them on; before the first it is the optimizer's.

    Raises:
        ConfigurationError: the lists differ in length, epochs don't ascend, or a rate is negative.

    Example:
        rate = StepSchedule(step_config=[2, 4], change=[0.3, 0.1])
        assert [rate.get_learning_rate(1.0, epoch) for epoch in range(5)] == [1, 1, 0.3, 0.3, 0.1]
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(self, step_config: Sequence[int], change: Sequence[float]) -> None:
        super().__init__()
        self.step_config = step_config
        self.change = change
        self._table = _step_table(self, step_config, change)


class PowerSchedule(Schedule):
    """rate * change^floor(epoch / step).

    Args:
        step_config: epochs between two changes.
        change: factor.

    Raises:
        ConfigurationError: the first is no integer above 0, the second no number.

    Example:
        rate = PowerSchedule(step_config=2, change=0.5)
        assert [rate.get_learning_rate(1.0, epoch) for epoch in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(self, step_config: int, change: float) -> None:
        super().__init__()
        self.step_config = step_config
        self.change = change
        self._period = whole(self, "step_config", step_config)
        finite(self, "change", change)


class ExpSchedule(Schedule):
    """rate / (1 + decay * epoch).

    Args:
        decay: not negative.

    Example:
        assert ExpSchedule(decay=0.5).get_learning_rate(1.0, epoch=2) == 0.5
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = not_negative(self, "decay", decay)

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate of an epoch."""
        return float(learning_rate / (1.0 + self.decay * epoch))


class PolySchedule(Schedule):
    """rate * (1 - epoch / total_epochs)^power, 0 from the last epoch on.

    Args:
        total_epochs: when the rate reaches 0.
        power: exponent, above 0.

    Example:
        rate = PolySchedule(total_epochs=4, power=2)
        assert [rate.get_learning_rate(1.0, epoch) for epoch in (0, 2, 4)] == [1, 0.25, 0]
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(self, total_epochs: float, power: float) -> None:
        super().__init__()
        self.total_epochs = positive(self, "total_epochs", total_epochs)
        self.power = positive(self, "power", power)

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate of an epoch."""
        return float(learning_rate * max(0.0, 1.0 - epoch / self.total_epochs) ** self.power)


class ShiftSchedule(Schedule):
    """rate * 2^(-shift_size * floor(epoch / interval)): halvings, for shift-based training.

    Args:
        interval: epochs between two changes.
        shift_size: binary places of a change.

    Example:
        rate = ShiftSchedule(interval=2)
        assert [rate.get_learning_rate(1.0, epoch) for epoch in (0, 2, 4)] == [1, 0.5, 0.25]
    """

    neon_module = "neon.optimizers.optimizer"

    def __init__(self, interval: int, shift_size: float = 1) -> None:
        super().__init__()
        self.interval = whole(self, "interval", interval)
        self.shift_size = finite(self, "shift_size", shift_size)

    def get_learning_rate(self, learning_rate: float, epoch: int) -> float:
        """Return the rate of an epoch."""
        return float(learning_rate * 2.0 ** (-self.shift_size * floor(epoch / self.interval)))


def as_schedule(owner: NervanaObject, schedule: Any) -> Any:
    """Return the schedule of an optimizer: the given one, or a constant one of its own.

    Raises:
        ConfigurationError: it has no `get_learning_rate`, or is a class.
    """
    if schedule is None:
        return Schedule()
    if isinstance(schedule, type) or not hasattr(schedule, "get_learning_rate"):
        raise ConfigurationError(
            f"{owner.classnm}: schedule={schedule!r} must be an object with "
            "get_learning_rate(learning_rate, epoch), such as Schedule([10, 20], 0.1)"
        )
    return schedule
