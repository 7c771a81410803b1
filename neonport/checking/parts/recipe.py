"""How a block of a statement is computed: which blocks of which operands, and the ops on them.

A recipe is made once for all statements of the same structure. The sizes of its blocks are fixed
with it and only their places are drawn, so the second backend binds what computes them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from neonport.checking.parts.cuts import Cut, Cuts, Refused, aligned, operands, parameters
from neonport.ops.op import Kind
from neonport.optree.node import OpTreeNode, apply
from neonport.optree.open_sizes import resolve_wild
from neonport.optree.random_nodes import is_random
from neonport.shape import Shape
from neonport.tensor.tensor import Tensor

WORK = 1 << 15  # elements that are looked at for a block, all operands and ops together
LEAST = 8  # elements of an axis that are not made fewer
FLOPS = 32  # of products and windows, that take as long as one element elsewhere
ENTRY = 3000  # elements that take as long as finding one entry that an index picks


class Part(NamedTuple):
    """A block of one tensor or application.

    Attributes:
        above: where it is found in a statement: number of the part above it, and which operand;
            of a right-hand side -1 and which pair.
        cuts: of its axes.
        shape: of the whole.
        below: numbers of the parts of its operands, -1 for each number; None of a tensor or a
            random node, whose values are given.
        picked: of the entries of a tensor that indices pick along an axis: that axis, and the
            number of the indices' part; of these indices -1 and the number of the entries'.
    """

    above: tuple[int, int]
    cuts: Cuts
    shape: Shape
    below: tuple[int, ...] | None
    picked: tuple[int, int] | None = None


class Recipe:
    """The parts of a statement, operands before what is made of them.

    Args:
        pairs: targets and right-hand sides.

    Attributes:
        parts: of the right-hand sides.
        order: their numbers, operands first.
        roots: numbers of the right-hand sides' parts; -1 of numbers.
        targets: cuts of each target.
        sizes: for each label, how long its axis is.
        lengths: for each label, how many of its elements a block takes.
    """

    def __init__(self, pairs: Sequence[tuple[Any, Any]]) -> None:
        refused: set[int] = set()
        while True:
            try:
                self._take_apart(pairs, refused)
            except Refused as cannot:
                refused |= cannot.labels
                continue
            break
        self._shapes = [target.shape for target, _ in pairs]
        self.lengths = dict(self.sizes)
        self._shorten()

    @property
    def is_whole(self) -> bool:
        """Whether its blocks are nearly as much work as all there is: then there is no gain."""
        return self._all < 2 * self._block

    # ---- how it is made ----------------------------------------------------------------------

    def _take_apart(self, pairs: Sequence[tuple[Any, Any]], refused: set[int]) -> None:
        self.sizes: dict[int, int] = {}
        self._labels: dict[tuple[int, int], int] = {}
        self._numbers: dict[tuple[int, Cuts, Shape], int] = {}
        self._waiting: list[int] = []
        self.parts: list[Part] = []
        self.order: list[int] = []
        self._nodes: list[Any] = []
        self.targets = [self._cuts_of(target.shape, refused) for target, _ in pairs]
        self.roots: list[int] = []
        for place, ((target, value), cuts) in enumerate(zip(pairs, self.targets, strict=True)):
            if not hasattr(value, "sig"):
                self.roots.append(-1)
                continue
            self._sizes = resolve_wild(value, target.shape)
            shape = self._shape_of(value)
            self.roots.append(self._add(value, aligned(cuts, shape, target.shape), (-1, place)))

    def _cuts_of(self, shape: Shape, refused: set[int]) -> Cuts:
        """Every axis of a target may be cut; axes of targets that match are cut alike."""
        found: list[Cut | None] = []
        for a, n in enumerate(shape):
            label = self._labels.setdefault((len(shape) - a, n), len(self._labels))
            if n == 1 or label in refused:
                found.append(None)
            else:
                self.sizes[label] = n
                found.append(Cut(label))
        return tuple(found)

    def _shape_of(self, x: Any) -> Shape:
        shape: Shape = self._sizes.get(id(x), x.sig.shape)
        return shape

    def _add(self, root: Any, cuts: Cuts, above: tuple[int, int]) -> int:
        """Number of the part of `root`; it and all below are new, or known already."""
        first = self._number(root, cuts, above)
        while len(self._waiting):  # trees may be deep
            at = self._waiting.pop()
            part, node = self.parts[at], self._nodes[at]
            if node.op == "take" and all(isinstance(a, Tensor) for a in node.args):
                self.parts[at] = part._replace(below=self._pick(at, part, node))
                continue
            shapes = [self._shape_of(a) if hasattr(a, "sig") else (1, 1) for a in node.args]
            found = operands(node, part.cuts, shapes, part.shape)
            below = [
                self._number(a, cut, (at, k)) if hasattr(a, "sig") else -1
                for k, (a, cut) in enumerate(zip(node.args, found, strict=True))
            ]
            self.parts[at] = part._replace(below=tuple(below))
        self._put_in_order(first)
        return first

    def _number(self, x: Any, cuts: Cuts, above: tuple[int, int]) -> int:
        """Number of a part; a new one waits for its operands."""
        shape = self._shape_of(x)
        key = id(x), cuts, shape
        known = self._numbers.get(key)
        if known is not None:
            return known
        number = self._numbers[key] = len(self.parts)
        given = not isinstance(x, OpTreeNode) or is_random(x)
        if isinstance(x, OpTreeNode) and given:
            _refuse_apart(cuts)
        self.parts.append(Part(above, cuts, shape, None if given else ()))
        self._nodes.append(x)
        if not given:
            self._waiting.append(number)
        return number

    def _pick(self, at: int, part: Part, node: Any) -> tuple[int, int]:
        """Parts of the entries that indices pick, and of the indices."""
        (x, indices), axis = node.args, node.params["axis"]
        cut, first = part.cuts[axis], len(self.parts)
        of = [None if n == 1 else cut for n in indices.shape]
        self.parts.append(Part((at, 0), part.cuts, part.shape, None, (axis, first + 1)))
        self.parts.append(Part((at, 1), tuple(of), indices.shape, None, (-1, first)))
        self._nodes += x, indices
        return first, first + 1

    def _put_in_order(self, root: int) -> None:
        """Append the numbers of a part and of those below it, operands first."""
        waiting, done = [root], set(self.order)
        while waiting:
            at = waiting[-1]
            missing = [k for k in self.parts[at].below or () if k >= 0 and k not in done]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if at not in done:
                done.add(at)
                self.order.append(at)

    def _shorten(self) -> None:
        """Halve the longest axes until a block is little work."""
        costs: dict[tuple[int, ...], float] = {}

        def count(cuts: Cuts, cost: float) -> None:
            labels = tuple({cut.label for cut in cuts if cut is not None})
            share = prod(self.sizes[label] for label in labels)
            costs[labels] = costs.get(labels, 0.0) + cost / share

        self._all = float(sum(prod(shape) for shape in self._shapes))
        for cuts, shape in zip(self.targets, self._shapes, strict=True):
            count(cuts, prod(shape))
        for part, node in zip(self.parts, self._nodes, strict=True):
            cost = self._work(part, node)
            count(part.cuts, cost)
            self._all += node.size if part.picked is not None else cost
        self._nodes = []  # nothing of the statement is kept
        while True:
            self._block = sum(
                cost * prod(self.lengths[label] for label in labels)
                for labels, cost in costs.items()
            )
            if self._block <= WORK or not self.lengths:
                return
            label = max(self.lengths, key=self.lengths.__getitem__)
            if self.lengths[label] <= LEAST:
                return
            self.lengths[label] = (self.lengths[label] + 1) // 2

    def _work(self, part: Part, node: Any) -> float:
        found: float = prod(part.shape)
        if part.picked is not None:
            return found + ENTRY * prod(part.shape) if part.picked[0] < 0 else found
        if part.below is not None and node.sig.op.kind in (Kind.CONTRACTION, Kind.WINDOW):
            shapes = [a.sig.shape if hasattr(a, "sig") else (1, 1) for a in node.args]
            found += node.sig.op.work([*shapes, part.shape], node.params) / FLOPS
        return found

    # ---- how it is used ----------------------------------------------------------------------

    def shape(self, cuts: Cuts, whole_shape: Shape) -> Shape:
        """Shape of a block."""
        return tuple(
            n if cut is None else self.lengths[cut.label]
            for n, cut in zip(whole_shape, cuts, strict=True)
        )

    def found_in(self, values: Sequence[Any]) -> list[Any]:
        """The tensor or node of each part, in a statement of this structure.

        Args:
            values: its right-hand sides.
        """
        found: list[Any] = []
        for part in self.parts:
            at, operand = part.above
            found.append(values[operand] if at < 0 else found[at].args[operand])
        return found

    def built(self, nodes: Sequence[Any], given: dict[int, Any]) -> dict[int, Any]:
        """The expressions that compute the blocks, by the number of the part.

        Args:
            nodes: what `found_in` gives.
            given: for each tensor and random node, a tensor of the block's shape.
        """
        done = dict(given)
        for number in self.order:
            part, node = self.parts[number], nodes[number]
            if part.below is None:
                continue
            args = [done[k] if k >= 0 else a for k, a in zip(part.below, node.args, strict=True)]
            sizes = self.shape(part.cuts, part.shape)
            params = parameters(node, sizes)
            done[number] = apply(node.op, *args, **params)
        return done


def _refuse_apart(cuts: Cuts) -> None:
    """Random numbers of a block must follow each other: only the first axis is cut."""
    if any(cuts[1:]):
        raise Refused(cuts[1:])
    if cuts[0] is not None and cuts[0].step != 1:
        raise Refused(cuts)
