"""Minibatches of other libraries' loaders, which can only be iterated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neonport.data.sources.dataset_iterator import Key, as_array, input_keys, part_of
from neonport.data.sources.staged_iterator import HostBatch, StagedIterator
from neonport.errors import ConfigurationError


class LoaderIterator(StagedIterator):
    """Minibatches of a loader that yields batches of any size, such as PyTorch's `DataLoader`.

    Its batches are tuples or dicts of arrays or tensors with one row a sample; they are cut and
    joined to the batch size of the backend. A last minibatch that is not full is filled up with
    the first samples of the pass, which count in the training and not in an evaluation.

    The order is the loader's. Exactly the same one comes in a training that is resumed only where
    the loader has a `generator` and `seed` is given, or where it does not shuffle; else use its
    data set: `DatasetIterator(loader.dataset, shuffle=True)`.

    Args:
        loader: what is iterated, once in each pass. `len(loader.dataset)` is the number of samples.
        inputs: where a batch has the inputs: place in a tuple or name in a dict; a list of such for
            several inputs.
        target: where it has the targets; None for the inputs.
        nclass: number of classes, if targets are labels: they are made one-hot.
        lshape: logical shape of a sample, a list for several inputs.
        ndata: samples of a pass, where the loader does not say.
        seed: before each pass `loader.generator` gets another seed that follows from it.
        prefetch: minibatches that a thread asks for ahead.
        name: name.
        be: backend; default the process-wide one.

    Raises:
        ConfigurationError: no backend or batch size, a loader that yields nothing or does not say
            how much, or `seed` for one without a `generator`.
        DtypeError: data that are no numbers.
        ShapeError: samples of several shapes.

    Example:
        batches = [(np.ones((5, 3)), np.arange(5) % 2)] * 4  # torch's DataLoader would do as well
        data = LoaderIterator(batches, nclass=2, ndata=20)
        assert data.nbatches == 5
        for x, t in data:
            assert x.shape == (3, 4) and t.shape == (2, 4)
    """

    def __init__(
        self,
        loader: Any,
        inputs: Key = 0,
        target: Key = 1,
        nclass: int | None = None,
        lshape: Any = None,
        ndata: int | None = None,
        seed: int | None = None,
        prefetch: int = 0,
        name: str | None = None,
        be: Any = None,
    ) -> None:
        super().__init__(name, be, prefetch, nclass)
        if not hasattr(loader, "__iter__") or hasattr(loader, "__next__"):
            raise ConfigurationError(
                f"{self._label}: a {type(loader).__name__} cannot be iterated again and again; "
                "give a loader whose every `for` is a pass, not a generator"
            )
        if seed is not None and getattr(loader, "generator", None) is None:
            raise ConfigurationError(
                f"{self._label}: seed={seed} needs a loader with a generator: "
                "DataLoader(..., generator=torch.Generator())"
            )
        self.loader = loader
        self.inputs, self.target, self.seed = inputs, target, seed
        self._pass = 0
        self.ndata = self._count(ndata)
        self._lay_out(self._first(), lshape)

    def _count(self, ndata: int | None) -> int:
        """Samples of a pass."""
        if ndata is None:
            try:
                ndata = len(self.loader.dataset)
            except (AttributeError, TypeError) as error:
                raise ConfigurationError(
                    f"{self._label}: a {type(self.loader).__name__} does not say how many samples "
                    "it has; give ndata="
                ) from error
            if getattr(self.loader, "drop_last", False):
                ndata -= ndata % int(getattr(self.loader, "batch_size", None) or 1)
        if isinstance(ndata, bool) or not isinstance(ndata, (int, np.integer)) or ndata < 1:
            raise ConfigurationError(
                f"{self._label}: ndata={ndata!r} must be a whole number of samples, 1 or more"
            )
        return int(ndata)

    def _first(self) -> HostBatch:
        """A batch that shows the layout: one sample if the loader can do that, else its first."""
        dataset: Any = getattr(self.loader, "dataset", None)
        collate = getattr(self.loader, "collate_fn", None)
        if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and callable(collate):
            return self._host_batch(collate([dataset[0]]))
        for batch in self.loader:
            return self._host_batch(batch)
        raise ConfigurationError(f"{self._label}: the loader yields nothing")

    def _host_batch(self, batch: Any) -> HostBatch:
        label = self._label
        parts = [as_array(label, part_of(label, batch, k)) for k in input_keys(self.inputs)]
        target = None
        if self.target is not None:
            target = as_array(label, part_of(label, batch, self.target))
        lengths = {part.shape[:1] for part in (*parts, *([] if target is None else [target]))}
        if len(lengths) > 1 or () in lengths:
            raise ConfigurationError(
                f"{self._label}: the parts of a batch have {sorted(lengths)} rows; they must have "
                "one row a sample each"
            )
        return HostBatch(parts, target)

    def _batches(self, evaluation: bool) -> Iterator[tuple[Any, HostBatch]]:
        size, left = self.be.bsz, self.ndata
        number = 0 if evaluation else self._pass
        if self.seed is not None:
            self.loader.generator.manual_seed(self.seed + number)
        waiting: list[list[np.ndarray]] = []
        head: list[np.ndarray] | None = None  # the first samples, to fill up with
        for batch in self.loader:
            inputs, target = self._host_batch(batch)
            waiting.append([*inputs, *([] if target is None else [target])])
            while left and sum(len(parts[0]) for parts in waiting) >= min(size, left):
                rows = _joined(waiting)
                count = min(size, left)
                head = [part[:size].copy() for part in rows] if head is None else head
                taken = [part[:count] for part in rows]
                waiting = [[part[count:] for part in rows]]
                left -= count
                if count < size:
                    taken = [_filled(*pair, size) for pair in zip(taken, head, strict=True)]
                yield (number, left == 0), self._as_batch(taken)
            if not left:
                return
            # what is left over: the loader may use its memory again
            waiting = [[part.copy() for part in parts] for parts in waiting]
        left -= sum(len(parts[0]) for parts in waiting)
        raise ConfigurationError(
            f"{self._label}: the loader ended {left} samples before the {self.ndata} that it is "
            "said to have; give ndata="
        )

    def _as_batch(self, parts: list[np.ndarray]) -> HostBatch:
        return HostBatch(parts, None) if self.target is None else HostBatch(parts[:-1], parts[-1])

    def _arrived(self, mark: tuple[int, bool]) -> None:
        number, last = mark
        if last:
            self._pass = number + 1

    @property
    def nbatches(self) -> int:
        """Minibatches of a pass."""
        return -(-self.ndata // self.be.bsz)

    def reset(self) -> None:
        """Nothing: each pass begins where the loader begins."""

    def get_state(self) -> dict[str, int]:
        """The number of the next pass."""
        return {"pass": self._pass}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue with the pass of `get_state`."""
        self._pass = int(state.get("pass", 0))


def _joined(waiting: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Batches as one, without a copy where there is only one."""
    if len(waiting) == 1:
        return waiting[0]
    return [np.concatenate(parts) for parts in zip(*waiting, strict=True)]


def _filled(rows: np.ndarray, head: np.ndarray, size: int) -> np.ndarray:
    """Rows with the first ones after them, as many as are needed."""
    count = len(head)
    return np.concatenate([rows, head[np.arange(size - len(rows)) % count]])
