"""HistCallback: histograms of parameters and activations in the course of a training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from neonport.callbacks.callback import Callback, minibatch_position
from neonport.callbacks.records.store import create_late
from neonport.errors import ConfigurationError
from neonport.layers.deferred_cost import UNREAD
from neonport.tensor.tensor import Tensor

KEPT = 1000  # tensors whose views are kept


class HistCallback(Callback):
    """Record histograms of log2 magnitudes of tensors of the layers, in the group `hist`.

    A dataset `hist/<layer name>_<layer index>_<attribute>` is (bins, steps) int32: what
    `be.histogram` counts, a column for each epoch or minibatch. The device counts; what it counted
    is read when somebody looks at the records.

    Args:
        plot_per_mini: a column a minibatch instead of one an epoch.
        filter_key: attributes of the outermost layers, such as "W", "dW", "outputs"; what is no
            tensor in a layer is left out there.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(HistCallback(plot_per_mini=False, filter_key=["W"]))
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2, callbacks=callbacks)
        counts = callbacks.callback_data["hist"]
        assert all(data.shape == (64, 2) for data in counts.values())
    """

    reads_minibatches = False

    def __init__(self, plot_per_mini: bool = False, filter_key: Sequence[str] = ("W",)) -> None:
        super().__init__(epoch_freq=1, minibatch_freq=1)
        keys = [filter_key] if isinstance(filter_key, str) else list(filter_key)
        if not keys or not all(isinstance(key, str) for key in keys):
            raise ConfigurationError(
                f"HistCallback: filter_key={filter_key!r} must name attributes of layers, such as "
                "['W', 'dW']"
            )
        self.plot_per_mini = bool(plot_per_mini)
        self.filter_key = keys
        self._records: Any = None
        self._unread: list[tuple[str, int]] = []
        self._counts: Any = None  # (UNREAD, bins): what is not read yet
        self._rows: list[Tensor] = []
        self._columns: dict[int, tuple[Tensor, Tensor]] = {}

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Make the group, which says what bins and steps there are."""
        be = model.be
        steps = epochs
        if self.plot_per_mini:
            steps = int(callback_data["config"].attrs["total_minibatches"])
        self._unread.clear()
        self._columns.clear()
        self._counts = be.empty((UNREAD, be.hist_bins), dtype=np.int32)
        # views are made once: a statement is found again by its target
        self._rows = [self._counts[i : i + 1] for i in range(UNREAD)]
        self._records = callback_data.create_group("hist")
        self._records.attrs["bins"] = be.hist_bins
        self._records.attrs["offset"] = be.hist_offset
        self._records.attrs["time_markers"] = "minibatch" if self.plot_per_mini else "epoch"
        self._records.attrs["time_steps"] = steps
        for tag, _ in self._tensors(model):
            self._records.create_dataset(tag, (be.hist_bins, steps), dtype="int32")

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Count, if a minibatch has a column."""
        if self.plot_per_mini:
            self._count(model, minibatch_position(callback_data, epoch, minibatch))

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Count, if an epoch has a column."""
        if not self.plot_per_mini:
            self._count(model, epoch)
        self.settle()

    def _tensors(self, model: Any) -> Iterator[tuple[str, Tensor]]:
        for index, layer in enumerate(model.layers.layers):
            for key in self.filter_key:
                tensor = getattr(layer, key, None)
                if isinstance(tensor, Tensor):
                    # a slash would make a group
                    yield f"{layer.name}_{index}_{key}".replace("/", "_"), tensor

    def _count(self, model: Any, step: int) -> None:
        for tag, tensor in self._tensors(model):
            if len(self._unread) == UNREAD:
                self.settle()
            model.be.count_magnitudes(self._column(tensor), out=self._rows[len(self._unread)])
            self._unread.append((tag, step))

    def _column(self, tensor: Tensor) -> Tensor:
        """The tensor as one column, the same one each time."""
        known = self._columns.get(id(tensor))
        if known is None or known[0] is not tensor:
            if len(self._columns) == KEPT:  # a layer makes new tensors all the time
                self._columns.clear()
            column = tensor.reshape((-1, 1)) if tensor.is_contiguous else tensor
            known = self._columns[id(tensor)] = tensor, column
        return known[1]

    def settle(self) -> None:
        """Store what was counted since the last time."""
        unread, self._unread = self._unread, []
        if not unread:
            return
        bins, steps = (int(self._records.attrs[key]) for key in ("bins", "time_steps"))
        for (tag, step), counts in zip(unread, self._counts.get(), strict=False):
            if tag not in self._records:
                create_late(self._records, tag, np.zeros((bins, steps), np.int32))
            if step < steps:
                self._records[tag][:, step] = counts
