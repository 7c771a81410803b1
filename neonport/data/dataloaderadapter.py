"""Loaders of named arrays, aeon's kind, as loaders of tensors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from neonport.data import checks
from neonport.data.dataiterator import NervanaDataIterator
from neonport.errors import ConfigurationError, ShapeError


class DataLoaderAdapter(NervanaDataIterator):
    """Minibatches of a loader as tensors with samples as columns, one a modality.

    The loader has `ndata` (samples), `axes_info` (pairs of a modality's name and its axes, a dict
    of sizes or pairs of name and size), and yields tuples of pairs (name, array) whose arrays have
    one row a sample. `config` is needed for `audio_length` only.

    Of `audio_length` the adapter makes the percent of `max_duration` (uint8, (1, N)); of `char_map`
    a row of all numbers that are not 0, (1, k). A training takes pairs of inputs and targets: where
    a tuple has other parts, `Retuple` picks them.

    Args:
        dataloader: the loader.

    Attributes:
        shape: logical shape of the first modality.
        outputs: tensors of the last minibatch by modality.

    Raises:
        ConfigurationError: no backend or batch size, or the loader lacks something.

    Example:
        class Loader:
            ndata, axes_info = 8, [("image", {"channels": 1, "height": 2, "width": 3})]

            def __iter__(self):
                for _ in range(2):
                    yield (("image", np.ones((4, 1, 2, 3), np.uint8)),)

        data = DataLoaderAdapter(Loader())
        assert data.shape == (1, 2, 3) and data.nbatches == 2
        for (x,) in data:
            assert x.shape == (6, 4) and x.dtype == np.uint8
    """

    neon_module = "neon.data.dataloaderadapter"

    def __init__(self, dataloader: Any) -> None:
        super().__init__()
        self._label = f"{self.classnm} {self.name}"
        checks.need_batch_size(self._label, self.be)
        missing = [n for n in ("__iter__", "ndata", "axes_info") if not hasattr(dataloader, n)]
        if missing:
            raise ConfigurationError(
                f"{self._label}: the loader, a {type(dataloader).__name__}, has no "
                f"{', '.join(missing)}; see DataLoaderAdapter for what it needs"
            )
        self.dataloader = dataloader
        self.outputs: OrderedDict[str, Any] = OrderedDict()
        shapes = {name: _sizes(axes) for name, axes in dict(dataloader.axes_info).items()}
        first = next(iter(shapes.values()))
        self.shape: Any = first if len(first) > 1 else prod(first)
        self.lshape = self.shape

    @property
    def ndata(self) -> int:
        """Samples of the loader."""
        return int(self.dataloader.ndata)

    @property
    def nbatches(self) -> int:
        """Minibatches of a pass."""
        return -(-self.ndata // self.be.bsz)

    def reset(self) -> None:
        """Begin the next pass at the first sample, if the loader can."""
        if hasattr(self.dataloader, "reset"):
            self.dataloader.reset()

    @property
    def shuffle(self) -> bool:
        """Whether passes of the loader have other orders than that of evaluation."""
        return hasattr(self.dataloader, "in_order")

    def in_order(self) -> Iterator[Any]:
        """One pass for evaluation, of a loader that has such."""
        return map(self._tensors, self.dataloader.in_order())

    def __iter__(self) -> Iterator[Any]:
        return map(self._tensors, self.dataloader)

    def __getattr__(self, name: str) -> Any:
        if name in ("get_state", "set_state"):  # there are such if the loader has them
            return getattr(self.dataloader, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _tensors(self, batch: Any) -> tuple[Any, ...]:
        return tuple(self._tensor(name, np.asarray(array)) for name, array in batch)

    def _tensor(self, name: str, array: np.ndarray) -> Any:
        """One modality, in the tensor of the last minibatch where that has the shape."""
        if name == "char_map":
            rows = array[array != 0].reshape(1, -1)
        else:
            if not array.ndim or len(array) != self.be.bsz:
                raise ShapeError(
                    f"{self._label}: {name!r} has shape {array.shape}, but a minibatch has "
                    f"{self.be.bsz} samples; give the loader the batch size of the backend"
                )
            rows = array.reshape(len(array), -1).T
        if name == "audio_length":
            rows = np.clip(rows * 100.0 / self._longest(), 0, 100).astype(np.uint8)
        found = self.outputs.get(name)
        kind = found is not None and (found.shape, found.dtype, found.backend)
        if found is None or kind != (rows.shape, rows.dtype, self.be):
            found = self.outputs[name] = self.be.empty(rows.shape, dtype=rows.dtype)
        return found.set(np.ascontiguousarray(rows))

    def _longest(self) -> float:
        """`max_duration` of the loader's configuration of audio, in its own unit."""
        config = getattr(self.dataloader, "config", {})
        parts = config.get("etl", [config.get("audio", {})])
        values = [part["max_duration"] for part in parts if "max_duration" in part]
        if not values:
            raise ConfigurationError(
                f"{self._label}: 'audio_length' needs max_duration in the loader's configuration"
            )
        return float(str(values[0]).split()[0])


def _sizes(axes: Any) -> tuple[int, ...]:
    pairs = axes.items() if isinstance(axes, Mapping) else axes
    return tuple(int(pair[1]) for pair in pairs)
