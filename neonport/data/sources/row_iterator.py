"""Minibatches of arrays that need not be in memory: only the rows of a minibatch are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from neonport.data import checks
from neonport.data.rows.passes import Minibatch, Passes, chosen_seed
from neonport.data.sources.staged_iterator import HostBatch, StagedIterator
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.io.downloads import MissingData

Transform = Callable[..., Any]


class PlannedIterator(StagedIterator):
    """Base of iterators that can read any sample: their order, its state, random changes.

    Subclasses call `_plan_passes`, and define `_read`.
    """

    augmented: Any = False
    transform: Transform | None = None

    def _plan_passes(self, rows: int, shuffle: bool, seed: int | None) -> None:
        self.ndata = rows
        self.shuffle: Any = bool(shuffle)
        chosen = chosen_seed(seed, self.be.rng_seed)
        self._passes = Passes(self._label, rows, self.shuffle, chosen)

    def _read(self, batch: Minibatch, evaluation: bool) -> HostBatch:
        """The samples of a minibatch."""
        raise NotImplementedError

    def _batches(self, evaluation: bool) -> Iterator[tuple[Any, HostBatch]]:
        size, passes = self.be.bsz, self._passes
        for batch in passes.in_order(size) if evaluation else passes.plan(size):
            yield batch, self._read(batch, evaluation)

    def _generator(self, batch: Minibatch, place: int, evaluation: bool) -> Any:
        """Random numbers for `transform` of one sample; None in an evaluation."""
        return None if evaluation else self._passes.generator(batch, place)

    def _arrived(self, mark: Minibatch) -> None:
        self._passes.arrived(mark)

    @property
    def start(self) -> int:
        """Place in its order where the next pass begins."""
        return self._passes.start

    @property
    def nbatches(self) -> int:
        """Minibatches in the next pass; it varies with where the pass begins."""
        return self._passes.count(self.be.bsz)

    def reset(self) -> None:
        """Begin the next pass at the first sample (of the next order, if shuffled)."""
        self._passes.start = 0

    def get_state(self) -> dict[str, int]:
        """Where the next pass begins, its number, and the seed."""
        return self._passes.get_state()

    def set_state(self, state: dict[str, int]) -> None:
        """Continue where `get_state` was called.

        Raises:
            ConfigurationError: the state is of other data, or of another order; nothing was
                changed then.
        """
        self._passes.set_state(state)


class RowIterator(PlannedIterator):
    """Minibatches of arrays on disk or in memory, of which only the rows in use are read.

    What has a `shape`, a `dtype` and rows that an index gives will do: arrays, `numpy.memmap`, an
    open HDF5 dataset, a sparse matrix (whose minibatches are dense); or the path of a `.npy` file,
    which is mapped into memory. The order, its passes and `shuffle` are those of `ArrayIterator`;
    what that puts on the device whole, this reads from minibatch to minibatch.

    Args:
        X: array (ndata, features), or (ndata, ...) of samples of any shape; (ndata, steps,
            features) makes sequences. A list of them for several inputs.
        y: labels, or numbers as targets; None for the inputs.
        nclass: number of classes, if `y` are labels: they are made one-hot.
        lshape: logical shape of a sample, such as (3, 32, 32), a list for several inputs.
        shuffle: another order in each pass.
        seed: of the orders and of what `transform` draws; None takes the backend's `rng_seed`, or
            draws one if it has none.
        transform: `transform(sample, rng)` gives what stands in the place of a sample of the first
            input, as in `ImageAugmentation`; a sample has the shape of the array's, or `lshape`. In
            evaluation `rng` is None. The same random numbers come in a training that is resumed.
        prefetch: minibatches that a thread makes ahead, in page-locked memory where the device
            wants that; 0 makes each when it is needed. Reading from a disk and `transform` then
            take place during the training.
        name: name.
        be: backend; default the process-wide one.

    Attributes:
        ndata: samples.
        shape: logical shape of a sample.

    Raises:
        ConfigurationError: no backend or batch size, or no samples; when iterating, labels that are
            no classes.
        DtypeError: data that are no numbers.
        ShapeError: lengths or shapes that do not fit each other.
        MissingData: there is no such file.

    Example:
        np.save("images.npy", np.zeros((40, 3, 8, 8), np.uint8))
        data = RowIterator("images.npy", np.arange(40) % 2, nclass=2, shuffle=True, prefetch=2)
        for x, t in data:
            assert x.shape == (3 * 8 * 8, 4) and t.shape == (2, 4)
    """

    def __init__(
        self,
        X: Any,
        y: Any = None,
        nclass: int | None = None,
        lshape: Any = None,
        shuffle: bool = False,
        seed: int | None = None,
        transform: Transform | None = None,
        prefetch: int = 0,
        name: str | None = None,
        be: Any = None,
    ) -> None:
        super().__init__(name, be, prefetch, nclass)
        given = X if isinstance(X, (list, tuple)) else [X]
        if given is X and any(isinstance(x, (int, float, list, tuple)) for x in given):
            raise ShapeError(
                f"{self._label}: X is a list of rows; a list means several inputs, for one give an "
                "array: numpy.array(X)"
            )
        self._arrays = [_opened(self._label, "X", x) for x in given]
        self._labels = None if y is None else _opened(self._label, "y", y)
        if not self._arrays:
            raise ConfigurationError(f"{self._label}: X is an empty list; give an array")
        both = [*self._arrays, *([] if self._labels is None else [self._labels])]
        lengths = [array.shape[0] for array in both]
        if len(set(lengths)) > 1:
            raise ShapeError(
                f"{self._label}: X and y have {lengths} rows; give one row a sample each"
            )
        if not lengths[0]:
            raise ConfigurationError(f"{self._label}: X has shape {both[0].shape}: no samples")
        self.transform = transform
        self.augmented = transform is not None
        self._image_shape = None
        if transform is not None and lshape is not None and isinstance(lshape, tuple):
            self._image_shape, lshape = lshape, None
        self._plan_passes(lengths[0], shuffle, seed)
        self._lay_out(self._read(Minibatch(0, 0, np.arange(1)), True), lshape)

    def _read(self, batch: Minibatch, evaluation: bool) -> HostBatch:
        inputs = [read_rows(array, batch.rows) for array in self._arrays]
        if self.transform is not None:
            first = inputs[0]
            if self._image_shape is not None:
                first = first.reshape(len(first), *self._image_shape)
            changed = [
                self.transform(sample, self._generator(batch, place, evaluation))
                for place, sample in enumerate(first)
            ]
            inputs[0] = stacked(self._label, changed)
        labels = self._labels
        return HostBatch(inputs, None if labels is None else read_rows(labels, batch.rows))


def read_rows(array: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of anything that is indexed as an array, in the order of `rows`.

    Each is read once, in the order in which they are stored: what HDF5 demands, and disks like.
    """
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and (np.diff(rows) == 1).all():
        found = array[first : last + 1]
        return _dense(found)
    unique, places = np.unique(rows, return_inverse=True)
    return _dense(array[unique])[places]


def _dense(found: Any) -> np.ndarray:
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def stacked(label: str, samples: Sequence[Any]) -> np.ndarray:
    """Samples as one array.

    Raises:
        ShapeError: they have several shapes.
        DtypeError: they are no numbers.
    """
    arrays = [np.asarray(sample) for sample in samples]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ShapeError(
            f"{label}: samples have the shapes {', '.join(map(str, shapes[:4]))}; bring all to "
            "one, images by transform=ImageAugmentation(size=...)"
        )
    return checks.numbers(label, "X", np.stack(arrays))


def _opened(label: str, name: str, given: Any) -> Any:
    """What has rows: the thing itself, or the file that a path names.

    Raises:
        MissingData: there is no such file.
        ConfigurationError: a file that is none of NumPy's.
        DtypeError: it holds no numbers.
        ShapeError: it has no rows.
    """
    if isinstance(given, (str, os.PathLike)):
        path = os.path.expanduser(os.fspath(given))
        if not os.path.exists(path):
            raise MissingData(f"{label}: {name}: there is no file {path!r}")
        try:
            given = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise ConfigurationError(
                f"{label}: {name}: {path!r} is no .npy file of numbers ({error}); write it by "
                "numpy.save, or give numpy.memmap(path, dtype, 'r', shape=...)"
            ) from error
    labelled = hasattr(given, "iloc")  # a column of pandas: [] goes by its own row labels
    if labelled or not hasattr(given, "shape") or not hasattr(given, "dtype"):
        given = np.asarray(given)
    if hasattr(given, "tocsr"):  # a sparse matrix; of its forms this one has rows
        given = given.tocsr()
    if not len(given.shape):
        raise ShapeError(f"{label}: {name} is a single number; give an array with one row a sample")
    kind = getattr(given.dtype, "kind", "f")
    if kind not in "biuf":
        if name == "y" and kind in "USO":
            raise DtypeError(
                f"{label}: y holds text or objects, not numbers; for class names: classes, y = "
                "numpy.unique(names, return_inverse=True)"
            )
        raise DtypeError(f"{label}: {name} of dtype {given.dtype} holds no numbers")
    return given
