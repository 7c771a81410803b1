"""Which statements are checked: a rate, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, repeat
from math import inf, log, log1p
from operator import length_hint
from random import Random


class Turns:
    """Says for one candidate after the other whether it is its turn.

    The gaps between turns are random, with the rate as share: statements come in the same order in
    each step, and at even distances the same ones would be checked for ever.

    Args:
        rate: share of the candidates whose turn it is, more than 0, at most 1.
        seed: of the choice.

    Attributes:
        here: called for each candidate: True when it is its turn. It is made of `itertools`, so
            that a candidate costs no Python code.

    Example:
        >>> turns = Turns(1.0, seed=0)
        >>> turns.here(), turns.here()
        (True, True)
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._scale = log1p(-rate) if rate < 1 else -inf
        self._random = Random(seed)
        self._gap: Iterator[bool] = iter(())  # what is left of the gap, and the turn behind it
        self._end: Iterator[bool] = iter(())
        self._next: Iterator[bool] | None = None  # a gap that is drawn and not begun
        self.here = chain.from_iterable(iter(self._gap_and_turn, None)).__next__

    def ahead(self, count: int) -> bool:
        """Whether it is the turn of one of the next candidates; if not, they are passed over.

        Args:
            count: of how many.
        """
        if not length_hint(self._gap) and not length_hint(self._end):
            self._next = self._draw()
        if length_hint(self._gap) < count:
            return True
        if count > 0:
            next(islice(self._gap, count - 1, None))
        return False

    def _gap_and_turn(self) -> Iterator[bool]:
        found, self._next = self._next or self._draw(), None
        return found

    def _draw(self) -> Iterator[bool]:
        """The next gap: geometrically distributed."""
        self._gap = repeat(False, int(log(1.0 - self._random.random()) / self._scale))
        self._end = iter((True,))
        return chain(self._gap, self._end)
