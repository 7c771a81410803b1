"""The base of all callbacks, and how often they fire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from neonport.base import NervanaObject, get_args
from neonport.data.dataiterator import NervanaDataIterator
from neonport.errors import ConfigurationError
from neonport.tensor.tensor import Tensor

THE_MODEL = {"type": "Model"}  # in a description: the model that is trained
Frequency = int | np.integer | Sequence[int] | None


def scalar(value: Any) -> float:
    """A cost as a Python number, whatever (1, 1) array or tensor it comes in."""
    return float(np.asarray(value.get() if isinstance(value, Tensor) else value).item())


def data_name(iterator: Any) -> str:
    """The name under which a callback finds its data again; of what has none, that of its class."""
    return str(getattr(iterator, "name", None) or type(iterator).__name__)


def named_data(iterator: Any) -> dict[str, Any]:
    """A data iterator in a description."""
    return {"type": "Data", "name": data_name(iterator)}


def check_frequency(label: str, freq: Any) -> None:
    """Raise unless `freq` is a frequency.

    Raises:
        ConfigurationError: it is no number of 1 or more, no list of numbers and not None.
    """
    if freq is None:
        return
    listed = isinstance(freq, (list, tuple, np.ndarray, range))
    for value in freq if listed else [freq]:
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < (0 if listed else 1):
            raise ConfigurationError(
                f"{label} must be 1 or more, a list of counts from 0, or None for never; got "
                f"{freq!r}"
            )


def fires(freq: Frequency, time: int) -> bool:
    """Whether a frequency selects the 0-based `time`: every freq-th, those listed, or none."""
    if freq is None:
        return False
    if isinstance(freq, (int, np.integer)):
        return bool((time + 1) % freq == 0)
    return time in freq


def firing_count(freq: Frequency, epochs: int) -> int:
    """How often `freq` fires in `epochs` epochs."""
    if isinstance(freq, (int, np.integer)):
        return int(epochs // freq)
    return sum(fires(freq, epoch) for epoch in range(epochs))


def firing_index(freq: Frequency, epoch: int) -> int:
    """The number, from 0, of the firing that happens at `epoch`."""
    return firing_count(freq, epoch + 1) - 1


class StopTraining(Exception):
    """Ends a training at once, in the middle of an epoch, when a callback raises it.

    `fit` returns as after its last epoch; the epoch that was begun does not count.

    Args:
        reason: said in the log and kept in the history of `fit`.

    Example:
        class OneMinibatch(Callback):
            def on_minibatch_end(self, callback_data, model, epoch, minibatch):
                raise StopTraining("one is enough")

        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(OneMinibatch())
        history = model.fit(train, cost, optimizer, num_epochs=2, callbacks=callbacks)
        assert "one is enough" in history.reason
    """


class Callback(NervanaObject):
    """Something that is told about the progress of training.

    Args:
        epoch_freq: epochs between two calls, a list of 0-based epochs, or None for never.
        minibatch_freq: the same for minibatches.

    Example:
        class StopWhenGood(Callback):
            def on_epoch_end(self, callback_data, model, epoch):
                model.finished = model.total_cost.item() < 0.1

        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(StopWhenGood())
    """

    neon_module = "neon.callbacks.callbacks"
    # whether its calls at minibatches look at what others record there, which waits for the device
    reads_minibatches: ClassVar[bool] = True
    # whether what it does at an epoch's end belongs into the checkpoint of that epoch
    before_saving: ClassVar[bool] = False

    def __init__(self, epoch_freq: Frequency = 1, minibatch_freq: Frequency = 1) -> None:
        for label, freq in (("epoch_freq", epoch_freq), ("minibatch_freq", minibatch_freq)):
            check_frequency(f"{self.classnm}: {label}", freq)
        self.epoch_freq = epoch_freq
        self.minibatch_freq = minibatch_freq
        self.costnm: str | None = None

    def get_description(self, skip: Iterable[str] = (), **kwargs: Any) -> dict[str, Any]:
        """Describe the callback; a data iterator is stored by its name."""
        given = {arg: getattr(self, arg, None) for arg in get_args(type(self).__init__)}
        data = {k: named_data(v) for k, v in given.items() if isinstance(v, NervanaDataIterator)}
        description = super().get_description([*skip, *data])
        description["config"].update((k, v) for k, v in data.items() if k not in skip)
        return description

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Called once before the first epoch."""

    def on_train_end(self, callback_data: Any, model: Any) -> None:
        """Called once after the last epoch."""

    def on_epoch_begin(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Called before an epoch that `epoch_freq` selects."""

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Called after an epoch that `epoch_freq` selects."""

    def on_minibatch_begin(
        self, callback_data: Any, model: Any, epoch: int, minibatch: int
    ) -> None:
        """Called before a minibatch that `minibatch_freq` selects."""

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Called after a minibatch that `minibatch_freq` selects."""

    def on_train_abort(self) -> None:
        """Called instead of `on_train_end` when training ends by an exception."""

    def settle(self) -> None:
        """Record what is still on the device; called before anybody may look at the records."""

    def should_fire(self, callback_data: Any, model: Any, time: int, freq: Frequency) -> bool:
        """Whether this callback is to be called at `time`."""
        return fires(freq, time)

    def _get_cached_epoch_loss(
        self, callback_data: Any, model: Any, epoch: int, label: str
    ) -> dict[str, Any] | None:
        """Cost, seconds and name that LossCallback recorded for this epoch, or None."""
        if f"cost/{label}" not in callback_data:
            return None
        losses = callback_data[f"cost/{label}"]
        freq = losses.attrs["epoch_freq"]
        freq = freq if isinstance(freq, (int, np.integer)) else list(freq)
        index = firing_index(freq, epoch)
        if not fires(freq, epoch) or index >= losses.shape[0]:
            return None
        if self.costnm is None:
            self.costnm = f"{type(model.cost.costfunc).__name__} Loss"
        seconds = callback_data[f"time/{label}"][index]
        return {"cost": losses[index], "time": seconds, "costnm": self.costnm}


def minibatch_position(callback_data: Any, epoch: int, minibatch: int) -> int:
    """Index of a minibatch in the arrays that hold one entry for each."""
    start = callback_data["time_markers/minibatch"][epoch - 1] if epoch > 0 else 0
    return int(start) + minibatch
