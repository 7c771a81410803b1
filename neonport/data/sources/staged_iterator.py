"""The base of iterators that make minibatches on the host and send them when their turn comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from neonport.data import checks
from neonport.data.dataiterator import NervanaDataIterator
from neonport.data.sources.prefetching import ahead, check_prefetch
from neonport.dtypes import cast
from neonport.errors import ConfigurationError, ShapeError
from neonport.layers.shapes import buffer_shape

NARROW = (np.dtype(np.uint8), np.dtype(np.int8))  # sent as they are, made floats on the device


class HostBatch(NamedTuple):
    """A minibatch on the host, one sample a row.

    Attributes:
        inputs: an array for each input.
        targets: labels or numbers; None for the inputs.
    """

    inputs: list[np.ndarray]
    targets: np.ndarray | None


class _Part(NamedTuple):
    """One tensor of a minibatch.

    Attributes:
        sample: shape of a sample as it comes.
        shape: logical shape; of labels the number of steps.
        dtype: in which it is sent.
        turned: whether a sample (steps, features) becomes (features, steps).
    """

    sample: tuple[int, ...]
    shape: Any
    dtype: np.dtype
    turned: bool

    @property
    def rows(self) -> int:
        """Numbers of a sample."""
        return int(np.prod(self.shape))

    def fill(self, buffer: np.ndarray, values: np.ndarray) -> None:
        """Lay samples as columns into an array (rows, N)."""
        values = np.swapaxes(values, 1, 2) if self.turned else values
        buffer[...] = cast(values, self.dtype).reshape(len(values), -1).T


class _Buffers:
    """Tensors of a minibatch on a device, and memory of the host from which they are filled.

    Args:
        be: the backend.
        inputs: what there is.
        targets: labels or numbers, or None.
        nclass: number of classes of labels.
    """

    def __init__(self, be: Any, inputs: list[_Part], targets: _Part | None, nclass: int | None):
        self.be = be
        self.size = size = be.bsz
        self.parts = [*inputs, *([] if targets is None else [targets])]
        self.stages = [be.empty((part.rows, size), dtype=part.dtype) for part in self.parts]
        self.tensors = [
            stage if stage.dtype == be.default_dtype else be.empty(stage.shape)
            for stage in self.stages[: len(inputs)]
        ]
        shapes = [part.shape for part in inputs]
        if targets is not None and nclass is not None:
            self.tensors.append(be.empty((nclass, targets.rows * size)))
            shapes.append(nclass)
        elif targets is not None:
            self.tensors.append(self.stages[-1])
            shapes.append(targets.shape)
        self.onehot = nclass is not None and targets is not None
        self.views = [
            tensor.reshape(buffer_shape(shape, size)) if _is_pair(shape) else tensor
            for tensor, shape in zip(self.tensors, shapes, strict=True)
        ]
        self.spare: list[list[Any]] = []

    def slot(self) -> list[Any]:
        """Host memory for a minibatch, from the spare ones or new."""
        if self.spare:
            return self.spare.pop()
        make = self.be.device.host_buffer
        return [make((part.rows, self.size), part.dtype) for part in self.parts]

    def send(self, slot: list[Any]) -> None:
        """Send a minibatch to the device."""
        for buffer, stage in zip(slot, self.stages, strict=True):
            buffer.send(stage)
        for number, (stage, tensor) in enumerate(zip(self.stages, self.tensors, strict=True)):
            if self.onehot and number == len(self.tensors) - 1:
                tensor[:] = self.be.onehot(stage.reshape((1, -1)), axis=0)
            elif tensor is not stage:
                tensor[:] = stage


class StagedIterator(NervanaDataIterator):
    """Minibatches that are made on the host, some of them ahead, and sent to the device in turn.

    Subclasses call `_lay_out` with samples, and define `_batches`.

    Args:
        name: name.
        be: backend; default the process-wide one.
        prefetch: minibatches that a thread makes ahead.
        nclass: number of classes, if targets are labels.

    Attributes:
        ndata: samples.
        shape: logical shape of a sample, a list for several inputs.
        nclass: number of classes, or None.
    """

    neon_module = "neon.data.dataiterator"
    shape: Any
    ndata: int
    shuffle = augmented = False  # whether passes for evaluation are apart

    def __init__(self, name: str | None, be: Any, prefetch: int, nclass: int | None) -> None:
        super().__init__(name=name)
        if be is not None:
            self.set_backend(be)
        self._label = f"{self.classnm} {self.name}"
        checks.need_batch_size(self._label, self.be)
        self.prefetch = check_prefetch(self._label, prefetch)
        self.nclass = None if nclass is None else checks.class_count(self._label, nclass)
        self._kept: _Buffers | None = None

    def _batches(self, evaluation: bool) -> Iterator[tuple[Any, HostBatch]]:
        """The minibatches of a pass on the host, each with what `_arrived` is told.

        It may run in a thread.

        Args:
            evaluation: whether it is in the order of the samples, without random changes.
        """
        raise NotImplementedError

    def _arrived(self, mark: Any) -> None:
        """A minibatch of a training pass is handed out."""

    # ---- layout ----------------------------------------------------------------------------------

    def _lay_out(self, first: HostBatch, lshape: Any) -> None:
        """Decide about shapes and dtypes, from one sample or more."""
        label, inputs = self._label, first.inputs
        many = len(inputs) > 1
        each = lshape if many and isinstance(lshape, list) else [lshape] * len(inputs)
        if len(each) != len(inputs):
            raise ShapeError(
                f"{label}: lshape lists {len(each)} shapes for {len(inputs)} inputs; give one each"
            )
        usual = np.dtype(self.be.default_dtype)
        self._inputs = []
        for x, wanted in zip(inputs, each, strict=True):
            part = _part(label, "X", x, wanted, x.dtype if x.dtype in NARROW else usual)
            self._inputs.append(part)
        shapes = [part.shape for part in self._inputs]
        self.shape = shapes if many else shapes[0]
        self.lshape = lshape
        self._target: _Part | None = None
        if first.targets is None:
            return
        if self.nclass is None:
            self._target = _part(label, "y", first.targets, None, usual)
        else:
            labels = _part(label, "y", first.targets.reshape(len(first.targets), -1), None, usual)
            self._target = labels._replace(dtype=np.dtype(np.int32))

    def _checked(self, batch: HostBatch) -> HostBatch:
        """Raise unless a minibatch has the layout of the first samples."""
        parts = [(part, x, "X") for part, x in zip(self._inputs, batch.inputs, strict=True)]
        targets = batch.targets
        if self._target is not None:
            assert targets is not None
            if self.nclass is not None:
                targets = targets.reshape(len(targets), -1)
                low, high = (targets.min(), targets.max()) if targets.size else (0, 0)
                if low < 0 or high >= self.nclass or np.any(targets != np.floor(targets)):
                    raise ConfigurationError(
                        f"{self._label}: labels must be whole numbers 0..{self.nclass - 1}, found "
                        f"{low}..{high}"
                    )
            parts.append((self._target, targets, "y"))
        for part, x, name in parts:
            if x.shape[1:] != part.sample:
                raise ShapeError(
                    f"{self._label}: a sample of {name} has shape {x.shape[1:]}, the first one "
                    f"{part.sample}; bring all to one shape, images by transform=ImageAugmentation("
                    "size=...)"
                )
        return HostBatch(batch.inputs, targets)

    # ---- passes ----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._sent(evaluation=False)

    def in_order(self) -> Iterator[tuple[Any, Any]]:
        """One pass from the first sample to the last, without random changes.

        The position and the shuffled orders stay as they are.
        """
        return self._sent(evaluation=True)

    def _sent(self, evaluation: bool) -> Iterator[tuple[Any, Any]]:
        """Send minibatch after minibatch; several passes may be under way at once."""
        buffers = self._buffers()
        slots = [buffers.slot() for _ in range(self.prefetch + 1)]
        free = list(slots)
        inputs = buffers.views[: len(self._inputs)]
        x = inputs if len(inputs) > 1 else inputs[0]

        def filled() -> Iterator[tuple[list[Any], Any]]:
            for mark, batch in self._batches(evaluation):
                slot = free.pop()
                parts, targets = self._checked(batch)
                arrays = parts if self._target is None else [*parts, targets]
                for part, buffer, values in zip(buffers.parts, slot, arrays, strict=True):
                    assert values is not None
                    part.fill(buffer.array, values)
                yield slot, mark

        def done(item: tuple[list[Any], Any]) -> None:
            for buffer in item[0]:
                buffer.wait()
            free.append(item[0])

        try:
            with closing(ahead(filled(), self.prefetch, done)) as filled_slots:
                for slot, mark in filled_slots:
                    if not evaluation:
                        self._arrived(mark)
                    buffers.send(slot)
                    yield x, x if self._target is None else buffers.views[-1]
        finally:
            for slot in slots:
                for buffer in slot:
                    buffer.wait()
            buffers.spare.extend(slots)

    def _buffers(self) -> _Buffers:
        """The tensors, made anew where backend or batch size are others."""
        kept = self._kept
        if kept is None or kept.be is not self.be or kept.size != self.be.bsz:
            kept = self._kept = _Buffers(self.be, self._inputs, self._target, self.nclass)
        return kept


def _is_pair(shape: Any) -> bool:
    return isinstance(shape, tuple) and len(shape) == 2


def _part(label: str, name: str, x: np.ndarray, wanted: Any, dtype: np.dtype) -> _Part:
    """How samples of an array (samples, ...) become columns.

    Raises:
        ShapeError: they have not the wanted logical shape.
    """
    sample = x.shape[1:]
    size = int(np.prod(sample))
    turned = len(sample) == 2 and (wanted is None or _is_pair(wanted))
    if wanted is not None and int(np.prod(wanted)) != size:
        raise ShapeError(
            f"{label}: lshape {wanted} has {int(np.prod(wanted))} elements, the samples of {name} "
            f"have {size} (shape {sample})"
        )
    if turned and wanted is not None and tuple(wanted) != sample[::-1]:
        raise ShapeError(
            f"{label}: samples of shape {sample} are sequences (steps, features), which are "
            f"{sample[::-1]} as lshape, not {wanted}"
        )
    shape: Any = wanted
    if wanted is None:
        shape = sample[::-1] if turned else size if len(sample) < 2 else tuple(sample)
    return _Part(tuple(sample), shape, dtype, turned)
