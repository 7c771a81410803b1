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


class Diagnostics:
    """`explain`, and the histograms of tensors."""

    # what the other parts of a backend give
    array: Any
    device: Any

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
        self._hist_rows: list[np.ndarray] = []

    def histogram(self, tensor: Tensor, tag: str) -> Tensor:
        """Count rounded log2 magnitudes (computed in float32) and store them under `tag`.

        Bin 0 takes everything at or below the offset (also 0), the last bin everything above; nan
        is not counted.

        Returns:
            (1, bins) int32.

        Example:
            counts = be.histogram(x, "inputs")
        """
        if tag not in self.hist_map and len(self._hist_rows) >= self.hist_max:
            raise ConfigurationError(
                f"hist: {self.hist_max} histograms are stored; call dump_hist_data"
            )
        with np.errstate(all="ignore"):
            values = np.abs(tensor.get().astype(np.float32)).reshape(-1)
            values = values[~np.isnan(values)]
            level = np.rint(np.log2(values)) - self.hist_offset
        index = np.clip(level, 0, self.hist_bins - 1).astype(np.int64)
        counts = np.bincount(index, minlength=self.hist_bins).astype(np.int32)
        row = self.hist_map.setdefault(tag, len(self._hist_rows))
        self._hist_rows[row : row + 1] = [counts]
        return self.array(counts[None], dtype=np.int32)

    def dump_hist_data(self) -> tuple[Tensor, dict[str, int]]:
        """All stored histograms (rows x bins, int32) and the row of each tag; then forget them.

        Example:
            be.histogram(x, "inputs")
            counts, rows = be.dump_hist_data()
        """
        rows = np.array(self._hist_rows, np.int32).reshape(-1, self.hist_bins)
        result = self.array(rows, dtype=np.int32), self.hist_map
        self._start_histograms(self.hist_bins, self.hist_offset)
        return result
