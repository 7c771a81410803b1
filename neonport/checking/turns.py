"""Which statements are checked: a rate, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from math import inf, log, log1p
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
        self.here = self._from(())

    def ahead(self, count: int) -> bool:
        """Whether it is the turn of one of the next candidates; if not, they are passed over.

        Args:
            count: of how many.
        """
        for passed in range(count):
            if self.here():
                self.here = self._from([_gap(passed)])
                return True
        return False

    def _from(self, first: Iterable[Iterator[bool]]) -> Callable[[], bool]:
        return chain.from_iterable(chain(first, iter(self._draw, None))).__next__

    def _draw(self) -> Iterator[bool]:
        """The next gap: geometrically distributed."""
        return _gap(int(log(1.0 - self._random.random()) / self._scale))


def _gap(length: int) -> Iterator[bool]:
    return chain(repeat(False, length), (True,))
