"""What a random node draws: a node is one draw, and its gradients replay that draw.

A draw is a position in the stream of the generator, so it costs nothing to remember: the numbers
are computed anew from it. Running a value draws; running a gradient of it takes the position that
the value took last. Where the value never ran, the gradient draws, and gradients of *that* take the
position that it took: a draw has a level, 0 for the user's nodes and one more for each derivative,
and a node replays what a lower level drew.
"""

from __future__ import annotations

from collections.abc import Callable

from neonport.optree.signature import fresh_token

MAX_SIZES = 64  # numbers of elements for which a node remembers its draw

Position = tuple[int, int]
"""Key and first block of a draw."""
Reserve = Callable[[int], Position]
"""Takes the position of that many numbers out of the stream."""


class Draw:
    """What a random node draws.

    Attributes:
        level: 0, or of which order the derivative is that the node stands in.
        token: identity of the nodes that have this draw.
        seen: number of elements -> (level, position) of the last draw; shared by all levels.
    """

    __slots__ = ("_above", "level", "seen", "token")

    def __init__(self, level: int = 0, seen: dict[int, tuple[int, Position]] | None = None) -> None:
        self.level = level
        self.token = fresh_token()
        self.seen = {} if seen is None else seen
        self._above: Draw | None = None

    def above(self) -> Draw:
        """The draw of the same node in a gradient."""
        if self._above is None:
            self._above = Draw(self.level + 1, self.seen)
        return self._above

    def position(self, size: int, reserve: Reserve) -> Position:
        """Where the numbers of a run are: those of a lower level's last draw, or the next ones."""
        kept = self.seen.get(size)
        if kept is None or kept[0] >= self.level:
            if len(self.seen) >= MAX_SIZES:
                self.seen.clear()
            kept = self.seen[size] = self.level, reserve(size)
        return kept[1]
