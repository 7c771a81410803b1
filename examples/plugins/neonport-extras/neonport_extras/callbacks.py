"""A callback that records numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.callbacks.callback import Callback
from neonport.optimizers.base import get_param_list


class WeightNormCallback(Callback):
    """After each epoch, the Euclidean norm of all parameters together.

    Attributes:
        norms: one number an epoch.
    """

    def __init__(self) -> None:
        super().__init__(epoch_freq=1, minibatch_freq=None)
        self.norms: list[float] = []

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Take the norm."""
        parameters = get_param_list(model.layers_to_optimize)
        squares = (np.square(p.get().astype(np.float64)).sum() for (p, _), _ in parameters)
        self.norms.append(float(np.sqrt(sum(squares))))
