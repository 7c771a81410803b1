"""Callbacks that end a training, and where numbers stop being finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neonport.callbacks.callback import Callback, StopTraining, scalar
from neonport.tensor.tensor import Tensor


class TerminateOnNaN(Callback):
    """End the training at the first minibatch whose cost is nan or infinite.

    It reads the cost, which waits for the device; a larger `minibatch_freq` waits less often.

    Args:
        minibatch_freq: minibatches between two looks.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(TerminateOnNaN(minibatch_freq=10))
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=1, callbacks=callbacks)
    """

    reads_minibatches = False

    def __init__(self, minibatch_freq: int = 1) -> None:
        super().__init__(epoch_freq=None, minibatch_freq=minibatch_freq)

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Look at the cost.

        Raises:
            StopTraining: it is not finite.
        """
        for part in getattr(model.cost, "costs", [model.cost]):
            value = scalar(part.cost)
            if not math.isfinite(value):
                raise StopTraining(f"the cost is {value}; {origin(model.layers)}")


def origin(layers: Any) -> str:
    """Say where numbers stop being finite: the data, or the first layer on the way forward.

    Args:
        layers: container, after a forward pass.
    """
    members = [layer for layer in layers.layers_fprop() if not hasattr(layer, "layers")]
    for layer in members:
        where = f"layer {layer.name!r} ({type(layer).__name__})"
        if layer.prev_layer is None and not _finite(layer.inputs):
            return "the data of the minibatch are not finite: look for nan and inf in the arrays"
        if layer.has_params and not all(_finite(tensor) for tensor in _parameters(layer)):
            return f"the first layer concerned is {where}: its parameters are not finite"
        if not _finite(layer.outputs):
            return f"the first layer concerned is {where}: its outputs are not finite"
    return "all layers give finite outputs, so it is the cost function or the targets"


def _parameters(layer: Any) -> list[Any]:
    entry = layer.get_params()
    return [param for (param, _), _ in (entry if isinstance(entry, list) else [entry])]


def _finite(tensor: Any) -> bool:
    if not isinstance(tensor, Tensor):
        return True
    values = tensor.get()
    if values.dtype.kind != "f":  # bfloat16 is no float to NumPy
        values = values.astype(np.float32)
    return bool(np.isfinite(values).all())
