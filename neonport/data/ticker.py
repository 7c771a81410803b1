"""Tasks of copying and sorting random bits, which need a memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.base import NervanaObject
from neonport.data import checks
from neonport.errors import ConfigurationError

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class Task(NervanaObject):
    """Base of tasks: how long an example of a sequence of L bit vectors is, and what is in it.

    Attributes:
        nin, nout: rows of inputs and targets.
        seq_len_max: largest L.
        vec_size: bits of a vector.
        time_steps_max: steps of the longest example.
    """

    neon_module = "neon.data.ticker"
    nin: int
    nout: int
    time_steps_max: int

    def __init__(self, seq_len_max: int, vec_size: int) -> None:
        super().__init__()
        self.seq_len_max = self._positive("seq_len_max", seq_len_max)
        self.vec_size = self._positive("vec_size", vec_size)

    def _positive(self, argument: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ConfigurationError(
                f"{self.classnm}: {argument}={value!r} must be a whole number, 1 or more"
            )
        return int(value)

    def synthesize(self, x: np.ndarray, y: np.ndarray) -> int:
        """Draw an example of each sample, all of one length.

        Args:
            x: inputs (nin, time_steps_max, N), zeros, to be filled.
            y: targets (nout, time_steps_max, N), zeros, to be filled.

        Returns:
            The number of steps that are used.
        """
        raise NotImplementedError(f"{self.classnm} must define synthesize(x, y)")

    def _bits(self, x: np.ndarray) -> tuple[int, np.ndarray]:
        """Draw a length L and bits (vec_size, L, N), and write them after the start bit."""
        length = int(np.random.randint(1, self.seq_len_max + 1))
        bits = np.random.randint(0, 2, (self.vec_size, length, x.shape[2]))
        x[self.vec_size, 0] = 1
        x[: self.vec_size, 1 : length + 1] = bits
        return length, bits


class CopyTask(Task):
    """Read a sequence of L bit vectors, and write it.

    Inputs have a start bit (row vec_size) at step 0, the vectors at steps 1 to L and a stop bit
    (row vec_size + 1) at step L + 1; targets have the vectors from step L + 2 on.

    Args:
        seq_len_max: largest L; each batch draws its own, from 1 on.
        vec_size: bits of a vector.

    Raises:
        ConfigurationError: one is no whole number, 1 or more.

    Example:
        task = CopyTask(seq_len_max=5, vec_size=3)
        assert (task.nin, task.nout, task.time_steps_max) == (5, 3, 12)
    """

    def __init__(self, seq_len_max: int, vec_size: int) -> None:
        super().__init__(seq_len_max, vec_size)
        self.nin, self.nout = vec_size + 2, vec_size
        self.time_steps_max = self.time_steps_func(seq_len_max)

    @staticmethod
    def time_steps_func(length: int) -> int:
        """Steps of an example with a sequence of that length."""
        return 2 * length + 2

    def synthesize(self, x: np.ndarray, y: np.ndarray) -> int:
        """Draw an example of each sample; returns its number of steps."""
        length, bits = self._bits(x)
        x[self.vec_size + 1, length + 1] = 1
        y[:, length + 2 : 2 * length + 2] = bits
        return self.time_steps_func(length)


class RepeatCopyTask(Task):
    """Read a sequence of L bit vectors and a number r, write the sequence r times and an end bit.

    Inputs have a start bit (row vec_size) at step 0, the vectors at steps 1 to L and the number
    (row vec_size + 1) at step L + 1; targets have the vectors r times from step L + 2 on, and the
    end bit (row vec_size) at the last step.

    Args:
        seq_len_max: largest L; each batch draws its own, from 1 on.
        repeat_count_max: largest r; each batch draws its own, from 1 on.
        vec_size: bits of a vector.

    Raises:
        ConfigurationError: one is no whole number, 1 or more.

    Example:
        task = RepeatCopyTask(seq_len_max=5, repeat_count_max=2, vec_size=3)
        assert (task.nin, task.nout, task.time_steps_max) == (5, 4, 18)
    """

    def __init__(self, seq_len_max: int, repeat_count_max: int, vec_size: int) -> None:
        super().__init__(seq_len_max, vec_size)
        self.repeat_count_max = self._positive("repeat_count_max", repeat_count_max)
        self.nin, self.nout = vec_size + 2, vec_size + 1
        self.time_steps_max = self.time_steps_func(seq_len_max, repeat_count_max)

    @staticmethod
    def time_steps_func(length: int, repeats: int) -> int:
        """Steps of an example with a sequence of that length, written so many times."""
        return length * (repeats + 1) + 3

    def synthesize(self, x: np.ndarray, y: np.ndarray) -> int:
        """Draw an example of each sample; returns its number of steps."""
        length, bits = self._bits(x)
        repeats = int(np.random.randint(1, self.repeat_count_max + 1))
        steps = self.time_steps_func(length, repeats)
        x[self.vec_size + 1, length + 1] = repeats
        y[: self.vec_size, length + 2 : steps - 1] = np.tile(bits, (1, repeats, 1))
        y[self.vec_size, steps - 1] = 1
        return steps


class PrioritySortTask(Task):
    """Read a sequence of L bit vectors with priorities, and write it sorted by these, ascending.

    Inputs are those of `CopyTask`, and row vec_size + 2 has the priorities, in (-1, 1).

    Args:
        seq_len_max: largest L; each batch draws its own, from 1 on.
        vec_size: bits of a vector.

    Raises:
        ConfigurationError: one is no whole number, 1 or more.

    Example:
        task = PrioritySortTask(seq_len_max=5, vec_size=3)
        assert (task.nin, task.nout, task.time_steps_max) == (6, 3, 12)
    """

    def __init__(self, seq_len_max: int, vec_size: int) -> None:
        super().__init__(seq_len_max, vec_size)
        self.nin, self.nout = vec_size + 3, vec_size
        self.time_steps_max = self.time_steps_func(seq_len_max)

    time_steps_func = staticmethod(CopyTask.time_steps_func)

    def synthesize(self, x: np.ndarray, y: np.ndarray) -> int:
        """Draw an example of each sample; returns its number of steps."""
        length, bits = self._bits(x)
        priorities = np.random.uniform(-1, 1, (length, x.shape[2])).astype(x.dtype)
        x[self.vec_size + 1, length + 1] = 1
        x[self.vec_size + 2, 1 : length + 1] = priorities
        order = np.argsort(priorities, axis=0, kind="stable")
        y[:, length + 2 : 2 * length + 2] = np.take_along_axis(bits, order[None], axis=1)
        return self.time_steps_func(length)


class Ticker(NervanaObject):
    """Minibatches of a task, drawn anew each time by NumPy's global generator.

    It yields (x, (y, mask)): x (nin, T * N), y and mask (nout, T * N), with T the steps of the
    longest example. All samples of a batch have one length; beyond it all is 0.

    Args:
        task: a `CopyTask`, `RepeatCopyTask` or `PrioritySortTask`, or one of your own.

    Attributes:
        nbatches: 100.
        ndata: samples, 100 * N.
        shape: (nin, T).

    Raises:
        ConfigurationError: there is no backend, or it has no batch size.

    Example:
        ticker = Ticker(CopyTask(seq_len_max=2, vec_size=3))
        x, (y, mask) = next(iter(ticker))
        assert x.shape == (5, 6 * 4) and y.shape == mask.shape == (3, 6 * 4)
    """

    be: Backend
    neon_module = "neon.data.ticker"
    nbatches = 100

    def __init__(self, task: Any) -> None:
        super().__init__()
        checks.need_batch_size("Ticker", self.be)
        self.task = task
        self.seq_length = task.time_steps_max
        self.shape = (task.nin, task.time_steps_max)
        self._size: int | None = None

    @property
    def ndata(self) -> int:
        """Samples of a pass."""
        return self.nbatches * self.be.bsz

    def reset(self) -> None:
        """Nothing: each pass is drawn anew."""

    def set_backend(self, be: Any) -> None:
        """Use another backend; its buffers are made by the next pass."""
        super().set_backend(be)
        self._size = None

    def _allocate(self) -> None:
        self._size = self.be.bsz
        columns = self.task.time_steps_max * self._size
        self.dev_X = self.be.empty((self.task.nin, columns))
        self.dev_y = self.be.empty((self.task.nout, columns))
        self.dev_mask = self.be.empty((self.task.nout, columns))

    def __iter__(self) -> Iterator[tuple[Any, tuple[Any, Any]]]:
        if self._size != self.be.bsz:
            self._allocate()
        place = (self.task.time_steps_max, self.be.bsz)
        for _ in range(self.nbatches):
            x = np.zeros((self.task.nin, *place), self.dev_X.dtype)
            y, mask = (np.zeros((self.task.nout, *place), x.dtype) for _ in range(2))
            mask[:, : self.task.synthesize(x, y)] = 1
            for tensor, host in ((self.dev_X, x), (self.dev_y, y), (self.dev_mask, mask)):
                tensor.set(host.reshape(tensor.shape))
            yield self.dev_X, (self.dev_y, self.dev_mask)
