"""Iterators that yield minibatches as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.base import NervanaObject
from neonport.errors import ConfigurationError, ShapeError

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class MissingClassCount(ConfigurationError, AttributeError):
    """Labels are to be made one-hot, but nobody said how many classes there are."""


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
    """Minibatches of arrays in memory, in order.

    A last batch that is too short is filled with the first samples, and the next pass begins
    after those.

    Args:
        X: array (ndata, features), or a list of them for several inputs.
        y: labels or targets; default the inputs.
        nclass: number of classes, needed to make labels one-hot.
        lshape: logical shape of a sample, e.g. (3, 32, 32); default the number of features.
        make_onehot: turn integer labels into one-hot columns; else y is (ndata, k), used as is.
        name: name.
        strict_wrap: a pass that ends evenly makes the next one begin at sample 0. Without it
            (neon's behaviour) the samples before the start of such a pass are never seen again.
        be: backend; default the process-wide one.

    Raises:
        ConfigurationError: less than one batch of data, or labels without `nclass`.
        ShapeError: lengths or shapes that do not fit each other.

    Example:
        images, labels = np.random.rand(40, 3), np.arange(40) % 2
        data = ArrayIterator(images, labels, nclass=2)
        for x, t in data:
            assert x.shape == (3, 4) and t.shape == (2, 4)  # samples are columns
    """

    def __init__(
        self,
        X: np.ndarray | Sequence[np.ndarray],
        y: np.ndarray | None = None,
        nclass: int | None = None,
        lshape: tuple[int, ...] | int | None = None,
        make_onehot: bool = True,
        name: str | None = None,
        strict_wrap: bool = False,
        be: Backend | None = None,
    ) -> None:
        super().__init__(name=name)
        if be is not None:
            self.set_backend(be)
        inputs = [np.asarray(x) for x in (X if isinstance(X, (list, tuple)) else [X])]
        self.ndata = len(inputs[0])
        self._check_inputs(inputs, lshape)
        self.strict_wrap = strict_wrap
        self.start = 0
        self.nclass = nclass
        self._many = isinstance(X, (list, tuple)) and len(X) > 1
        shapes = [x.shape[1] if lshape is None else lshape for x in inputs]
        self.shape: Any = shapes if self._many else shapes[0]
        self.lshape = lshape
        self.make_onehot = make_onehot and y is not None
        self.Xdev = [self.be.array(x) for x in inputs]
        self.Xbuf = [self.be.empty((x.shape[1], self.be.bsz)) for x in inputs]
        self.ydev, self.ybuf = self._place_targets(y)

    def _check_inputs(self, inputs: list[np.ndarray], lshape: Any) -> None:
        for x in inputs:
            if x.ndim != 2 or len(x) != self.ndata:
                raise ShapeError(
                    f"ArrayIterator {self.name}: X must be 2-D with one row a sample, and all X of "
                    f"one length; got {[x.shape for x in inputs]}; reshape images to rows and "
                    "give their shape as lshape"
                )
            if lshape is not None and int(np.prod(lshape)) != x.shape[1]:
                raise ShapeError(
                    f"ArrayIterator {self.name}: lshape {lshape} has {int(np.prod(lshape))} "
                    f"elements, the rows of X have {x.shape[1]}"
                )
        if not self.be or not self.be.bsz or self.ndata < self.be.bsz:
            size = self.be.bsz if self.be else None
            raise ConfigurationError(
                f"ArrayIterator {self.name}: {self.ndata} samples do not fill one batch of {size}; "
                "call gen_backend with a smaller batch_size (1 or more) first"
            )

    def _place_targets(self, y: np.ndarray | None) -> tuple[Any, Any]:
        """Copy the targets to the device; return them and the minibatch buffer."""
        if y is None:
            return None, None
        y = np.asarray(y)
        if not self.make_onehot:
            y = y.reshape(len(y), -1) if y.ndim != 2 else y
            self._check_length(y)
            return self.be.array(y), self.be.empty((y.shape[1], self.be.bsz))
        if self.nclass is None:
            raise MissingClassCount(
                f"ArrayIterator {self.name}: nclass is needed to make the labels one-hot; "
                "pass it, or make_onehot=False for targets that are used as they are"
            )
        labels = y.reshape(-1, 1)
        self._check_length(labels)
        if labels.min() < 0 or labels.max() >= self.nclass or np.any(labels != labels.astype(int)):
            raise ConfigurationError(
                f"ArrayIterator {self.name}: labels must be whole numbers 0..{self.nclass - 1}, "
                f"found {labels.min()}..{labels.max()}"
            )
        return self.be.array(labels, dtype=np.int32), self.be.empty((self.nclass, self.be.bsz))

    def _check_length(self, y: np.ndarray) -> None:
        if len(y) != self.ndata:
            raise ShapeError(
                f"ArrayIterator {self.name}: {self.ndata} samples but {len(y)} targets (shape "
                f"{y.shape}); give one row a sample"
            )

    @property
    def nbatches(self) -> int:
        """Minibatches in the next pass; it varies with where the pass begins."""
        return -(-(self.ndata - self.start) // self.be.bsz)

    def reset(self) -> None:
        """Begin the next pass at sample 0."""
        self.start = 0

    def get_state(self) -> dict[str, int]:
        """The position where the next pass begins."""
        return {"start": self.start}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue where `get_state` was called."""
        start = int(state["start"])
        if not 0 <= start < self.ndata:
            raise ConfigurationError(
                f"ArrayIterator {self.name}: cannot start at sample {start} of {self.ndata}; "
                "was the checkpoint written with another data set?"
            )
        self.start = start

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        size = self.be.bsz
        for begin in range(self.start, self.ndata, size):
            count = min(size, self.ndata - begin)
            self._fill(slice(0, count), slice(begin, begin + count))
            if count < size:
                self.start = size - count
                self._fill(slice(count, size), slice(0, self.start))
            elif self.strict_wrap and begin + size == self.ndata:
                self.start = 0
            inputs = self.Xbuf if self._many else self.Xbuf[0]
            yield inputs, inputs if self.ybuf is None else self.ybuf

    def _fill(self, columns: slice, samples: slice) -> None:
        """Copy samples into columns of the minibatch buffers."""
        for source, buffer in zip(self.Xdev, self.Xbuf, strict=True):
            buffer[:, columns] = source[samples].T
        if self.ydev is not None:
            target = self.ydev[samples]
            target = self.be.onehot(target, axis=0) if self.make_onehot else target.T
            self.ybuf[:, columns] = target
