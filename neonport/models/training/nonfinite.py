"""Costs that are not finite: found without waiting for the device at each minibatch."""

from __future__ import annotations

import math
from typing import Any

from neonport.callbacks.callback import scalar
from neonport.callbacks.stopping import origin
from neonport.layers.deferred_cost import UNREAD, DeferredCost
from neonport.log import logger
from neonport.models.state import Network


class CostWatch:
    """Looks at the costs of a training and warns once, of the first that is nan or infinite.

    Costs are read in packets: the first ones after 1, 2, 4, ... minibatches, because most trainings
    that fail do so soon, later ones together with all others.

    Args:
        model: the model in training.
    """

    def __init__(self, model: Network) -> None:
        self.model = model
        self.found = False
        self._unread: list[tuple[int, int, Any]] = []
        self._packet = 1

    def add(self, epoch: int, minibatch: int, cost: Any) -> None:
        """Note the cost of a minibatch, which may still be on the device."""
        if self.found:
            return
        self._unread.append((epoch, minibatch, cost))
        if len(self._unread) >= self._packet:
            self._packet = min(2 * self._packet, UNREAD)
            self.read()

    def read(self) -> None:
        """Look at the costs noted so far."""
        unread, self._unread = self._unread, []
        for epoch, minibatch, cost in unread:
            value = float(cost) if isinstance(cost, DeferredCost) else scalar(cost)
            if not math.isfinite(value):
                self.found = True
                logger.warning(
                    "fit: the cost is %s since epoch %d, minibatch %d; %s. Training goes on and "
                    "will hardly recover: try a smaller learning rate, gradient_clip_norm=1, or "
                    "data scaled to about -1 to 1; the callback TerminateOnNaN ends it at once",
                    value,
                    epoch,
                    minibatch,
                    origin(self.model.layers),
                )
                return
