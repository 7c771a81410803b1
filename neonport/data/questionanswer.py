"""Questions about stories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.data import checks
from neonport.data.dataiterator import NervanaDataIterator
from neonport.errors import ConfigurationError, ShapeError
from neonport.foundation.absent import absent_names


class QA(NervanaDataIterator):
    """Minibatches of stories, questions and answers, in another order each pass.

    It yields ((story, query), answer): int32 (Ls, N) and (Lq, N), and (A, N). Samples that do not
    fill a minibatch at the end of a pass are left out of it.

    Args:
        story: word numbers (n, Ls).
        query: word numbers (n, Lq).
        answer: (n, A), used as it is: one-hot.

    Attributes:
        shape: [(Ls, 1), (Lq, 1)].
        ndata: samples of a pass, nbatches * N.

    Raises:
        ShapeError: arrays that are not 2-D or of one length.
        ConfigurationError: no backend or batch size, or fewer samples than that.

    Example:
        data = QA(np.ones((9, 5)), np.ones((9, 3)), np.eye(9))
        for (story, query), answer in data:
            assert (story.shape, query.shape, answer.shape) == ((5, 4), (3, 4), (9, 4))
    """

    neon_module = "neon.data.questionanswer"
    shuffle = True

    def __init__(self, story: Any, query: Any, answer: Any) -> None:
        super().__init__()
        checks.need_batch_size(f"QA {self.name}", self.be)
        self.story, self.query, self.answer = (np.asarray(part) for part in (story, query, answer))
        shapes = [part.shape for part in (self.story, self.query, self.answer)]
        if any(len(shape) != 2 for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ShapeError(
                f"QA: story, query and answer need one row a sample each; got {shapes}"
            )
        if len(self.story) < self.be.bsz:
            raise ConfigurationError(
                f"QA: {len(self.story)} samples are fewer than the {self.be.bsz} of a minibatch; "
                "take a smaller batch size"
            )
        self.shape = [(shapes[0][1], 1), (shapes[1][1], 1)]
        self._size: int | None = None

    @property
    def nbatches(self) -> int:
        """Minibatches of a pass."""
        return len(self.story) // self.be.bsz

    @property
    def ndata(self) -> int:
        """Samples of a pass."""
        return self.nbatches * self.be.bsz

    def reset(self) -> None:
        """Nothing: each pass begins at the first sample of its order."""

    def set_backend(self, be: Any) -> None:
        """Use another backend; its buffers are made by the next pass."""
        super().set_backend(be)
        self._size = None

    def _pass(self, order: np.ndarray) -> Iterator[tuple[Any, Any]]:
        size = self.be.bsz
        if self._size != size:
            self._size = size
            self._story = self.be.empty((self.story.shape[1], size), dtype=np.int32)
            self._query = self.be.empty((self.query.shape[1], size), dtype=np.int32)
            self._answer = self.be.empty((self.answer.shape[1], size))
        for begin in range(0, self.ndata, size):
            rows = order[begin : begin + size]
            self._story.set(self.story[rows].T)
            self._query.set(self.query[rows].T)
            self._answer.set(self.answer[rows].T)
            yield (self._story, self._query), self._answer

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._pass(self.be.rng.permutation(len(self.story)))

    def in_order(self) -> Iterator[tuple[Any, Any]]:
        """One pass in the order of the arrays; the generator stays as it is."""
        return self._pass(np.arange(len(self.story)))


if not TYPE_CHECKING:  # neon has its data set of stories in this module
    __getattr__ = absent_names(__name__, {"BABI": "neonport.data.datasets"})
