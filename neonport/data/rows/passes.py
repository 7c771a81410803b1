"""Which rows the minibatches of a pass have, and where the next pass begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from neonport.data.rows.row_order import RowOrder
from neonport.errors import ConfigurationError


class Minibatch(NamedTuple):
    """Rows of a minibatch.

    Attributes:
        number: of the pass.
        begin: place in the pass.
        rows: their numbers.
    """

    number: int
    begin: int
    rows: np.ndarray


class Passes:
    """One stream of passes over rows, which a checkpoint continues exactly.

    A minibatch that reaches beyond the end of a pass has the first rows of the next one, which
    begins after those.

    Args:
        label: names the iterator in errors.
        rows: number of rows.
        shuffle: another order in each pass.
        seed: of the orders, and of `generator`.
        fixed: shuffled, but in the same order in each pass.

    Attributes:
        start: place where the next pass begins.
        number: of the next pass.
    """

    def __init__(
        self, label: str, rows: int, shuffle: bool, seed: int, fixed: bool = False
    ) -> None:
        self.label = label
        self.rows = rows
        self.shuffle = shuffle
        self.fixed = fixed
        self._order = RowOrder(rows, seed)
        self.start = self.number = 0

    @property
    def seed(self) -> int:
        """Of the orders."""
        return self._order.seed

    def count(self, size: int) -> int:
        """Minibatches in the next pass."""
        return -(-(self.rows - self.start) // size)

    def plan(self, size: int) -> Iterator[Minibatch]:
        """The minibatches of the next pass; changes nothing."""
        number, start = self.number, self.start
        for begin in range(start, self.rows, size):
            yield Minibatch(number, begin, self._rows(number, begin, size))

    def in_order(self, size: int) -> Iterator[Minibatch]:
        """Minibatches from the first row to the last; after the last row comes the first."""
        for begin in range(0, self.rows, size):
            yield Minibatch(0, begin, np.arange(begin, begin + size) % self.rows)

    def _rows(self, number: int, begin: int, size: int) -> np.ndarray:
        if self.shuffle and not self.fixed:
            return self._order.take(number, begin, size)
        rows = np.arange(begin, begin + size) % self.rows
        return self._order.rows_of(0)[rows] if self.fixed else rows

    def arrived(self, batch: Minibatch) -> None:
        """A minibatch of the plan is handed out: after the last one the next pass is another."""
        end = batch.begin + len(batch.rows)
        if end >= self.rows:
            self.start, self.number = end % self.rows, batch.number + end // self.rows

    def generator(self, batch: Minibatch, place: int) -> np.random.RandomState:
        """Random numbers for one sample, the same ones whenever the pass is repeated.

        Args:
            batch: its minibatch.
            place: of the sample in it.
        """
        return np.random.RandomState([self.seed, batch.number, batch.begin + place])

    def get_state(self) -> dict[str, int]:
        """Where the next pass begins, its number, and the seed."""
        return {
            "start": self.start,
            "pass": self.number,
            "seed": self.seed,
            "shuffle": int(self.shuffle),
        }

    def set_state(self, state: Mapping[str, int]) -> None:
        """Continue where `get_state` was called.

        Raises:
            ConfigurationError: it is of other data, or of data in order where these are shuffled,
                or the other way round; nothing was changed then.
        """
        missing = [key for key in ("start", "pass", "seed", "shuffle") if key not in state]
        if missing or bool(state["shuffle"]) != self.shuffle:
            raise ConfigurationError(
                f"{self.label}: the checkpoint was written with data in another order "
                f"({dict(state)}); make the iterator as it was, above all its shuffle="
                f"{self.shuffle}, or load with load_states=False"
            )
        start, number = int(state["start"]), int(state["pass"])
        if not 0 <= start < self.rows or number < 0:
            raise ConfigurationError(
                f"{self.label}: cannot start at sample {start} of {self.rows} in pass {number}; "
                "was the checkpoint written with another data set?"
            )
        self._order = RowOrder(self.rows, int(state["seed"]))
        self.start, self.number = start, number


def chosen_seed(seed: int | None, usual: int | None) -> int:
    """A seed: the one given, else the usual one, else one that is drawn."""
    found = usual if seed is None else seed
    return int(np.random.SeedSequence().generate_state(1)[0]) if found is None else found
