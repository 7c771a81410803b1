"""BatchNormTuneCallback: running statistics that are plain averages over a data set."""

from __future__ import annotations

from typing import Any

from neonport.callbacks.callback import Callback, Frequency
from neonport.data.checks import check_dataset
from neonport.data.dataiterator import in_order
from neonport.foundation.turns import in_use
from neonport.layers.batchnorm import BatchNorm


class BatchNormTuneCallback(Callback):
    """Replace the running mean and variance of each BatchNorm by averages over a data set.

    While a network trains, the running statistics lag behind its weights. Here all batches of
    `tune_set` go forward and count alike; the variance is that of the batches times n / (n - 1) for
    n batches. To have them ready for the evaluation of the same epoch, add it with `insert_pos=0`.

    Args:
        tune_set: data iterator; shuffled ones keep their position.
        epoch_freq: epochs between two tunings, or a list of 0-based epochs.

    Example:
        net = Model([Affine(3, Gaussian(), batch_norm=True, activation=Softmax())])
        callbacks = Callbacks(net, progress_bar=False)
        callbacks.add_callback(BatchNormTuneCallback(train), insert_pos=0)
        net.fit(train, cost=cost, optimizer=optimizer, num_epochs=1, callbacks=callbacks)
    """

    reads_minibatches = False
    before_saving = True

    def __init__(self, tune_set: Any, epoch_freq: Frequency = 1) -> None:
        super().__init__(epoch_freq=epoch_freq, minibatch_freq=None)
        check_dataset(self.classnm, tune_set, ("reset",))
        self.tune_set = tune_set

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Tune all layers of the class BatchNorm itself (what shifts its numbers keeps them)."""
        layers = [layer for layer in model.layers.layers_fprop() if type(layer) is BatchNorm]
        if not layers:
            return
        kept = [layer.rho for layer in layers]
        batches = 0
        try:
            for x, _ in in_order(self.tune_set):
                for layer in layers:
                    layer.rho = batches / (batches + 1)
                with in_use.of(model):
                    model.fprop(x)
                batches += 1
        finally:
            for layer, rho in zip(layers, kept, strict=True):
                layer.rho = rho
        if batches > 1:
            for layer in layers:
                layer.gvar[:] = layer.gvar * (batches / (batches - 1))
