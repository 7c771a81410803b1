"""The order in which rows of arrays are seen: one stream of shuffled passes."""

from __future__ import annotations

import numpy as np

from neonport.errors import ConfigurationError


class RowOrder:
    """Another order of the rows in each pass, the same ones for the same seed on every machine.

    The passes follow each other without a gap: what a batch needs beyond the end of a pass are the
    first rows of the next one. NumPy's `RandomState` makes the orders; its stream is frozen.

    Args:
        rows: number of rows.
        seed: whole number, 0 to 2^32 - 1.

    Raises:
        ConfigurationError: another seed.

    Example:
        order = RowOrder(rows=10, seed=0)
        assert sorted(order.rows_of(0)) == list(range(10))
        assert (order.take(0, 8, 4)[2:] == order.rows_of(1)[:2]).all()
    """

    def __init__(self, rows: int, seed: int) -> None:
        whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, (bool, np.bool_))
        if not whole or not 0 <= seed < 2**32:
            raise ConfigurationError(
                f"seed={seed!r} of the shuffled rows must be a whole number from 0 to 2**32 - 1"
            )
        self.rows = rows
        self.seed = int(seed)
        self._kept: dict[int, np.ndarray] = {}

    def rows_of(self, number: int) -> np.ndarray:
        """Row numbers of a pass, int32 of shape (rows,); passes count from 0."""
        found = self._kept.get(number)
        if found is None:
            self._kept = {n: kept for n, kept in self._kept.items() if abs(n - number) <= 1}
            generator = np.random.RandomState([self.seed, number])
            found = self._kept[number] = generator.permutation(self.rows).astype(np.int32)
        return found

    def take(self, number: int, begin: int, count: int) -> np.ndarray:
        """`count` row numbers from place `begin` of a pass on, continued in the passes after it."""
        parts = [self.rows_of(number)[begin : begin + count]]
        while sum(map(len, parts)) < count:
            number += 1
            parts.append(self.rows_of(number)[: count - sum(map(len, parts))])
        return np.concatenate(parts)
