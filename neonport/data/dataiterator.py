"""Iterators that yield minibatches as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.base import NervanaObject
from neonport.data import checks
from neonport.data.checks import MissingClassCount as MissingClassCount
from neonport.data.rows.row_order import RowOrder
from neonport.errors import ConfigurationError
from neonport.layers.shapes import buffer_shape

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.backend_protocol import TensorBackend


class NervanaDataIterator(NervanaObject):
    """Base of data iterators.

    A data iterator yields pairs (x, t) of tensors that the next step overwrites; samples are
    columns. It has `nbatches`, `ndata` (samples), `shape` (of a sample) and `reset()`. One that
    also has `get_state()` and `set_state(state)` lets training continue from a checkpoint exactly.

    Args:
        name: name, under which callbacks find it again.

    Example:
        class Noise(NervanaDataIterator):
            ndata, nbatches, shape = 40, 10, (3,)

            def __init__(self):
                super().__init__()
                self.x, self.t = self.be.empty((3, 4)), self.be.ones((1, 4))

            def reset(self):
                pass

            def __iter__(self):
                for _ in range(self.nbatches):
                    self.be.fill_normal(self.x)
                    yield self.x, self.t
    """

    be: Backend
    neon_module = "neon.data.dataiterator"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        if self.be is not None:
            self.be = self.be  # it stays there, whatever gen_backend makes later

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        raise NotImplementedError(f"{self.classnm} must define __iter__, yielding pairs (x, t)")

    @property
    def nbatches(self) -> int:
        """Minibatches in one pass."""
        raise NotImplementedError(f"{self.classnm} must define nbatches")

    def reset(self) -> None:
        """Start again at the first sample."""
        raise NotImplementedError(f"{self.classnm} must define reset()")


class ArrayIterator(NervanaDataIterator):
    """Minibatches of arrays in memory, in order or shuffled.

    A batch always has `be.bsz` columns. One that reaches beyond the last sample is filled with the
    first ones, and the next pass begins after those: every sample is seen in each two passes.

    Args:
        X: array (ndata, features), or a list of them for several inputs.
        y: labels or targets; default the inputs.
        nclass: number of classes, needed to make labels one-hot.
        lshape: logical shape of a sample, e.g. (3, 32, 32); default the number of features. A pair
            (F, T) makes sequences: a row holds the T steps of feature 0, then those of feature 1.
            A list of shapes is one for each of several inputs.
        make_onehot: turn integer labels into one-hot columns; else y is (ndata, k), used as is.
        name: name.
        strict_wrap: a pass that ends evenly makes the next one begin at sample 0. With False, as in
            neon, all later passes begin where that one did, and the samples before are never seen
            again: of 112 samples in batches of 32 the first 16. Then the batches are those of neon,
            bit for bit; True is the default because nobody wants to lose samples.
        be: backend; default the process-wide one.
        shuffle: another order in each pass. The passes form one stream, which a checkpoint
            continues exactly; evaluation goes in the order of the arrays. `strict_wrap` has no
            effect then.
        seed: of the orders; None takes the backend's `rng_seed`, or draws one if it has none.
        target_shape: logical shape (K, T) of targets that are sequences; default their number.
        weights: one number a sample, by which `SampleWeightedCost` counts it: targets are pairs
            (targets, weights) then, except where `in_order` evaluates.

    Attributes:
        ndata: samples.
        start: place in its order where the next pass begins.

    Raises:
        ConfigurationError: no backend or batch size, no samples, or labels that are no classes.
        MissingClassCount: labels without `nclass`.
        DtypeError: data or labels that are no numbers.
        ShapeError: lengths or shapes that do not fit each other.

    Example:
        images, labels = np.random.rand(40, 3), np.arange(40) % 2
        data = ArrayIterator(images, labels, nclass=2, shuffle=True, seed=1)
        for x, t in data:
            assert x.shape == (3, 4) and t.shape == (2, 4)  # samples are columns
    """

    def __init__(
        self,
        X: np.ndarray | Sequence[np.ndarray],
        y: np.ndarray | None = None,
        nclass: int | None = None,
        lshape: Any = None,
        make_onehot: bool = True,
        name: str | None = None,
        strict_wrap: bool = True,
        be: Backend | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        target_shape: tuple[int, int] | None = None,
        weights: Any = None,
    ) -> None:
        super().__init__(name=name)
        if be is not None:
            self.set_backend(be)
        label = f"ArrayIterator {self.name}"
        checks.need_batch_size(label, self.be)
        inputs = [
            checks.numbers(label, "X", x) for x in (X if isinstance(X, (list, tuple)) else [X])
        ]
        checks.check_inputs(label, inputs, isinstance(X, (list, tuple)))
        self.ndata = len(inputs[0])
        self.strict_wrap = strict_wrap
        self.start = 0
        self.nclass = nclass
        self._many = isinstance(X, (list, tuple)) and len(X) > 1
        shapes = checks.logical_shapes(label, inputs, lshape)
        self.shape: Any = shapes if self._many else shapes[0]
        self.lshape = lshape
        self.make_onehot = make_onehot and y is not None
        if y is not None:
            y = checks.check_targets(label, y, self.ndata, nclass, self.make_onehot)
        self.target_shape = checks.check_target_shape(label, target_shape, y, self.make_onehot)
        self.weighted = weights is not None
        if self.weighted:  # they go through the orders and buffers as another input
            inputs.append(checks.check_weights(label, weights, self.ndata, self._steps()))
        self.shuffle = bool(shuffle)
        self._pass = 0  # number of the next pass, which decides about its order
        self._order = RowOrder(self.ndata, self._seed(seed)) if self.shuffle else None
        self.Xdev = [self.be.array(x) for x in inputs]
        self.ydev = None
        if y is not None:
            self.ydev = self.be.array(y, dtype=np.int32 if self.make_onehot else None)
        self._make_buffers()

    def _steps(self) -> int:
        return 1 if self.target_shape is None else self.target_shape[1]

    def _seed(self, seed: int | None) -> int:
        if seed is None:
            seed = self.be.rng_seed
        return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed

    def _make_buffers(self) -> None:
        """Make the tensors that hold a minibatch."""
        size = self.be.bsz
        self.Xbuf = [self.be.empty((x.shape[1], size)) for x in self.Xdev]
        self.ybuf = None
        if self.ydev is not None:
            rows = self.nclass if self.make_onehot else self.ydev.shape[1]
            self.ybuf = self.be.empty((rows, size))
        self._yielded = self._views(size)
        self._rows = self.be.empty((size, 1), dtype=np.int32)
        self._fills: list[tuple[Any, Any]] = list(
            zip(self.Xbuf, map(self._picked, self.Xdev), strict=True)
        )
        if self.ydev is not None:
            labels = self.be.empty((size, self.ydev.shape[1]), dtype=self.ydev.dtype)
            self._fills.append((labels, self.be.take(self.ydev, self._rows, axis=0)))
            target = self.be.onehot(labels, axis=0) if self.make_onehot else labels.T
            self._fills.append((self.ybuf, target))

    def _picked(self, source: Any) -> Any:
        """The tree of a minibatch's samples as columns.

        It is built once, and the place of a minibatch is not part of it, as it would be of a slice:
        so each minibatch is the same statement, which is bound once.
        """
        return self.be.take(source, self._rows, axis=0).T

    def _views(self, size: int) -> tuple[list[Any], Any, Any]:
        """The buffers as inputs, targets and weights of logical shapes; made once, they are known.

        A sequence (F, T) of a batch is (F, T * size), the same memory as (F * T, size).
        """
        buffers = list(self.Xbuf)
        weights = buffers.pop().reshape((1, -1)) if self.weighted else None
        shapes = self.shape if self._many else [self.shape]
        inputs = [
            x.reshape(buffer_shape(shape, size)) if _is_pair(shape) else x
            for x, shape in zip(buffers, shapes, strict=True)
        ]
        targets = self.ybuf
        if targets is not None and self.target_shape is not None:
            targets = targets.reshape(buffer_shape(self.target_shape, size))
        return inputs, targets, weights

    def set_backend(self, be: TensorBackend) -> None:
        """Move the data to another backend."""
        arrays = vars(self).get("Xdev")
        super().set_backend(be)
        if arrays is None or arrays[0].backend is be:
            return
        self.Xdev = [self.be.array(x.get()) for x in arrays]
        if self.ydev is not None:
            self.ydev = self.be.array(self.ydev.get(), dtype=self.ydev.dtype)
        self._make_buffers()

    @property
    def nbatches(self) -> int:
        """Minibatches in the next pass; it varies with where the pass begins."""
        return -(-(self.ndata - self.start) // self.be.bsz)

    def reset(self) -> None:
        """Begin the next pass at the first sample (of the next order, if shuffled)."""
        self.start = 0

    def get_state(self) -> dict[str, int]:
        """Where the next pass begins; if shuffled, also its number and the seed of the orders."""
        if self._order is None:
            return {"start": self.start}
        return {"start": self.start, "pass": self._pass, "seed": self._order.seed}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue where `get_state` was called.

        Raises:
            ConfigurationError: the state is of other data, or of data in order where these are
                shuffled, or the other way round; nothing was changed then.
        """
        label = f"ArrayIterator {self.name}"
        start = int(state["start"])
        if not 0 <= start < self.ndata:
            raise ConfigurationError(
                f"{label}: cannot start at sample {start} of {self.ndata}; was the checkpoint "
                "written with another data set?"
            )
        if ("seed" in state) != self.shuffle:
            was, now = ("shuffled", "in order")[:: 1 if "seed" in state else -1]
            raise ConfigurationError(
                f"{label}: the checkpoint was written with data {was}, these are {now}; make the "
                f"iterator with shuffle={not self.shuffle}, or load with load_states=False"
            )
        if self._order is not None:
            number = int(state["pass"])
            if number < 0:
                raise ConfigurationError(f"{label}: there is no pass {number}")
            self._order = RowOrder(self.ndata, state["seed"])
            self._pass = number
        self.start = start

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        number, start, size = self._pass, self.start, self.be.bsz
        for begin in range(start, self.ndata, size):
            if begin + size > self.ndata or (begin + size == self.ndata and self._ends_evenly()):
                self.start = (begin + size) % self.ndata
            if begin + size >= self.ndata and self.shuffle:
                self._pass = number + (begin + size) // self.ndata
            if self._order is None:
                yield self._batch_in_order(begin)
            else:
                yield self._batch_of(self._order.take(number, begin, size))

    def _ends_evenly(self) -> bool:
        """Whether a pass that ends with a full batch makes the next one begin at the first row."""
        return self.strict_wrap or self.shuffle

    def in_order(self) -> Iterator[tuple[Any, Any]]:
        """One pass from the first sample to the last, in the order of the arrays.

        The position and the shuffled orders stay as they are; targets come without weights.
        """
        for begin in range(0, self.ndata, self.be.bsz):
            self._batch_in_order(begin)
            yield self._buffers(weighted=False)

    def _batch_in_order(self, begin: int) -> tuple[Any, Any]:
        """Fill the buffers with the samples from `begin` on; after the last comes the first."""
        rows = np.arange(begin, begin + self.be.bsz, dtype=np.int32)
        return self._batch_of(rows % self.ndata if rows[-1] >= self.ndata else rows)

    def _batch_of(self, rows: np.ndarray) -> tuple[Any, Any]:
        """Fill the buffers with the samples of the given numbers."""
        self._fit_buffers()
        self._rows.set(rows.reshape(-1, 1))
        for buffer, tree in self._fills:
            buffer[:] = tree
        return self._buffers()

    def _fit_buffers(self) -> None:
        if self.Xbuf[0].shape[1] != self.be.bsz:  # somebody assigned be.bsz
            self._make_buffers()

    def _buffers(self, weighted: bool = True) -> tuple[Any, Any]:
        views, targets, weights = self._yielded
        inputs = views if self._many else views[0]
        targets = inputs if targets is None else targets
        return inputs, (targets, weights) if weighted and self.weighted else targets


def _is_pair(shape: Any) -> bool:
    return isinstance(shape, tuple) and len(shape) == 2


def in_order(dataset: Any) -> Iterator[tuple[Any, Any]]:
    """Begin at the first sample of a data iterator; shuffled ones go in the order of their arrays.

    Targets come without weights.

    Example:
        batches = list(in_order(train))
        assert len(batches) == train.nbatches
    """
    dataset.reset()
    apart = any(getattr(dataset, name, False) for name in ("shuffle", "weighted", "augmented"))
    if apart and hasattr(dataset, "in_order"):
        return iter(dataset.in_order())
    return iter(dataset)
