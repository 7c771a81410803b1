"""Explanations of statements, histograms and time marks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neonport.backends.arguments import check_counts, check_numbers
from neonport.errors import ConfigurationError
from neonport.tensor.tensor import Tensor

if TYPE_CHECKING:
    from neonport.compiler.explain.explanation import Explanation

HIST_ROWS = 4096
EXACT = 2**24  # float32 counts up to here


class Diagnostics:
    """`explain`, and the histograms of tensors."""

    # what the other parts of a backend give
    absolute: Any
    array: Any
    device: Any
    empty: Any
    sum: Any
    zeros: Any

    def explain(self, statement: Any, source: bool = False, prelude: bool = False) -> Explanation:
        """Tell what kernels and calls a statement becomes; nothing is allocated, compiled or run.

        Args:
            statement: an op-tree (as if assigned to a new tensor), or (target, value) pairs as for
                `assign_many`.
            source: whether the kernels' sources are shown.
            prelude: whether, with `source`, the functions in front of each kernel are shown too:
                then the text is all that the compiler gets.

        Raises:
            ShapeError, TypeError, BackendMismatchError: the statement could not run either.

        Example:
            print(be.explain(be.exp(x) / be.sum(be.exp(x), axis=0)))
        """
        from neonport.compiler.explain.explanation import explain

        render = self.device.render_kernel
        if prelude:
            render = partial(render, prelude=True)
        return explain(statement, cast(Any, self), render if source else None)

    def set_hist_buffers(self, hist_bins: int, hist_offset: int) -> None:
        """Use other bins: bin i counts rint(log2|x|) == offset + i.

        Stored histograms are forgotten, unless the bins are what they were.

        Raises:
            ConfigurationError: fewer than one bin.

        Example:
            be.set_hist_buffers(hist_bins=32, hist_offset=-16)
        """
        check_counts("set_hist_buffers", 1, hist_bins=hist_bins)
        check_numbers("set_hist_buffers", hist_offset=hist_offset)
        if (hist_bins, hist_offset) != (self.hist_bins, self.hist_offset):
            self._start_histograms(hist_bins, hist_offset)

    def _start_histograms(self, bins: int, offset: int) -> None:
        if bins < 1:
            raise ConfigurationError(f"set_hist_buffers: {bins} bins; at least one is needed")
        self.hist_bins, self.hist_offset = int(bins), int(offset)
        self.hist_max = HIST_ROWS
        self.hist_map: dict[str, int] = {}
        self._hist_rows: list[Tensor] = []
        self._hist_edges: tuple[Tensor, Tensor] | None = None
        self._hist_counts: Tensor | None = None

    def histogram(self, tensor: Tensor, tag: str) -> Tensor:
        """Count rounded log2 magnitudes (of float32 values) and store the counts under `tag`.

        Bin 0 takes everything at or below the offset (also 0), the last bin everything above; nan
        is not counted. The device counts, and nobody waits for it.

        Returns:
            (1, bins) int32.

        Example:
            counts = be.histogram(x, "inputs")
        """
        if tag not in self.hist_map and len(self._hist_rows) >= self.hist_max:
            raise ConfigurationError(
                f"hist: {self.hist_max} histograms are stored; call dump_hist_data"
            )
        counts = self.count_magnitudes(tensor)
        row = self.hist_map.setdefault(tag, len(self._hist_rows))
        self._hist_rows[row : row + 1] = [counts]
        return counts

    def count_magnitudes(self, tensor: Tensor, out: Tensor | None = None) -> Tensor:
        """The counts of `histogram`, not stored.

        Args:
            tensor: whose elements are counted.
            out: (1, bins) int32, receives them; None makes a new tensor.

        Returns:
            (1, bins) int32.

        Example:
            counts = be.count_magnitudes(x)
            assert counts.get().sum() == 12  # elements of x
        """
        if self._hist_counts is None:
            first = _first_values(self.hist_bins, self.hist_offset)
            # nothing is at or above nan, so the last bin has no end
            self._hist_edges = (
                self.array(first[None], dtype=np.float32),
                self.array(np.append(first[1:], np.nan)[None], dtype=np.float32),
            )
            self._hist_counts = self.zeros((1, self.hist_bins), dtype=np.int32)
        counts = self._hist_counts  # always the same target: a statement is found again by it
        if not tensor.size:
            counts.fill(0)
        elif tensor.dtype != np.float32 or not tensor.is_contiguous:
            values = self.empty(tensor.shape, dtype=np.float32)
            values[:] = tensor
            self._count_into(counts, values.reshape((-1, 1)))
        else:
            self._count_into(counts, tensor.reshape((-1, 1)))
        if out is None:
            made: Tensor = self.array(counts, dtype=np.int32)
            return made
        out[:] = counts
        return out

    def _count_into(self, counts: Tensor, column: Tensor) -> None:
        if column.shape[0] <= EXACT:
            counts[:] = self._count(column)
            return
        starts = range(0, column.shape[0], EXACT)
        several = self.empty((len(starts), self.hist_bins), dtype=np.int32)
        for row, start in enumerate(starts):
            several[row : row + 1] = self._count(column[start : start + EXACT])
        counts[:] = self.sum(several, axis=0)

    def _count(self, column: Tensor) -> Any:
        """How many values lie in each bin."""
        assert self._hist_edges is not None
        lower, upper = self._hist_edges
        size = self.absolute(column)
        return self.sum((size >= lower) * (1 - (size >= upper)), axis=0)

    def dump_hist_data(self) -> tuple[Tensor, dict[str, int]]:
        """All stored histograms (rows x bins, int32) and the row of each tag; then forget them.

        Example:
            be.histogram(x, "inputs")
            counts, rows = be.dump_hist_data()
        """
        counts = [row.get() for row in self._hist_rows]
        rows = np.array(counts, np.int32).reshape(-1, self.hist_bins)
        result = self.array(rows, dtype=np.int32), self.hist_map
        self._start_histograms(self.hist_bins, self.hist_offset)
        return result


def _first_values(bins: int, offset: int) -> np.ndarray:
    """The smallest float32 of each bin; of bin 0, which begins with 0, minus infinity.

    Found by bisection over the bit patterns of positive numbers, which are in their order: so the
    bins are exactly those of a logarithm in float32, and no device has to compute one.
    """
    levels = np.arange(bins, dtype=np.float64) + offset
    low = np.zeros(bins, np.uint32)  # 0 is below every bin but the first
    high = np.full(bins, np.float32(np.inf).view(np.uint32))
    while (high - low > 1).any():
        middle = (low + high) // 2
        with np.errstate(divide="ignore"):  # where the search is over
            reached = np.rint(np.log2(middle.view(np.float32))) >= levels
        high, low = np.where(reached, middle, high), np.where(reached, low, middle)
    first = high.view(np.float32).copy()
    first[0] = -np.inf
    return first
