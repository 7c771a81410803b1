"""Callbacks: the list of callbacks of one training run, and the data they share."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from neonport.base import NervanaObject, need_instance, shown
from neonport.callbacks.callback import Callback, Frequency
from neonport.callbacks.cost import (
    LossCallback,
    MetricCallback,
    TrainCostCallback,
    TrainMulticostCallback,
)
from neonport.callbacks.inspection.deconvolution import DeconvCallback
from neonport.callbacks.inspection.histograms import HistCallback
from neonport.callbacks.inspection.watching import WatchTickerCallback
from neonport.callbacks.interrupt import InterruptGuard
from neonport.callbacks.loading import build_callbacks, read_description
from neonport.callbacks.logs import RunTimerCallback, TrainLoggerCallback
from neonport.callbacks.progress import ProgressBarCallback
from neonport.callbacks.records.store import open_store, reserve
from neonport.callbacks.saving import (
    EarlyStopCallback,
    SaveBestStateCallback,
    SerializeModelCallback,
    check_path,
)
from neonport.errors import CheckpointError, ConfigurationError, NeonportError
from neonport.log import logger


class Callbacks(NervanaObject):
    """The callbacks of one call of `Model.fit`.

    Args:
        model: model to be trained; only a weak reference is kept.
        train_set: ignored, as in neon.
        output_file: HDF5 file for what the callbacks record; default in memory.
        eval_freq: epochs between two evaluations of `eval_set`, or a list of 0-based epochs;
            default 1 if there is an `eval_set`, 0 for none.
        progress_bar: show a bar on a terminal, and elsewhere a line an epoch, on standard error.
        save_path: file for checkpoints.
        serialize: epochs between two checkpoints.
        history: checkpoints to keep.
        model_file: checkpoint to load before training.
        eval_set: data iterator with held-out data.
        metric: metric to evaluate on `eval_set`, shown and recorded beside the cost.
        log_token: ignored: the service it belonged to is gone.
        multicost: record each cost of a Multicost.

    Raises:
        ConfigurationError: `model` is no model, or `eval_set`, `metric` or a frequency is of
            another kind or without its partner.

    Example:
        callbacks = Callbacks(model, eval_set=train, metric=Accuracy())
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2, callbacks=callbacks)
        print(callbacks.callback_data["cost/loss"][:])
    """

    neon_module = "neon.callbacks.callbacks"

    def __init__(
        self,
        model: Any,
        train_set: Any = None,
        output_file: str | os.PathLike[str] | None = None,
        eval_freq: Frequency = None,
        progress_bar: bool = True,
        save_path: str | None = None,
        serialize: Frequency = 0,
        history: int = 1,
        model_file: str | None = None,
        eval_set: Any = None,
        metric: Any = None,
        log_token: str | None = None,
        multicost: bool = False,
    ) -> None:
        super().__init__()
        if train_set is not None:
            warnings.warn(
                "Callbacks(train_set=...) is ignored: leave it out",
                DeprecationWarning,
                stacklevel=2,
            )
        need_instance("Callbacks", "model", model, "the Model that is to be trained")
        if not hasattr(model, "fprop"):
            raise ConfigurationError(
                f"Callbacks: model is {shown(model)}, not a Model; give the one that is trained"
            )
        if eval_freq is None and eval_set is not None:
            eval_freq = 1
        for argument, value in (("eval_freq", eval_freq), ("metric", metric)):
            if value and eval_set is None:
                raise ConfigurationError(
                    f"Callbacks: {argument} needs an eval_set, the data iterator with held-out "
                    "data: pass both or none"
                )
        if save_path is not None:
            check_path("Callbacks", "save_path", save_path)
        if isinstance(history, bool) or not isinstance(history, int) or history < 0:
            raise ConfigurationError(
                f"Callbacks: history={history!r} must be a whole number of checkpoints to keep"
            )
        self.model = weakref.ref(model)
        self.output_file = output_file
        self.save_path = save_path
        self.model_file = model_file
        self.epoch_marker = 0
        self.epoch_minibatches = 0
        self.callback_data = open_store(output_file)
        self._closed = False
        self._interrupt = InterruptGuard()
        self.callbacks: list[Callback] = []
        self.add_callback(TrainMulticostCallback() if multicost else TrainCostCallback())
        if eval_freq:
            self.add_callback(LossCallback(eval_set, eval_freq), insert_pos=0)
            if metric is not None:  # before the bar, which shows it
                self.add_callback(MetricCallback(eval_set, metric, eval_freq))
        if progress_bar:
            self.add_callback(ProgressBarCallback())
        if save_path:
            freq = serialize if not isinstance(serialize, int) or serialize > 1 else 1
            self.add_callback(SerializeModelCallback(save_path, freq, history))
        self.add_callback(TrainLoggerCallback())
        self.add_callback(RunTimerCallback())

    def add_callback(self, callback: Callback, insert_pos: int | None = None) -> None:
        """Add a callback at the end of the list, or at `insert_pos`.

        What belongs into a checkpoint (`before_saving`) goes before the ones that write it.

        Raises:
            ConfigurationError: it is no callback.
        """
        need_instance("add_callback", "callback", callback, "EarlyStopCallback(...)")
        if not hasattr(callback, "on_epoch_end"):
            raise ConfigurationError(
                f"add_callback: {shown(callback)} is no callback; give an instance of a subclass "
                "of Callback"
            )
        if insert_pos is None:
            insert_pos = len(self.callbacks)
            savers = (SerializeModelCallback, SaveBestStateCallback)
            saving = [i for i, kept in enumerate(self.callbacks) if isinstance(kept, savers)]
            if saving and getattr(callback, "before_saving", False):
                insert_pos = saving[0]
        self.callbacks.insert(insert_pos, callback)

    def add_save_best_state_callback(self, path: str) -> None:
        """Save to `path` whenever the held-out loss is the lowest so far."""
        self.add_callback(SaveBestStateCallback(path))

    def add_early_stop_callback(self, stop_func: Callable[[Any, float], tuple[Any, bool]]) -> None:
        """Stop when `stop_func(state, loss)` returns `(state, True)`."""
        self.add_callback(EarlyStopCallback(stop_func))

    def add_deconv_callback(
        self, train_set: Any, valid_set: Any, max_fm: int = 16, dataset_pct: float = 25
    ) -> None:
        """Record pictures of what convolutions react to; see `DeconvCallback`."""
        self.add_callback(DeconvCallback(train_set, valid_set, max_fm, dataset_pct))

    def add_hist_callback(
        self, plot_per_mini: bool = False, filter_key: Sequence[str] = ("W",)
    ) -> None:
        """Record histograms of the layers' tensors; see `HistCallback`."""
        self.add_callback(HistCallback(plot_per_mini, filter_key))

    def add_watch_ticker_callback(self, valid: Any) -> None:
        """Show a sample of a ticker task after each epoch; see `WatchTickerCallback`."""
        self.add_callback(WatchTickerCallback(self._live_model(), valid))

    def serialize(self) -> dict[str, Any]:
        """Describe the container and its callbacks."""
        return self.get_description()

    def get_description(self, skip: Iterable[str] = (), **kwargs: Any) -> dict[str, Any]:
        """Describe the container and its callbacks as plain data."""
        path = None if self.output_file is None else os.fspath(self.output_file)
        return {
            "epoch_marker": self.epoch_marker,
            "output_file": path,
            "callbacks": [callback.get_description() for callback in self.callbacks],
        }

    @classmethod
    def load_callbacks(
        cls,
        cdict: dict[str, Any] | str | os.PathLike[str],
        model: Any,
        data: Iterable[Any] = (),
        writes: Iterable[str | os.PathLike[str]] = (),
        classes: Iterable[type] = (),
    ) -> Callbacks:
        """Rebuild a container from its description.

        Args:
            cdict: description, or the path of a checkpoint that holds one.
            model: model to be trained.
            data: data iterators; a callback finds its own by name.
            writes: files that the callbacks may write. A description may be a stranger's, so what
                it names is not written unless it stands here.
            classes: of your own, that the description may name.

        Raises:
            ConfigurationError: an iterator is missing in `data`, or a file in `writes`.
            CheckpointError: this is no description of callbacks.
        """
        description = read_description(cdict)
        callbacks = build_callbacks(description, model, data, writes, classes)
        marker = description.get("epoch_marker", 0)
        if not isinstance(marker, int):
            raise CheckpointError(f"callbacks: epoch_marker={str(marker)[:80]!r} is no integer")
        container = cls(model, output_file=description.get("output_file"), progress_bar=False)
        container.epoch_marker = marker
        container.callbacks = callbacks
        return container

    def on_train_begin(self, epochs: int) -> None:
        """Load `model_file`, prepare the shared data, take over Ctrl-C, call each callback."""
        model = self._live_model()
        if self.model_file:
            model.load_params(self.model_file)
        self._prepare_data(model, epochs)
        self._interrupt.install()
        for callback in self.callbacks:
            callback.on_train_begin(self.callback_data, model, epochs)
        reserve(self.callback_data)

    def _prepare_data(self, model: Any, epochs: int) -> None:
        if self._closed:
            if self.output_file is not None:
                raise ConfigurationError(
                    "these callbacks have finished their fit and closed their output_file; make "
                    "a new Callbacks object with a new output_file"
                )
            self.callback_data, self._closed = open_store(None), False
        batches = max(-(-model.ndata // model.be.bsz), model.nbatches)
        config = self.callback_data.create_group("config")
        config.attrs["total_minibatches"] = batches * epochs
        config.attrs["total_epochs"] = epochs
        markers = self.callback_data.create_group("time_markers")
        # int64: neon's float32 loses count beyond 2**24 and cannot be an index.
        dataset = markers.create_dataset("minibatch", (epochs,), dtype="int64")
        done = min(model.epoch_index, epochs)  # of a continued training: keep the axes
        dataset[:done] = [batches * (epoch + 1) for epoch in range(done)]
        self.epoch_marker = batches * done
        self.epoch_minibatches = 0

    def on_train_end(self) -> None:
        """Give Ctrl-C back, call each callback, close the data."""
        self._interrupt.restore()
        model = self._live_model()
        self._settle()
        for callback in self.callbacks:
            callback.on_train_end(self.callback_data, model)
        self._close()
        if self._interrupt.requested:
            raise KeyboardInterrupt

    def on_train_abort(self) -> None:
        """Release everything when training ends by an exception."""
        self._interrupt.restore()
        try:
            self._settle()
        # the device or the disk may be why training ended
        except (NeonportError, RuntimeError, OSError) as error:
            logger.warning("the last costs are not recorded: %s", error)
        for callback in self.callbacks:
            callback.on_train_abort()
        self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._write(self.callback_data.close)

    def _write(self, action: Callable[[], None]) -> None:
        """Flush or close the records; a training does not end because its log cannot be written."""
        try:
            action()
        except (OSError, RuntimeError) as error:
            logger.error("output_file=%s is not up to date: %s", self.output_file, error)

    def on_epoch_begin(self, epoch: int) -> None:
        """Call each callback that wants this epoch."""
        model = self._live_model()
        for callback in self.callbacks:
            if callback.should_fire(self.callback_data, model, epoch, callback.epoch_freq):
                callback.on_epoch_begin(self.callback_data, model, epoch)

    def on_epoch_end(self, epoch: int) -> None:
        """Call each callback that wants this epoch; then move the markers on."""
        model = self._live_model()
        self._settle()
        for callback in self.callbacks:
            if callback.should_fire(self.callback_data, model, epoch, callback.epoch_freq):
                callback.on_epoch_end(self.callback_data, model, epoch)
        self.epoch_marker += self.epoch_minibatches
        self.epoch_minibatches = 0
        markers = self.callback_data["time_markers"]
        markers["minibatch"][epoch] = self.epoch_marker
        markers.attrs["epochs_complete"] = epoch + 1
        markers.attrs["minibatches_complete"] = self.epoch_marker
        self._write(self.callback_data.flush)
        self._stop_if_asked(model)

    def on_minibatch_begin(self, epoch: int, minibatch: int) -> None:
        """Call each callback that wants this minibatch."""
        model = self._live_model()
        for callback in self.callbacks:
            if callback.should_fire(self.callback_data, model, minibatch, callback.minibatch_freq):
                self._settle_for(callback, "on_minibatch_begin")
                callback.on_minibatch_begin(self.callback_data, model, epoch, minibatch)

    def on_minibatch_end(self, epoch: int, minibatch: int) -> None:
        """Call each callback that wants this minibatch; then look at Ctrl-C."""
        model = self._live_model()
        for callback in self.callbacks:
            if callback.should_fire(self.callback_data, model, minibatch, callback.minibatch_freq):
                self._settle_for(callback, "on_minibatch_end")
                callback.on_minibatch_end(self.callback_data, model, epoch, minibatch)
        self.epoch_minibatches = minibatch + 1
        self._stop_if_asked(model)

    def _settle(self) -> None:
        for callback in self.callbacks:
            callback.settle()

    def _settle_for(self, callback: Callback, hook: str) -> None:
        """Complete the records for a callback that may look at them in this hook."""
        if callback.reads_minibatches:
            own = getattr(getattr(callback, hook), "__func__", None)
            if own is not getattr(Callback, hook):
                self._settle()

    def _stop_if_asked(self, model: Any) -> None:
        """After Ctrl-C: save, if a path was given, and stop."""
        if self._interrupt.requested:
            self._interrupt.requested = False
            if self.save_path:
                model.save_params(self.save_path)
            raise KeyboardInterrupt

    def _live_model(self) -> Any:
        model = self.model()
        if model is None:
            raise ConfigurationError("the model of these callbacks no longer exists")
        return model
