"""Random nodes of statements and of gradients; what a node draws is `draw.py`."""

from __future__ import annotations

from math import prod
from typing import Any

from neonport.ops.op import Kind
from neonport.optree.draw import Draw, Position, Reserve
from neonport.optree.node import Expression, OpTreeNode, make_node, walk, with_draw
from neonport.optree.open_sizes import resolve_wild


def draw_of(node: OpTreeNode) -> Draw:
    """What a random node draws."""
    draw: Draw = node._held
    return draw


class Sources:
    """The draws of a statement: one for each random node, wherever it stands."""

    def __init__(self) -> None:
        self._slots: dict[tuple[int, int], int] = {}
        self._draws: list[tuple[Draw, int]] = []

    def __len__(self) -> int:
        return len(self._draws)

    def slot(self, node: OpTreeNode, size: int) -> int:
        """The number of a random node's draw of `size` elements; a new one comes last."""
        draw = draw_of(node)
        key = (id(draw.seen), size)
        at = self._slots.setdefault(key, len(self._draws))
        if at == len(self._draws):
            self._draws.append((draw, size))
        elif draw.level < self._draws[at][0].level:
            self._draws[at] = draw, size
        return at

    def positions(self, reserve: Reserve) -> list[Position]:
        """Where the numbers of one run are, by slot."""
        return [draw.position(size, reserve) for draw, size in self._draws]


def is_random(node: OpTreeNode) -> bool:
    """Whether a node is a source of random numbers."""
    kind: Kind = node.sig.op.kind
    return kind is Kind.SOURCE


def sources_of(pairs: Any) -> Sources:
    """The draws of (target, value) pairs."""
    found = Sources()
    known: set[int] = set()
    for target, value in pairs:
        sizes = resolve_wild(value, target.shape)
        for node in walk(value, known=known):
            if not node.sig.open:
                known.add(id(node))
            if is_random(node):
                found.slot(node, prod(sizes.get(id(node), node.shape)))
    return found


def replaying(*roots: Any) -> list[Any]:
    """The same expressions, their random nodes those of a gradient: they replay.

    What roots share stays shared; where nothing is random, nodes stay the same.
    """
    new: dict[int, OpTreeNode] = {}
    for node in walk(*roots):
        if is_random(node):
            new[id(node)] = with_draw(make_node(node.sig, ()), draw_of(node).above())
        elif any(id(a) in new for a in node.args):
            made = make_node(node.sig, [new.get(id(a), a) for a in node.args])
            if node.sig.custom is not None:
                made._held = node._held
            new[id(node)] = made
    return [new.get(id(r), r) if isinstance(r, Expression) else r for r in roots]
