"""Minibatches of other libraries' data sets, whose samples are asked for by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from neonport.data import checks
from neonport.data.rows.passes import Minibatch
from neonport.data.sources.row_iterator import PlannedIterator, Transform, stacked
from neonport.data.sources.staged_iterator import HostBatch
from neonport.errors import ConfigurationError
from neonport.io.images import channels_first

Key = Any  # a place in a tuple, or a name in a dict


class DatasetIterator(PlannedIterator):
    """Minibatches of a data set with a length whose samples are had by number.

    PyTorch's `Dataset` with `__getitem__` and `datasets.Dataset` of Hugging Face are such; nothing
    of these libraries is imported. A sample is a tuple or a dict of arrays, tensors, numbers or PIL
    images (which become (channels, height, width)). Order, state and `shuffle` are those of
    `ArrayIterator`, whatever random numbers the data set draws by itself.

    Args:
        dataset: has `__len__` and `__getitem__`; where it has `__getitems__`, that is asked for all
            samples of a minibatch at once.
        inputs: where a sample has the inputs: place in a tuple or name in a dict; a list of such
            for several inputs.
        target: where it has the target; None for the inputs.
        nclass: number of classes, if targets are labels: they are made one-hot.
        lshape: logical shape of a sample, a list for several inputs.
        shuffle, seed, prefetch, name, be: see `RowIterator`.
        transform: see `RowIterator`; it gets the first input as the data set gives it.
        threads: that get samples and transform them; their order stays.

    Attributes:
        ndata: samples.
        shape: logical shape of a sample.

    Raises:
        ConfigurationError: no backend or batch size, no samples, or samples without such a part.
        DtypeError: data that are no numbers.
        ShapeError: samples of several shapes.

    Example:
        class Squares:  # a torch.utils.data.Dataset would do as well
            def __len__(self):
                return 40

            def __getitem__(self, n):
                return np.array([n / 40, 1.0]), (n / 40) ** 2

        for x, t in DatasetIterator(Squares(), shuffle=True, prefetch=1):
            assert x.shape == (2, 4) and t.shape == (1, 4)
    """

    def __init__(
        self,
        dataset: Any,
        inputs: Key = 0,
        target: Key = 1,
        nclass: int | None = None,
        lshape: Any = None,
        shuffle: bool = False,
        seed: int | None = None,
        transform: Transform | None = None,
        prefetch: int = 0,
        threads: int = 1,
        name: str | None = None,
        be: Any = None,
    ) -> None:
        super().__init__(name, be, prefetch, nclass)
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise ConfigurationError(
                f"{self._label}: a {type(dataset).__name__} gives no samples by number: it has no "
                "__len__ and __getitem__; for what can only be iterated use LoaderIterator"
            )
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ConfigurationError(
                f"{self._label}: threads={threads!r} must be a whole number, 1 or more"
            )
        if not len(dataset):
            raise ConfigurationError(f"{self._label}: the data set has no samples")
        self.dataset = dataset
        self.inputs, self.target = inputs, target
        self.transform = transform
        self.augmented = transform is not None
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._plan_passes(len(dataset), shuffle, seed)
        self._lay_out(self._read(Minibatch(0, 0, np.arange(1)), True), lshape)

    def _read(self, batch: Minibatch, evaluation: bool) -> HostBatch:
        rows = [int(row) for row in batch.rows]
        together = getattr(self.dataset, "__getitems__", None)
        keys = input_keys(self.inputs)

        def parts(place: int, item: Any) -> list[Any]:
            found = [part_of(self._label, item, key) for key in keys]
            if self.transform is not None:
                found[0] = self.transform(found[0], self._generator(batch, place, evaluation))
            found = [as_array(self._label, part) for part in found]
            if self.target is not None:
                found.append(as_array(self._label, part_of(self._label, item, self.target)))
            return found

        if together is not None:
            samples = self._map(parts, range(len(rows)), together(rows))
        else:
            samples = self._map(
                lambda place, row: parts(place, self.dataset[row]), range(len(rows)), rows
            )
        columns = [stacked(self._label, column) for column in zip(*samples, strict=True)]
        targets = None if self.target is None else columns.pop()
        return HostBatch(columns, targets)

    def _map(self, function: Any, *sequences: Any) -> list[Any]:
        if self.threads == 1:
            return list(map(function, *sequences))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="neonport-samples")
        return list(self._pool.map(function, *sequences))


def input_keys(inputs: Key) -> list[Key]:
    """Keys of all inputs."""
    return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]


def part_of(label: str, item: Any, key: Key) -> Any:
    """A part of a sample or minibatch.

    Raises:
        ConfigurationError: it has none of that name or place.
    """
    if isinstance(item, Mapping):
        if key in item:
            return item[key]
        raise ConfigurationError(
            f"{label}: there is no {key!r} in a sample; it has "
            f"{', '.join(map(repr, item))}: give names as inputs= and target="
        )
    if isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
        if isinstance(key, int) and -len(item) <= key < len(item):
            return item[key]
        raise ConfigurationError(
            f"{label}: a sample has {len(item)} parts, there is no part {key!r}; give their places "
            "as inputs= and target="
        )
    if key == 0:  # the sample is the input
        return item
    raise ConfigurationError(
        f"{label}: a sample is a {type(item).__name__} alone, there is no part {key!r}; where "
        "there are no targets give target=None"
    )


def as_array(label: str, value: Any) -> np.ndarray:
    """An array, tensor on any device, PIL image or number as NumPy's.

    Raises:
        DtypeError: it holds no numbers.
    """
    if hasattr(value, "detach"):  # a tensor that may have a gradient, or be on a device
        value = value.detach().cpu()
    elif hasattr(value, "getbands") and hasattr(value, "convert"):  # a PIL image
        grey = value.mode in ("1", "L", "I;16", "F", "I")
        return channels_first(value if value.mode in ("L", "RGB") else value.convert(
            "L" if grey else "RGB"))  # fmt: skip
    return checks.numbers(label, "a sample", value)
