"""Scheduling: a graph of values is cut into the fewest kernels and calls.

Reductions, outputs and operands of calls are *roots*: values that exist in memory (or, inside one
kernel, as row results). Everything else is recomputed where it is used. Roots join one kernel when
they run over the same index space, fold the same axes, and no other step has to come between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from neonport.compiler.graph import Graph, MemoryView, Value, contiguous_leaf
from neonport.compiler.lowering import CALLS
from neonport.ops.op import OPS, Kind
from neonport.shape import Shape, layouts_overlap

MAX_BUFFERS = 48  # leaves room in the smallest argument space of a device
MAX_CONE = 128  # values computed inline for one root: compilers take more than linear time
MAX_VALUES = 512  # values in one kernel

# element-wise inside a kernel although the op table files them elsewhere
_INLINE = frozenset(
    {"iota", "onehot", "rand", "broadcast", "take", "below_one_float16", "below_one_bfloat16"}
)
_LEAFLIKE = frozenset({"leaf", "scalar"})


def is_reduction(value: Value) -> bool:
    """Whether a value folds axes."""
    return value.op in OPS and OPS[value.op].kind is Kind.REDUCTION


def is_inline(value: Value) -> bool:
    """Whether a value can be computed inside a kernel, element by element."""
    return (
        value.op in _INLINE
        or value.op in _LEAFLIKE
        or (value.op in OPS and OPS[value.op].kind is Kind.ELEMENTWISE)
    )


@dataclass
class Step:
    """Roots that run together.

    Attributes:
        roots: value indices, in dependency order.
        space: index space of a kernel.
        axes: folded axes.
        call: whether this is a single non-fusible op instead of a kernel.
    """

    roots: list[int]
    space: Shape
    axes: tuple[int, ...]
    call: bool = False
    after: set[int] = field(default_factory=set)  # indices of steps that must come before


@dataclass(frozen=True)
class Schedule:
    """Steps in order, and where every root lives.

    Attributes:
        steps: kernels and calls in execution order.
        places: where each root that reaches memory is written: its target, or a temporary, whose
            slot is negative.
        copies: (from, to) pairs to be copied at the end.
        roots: all roots; those without a place are only used inside their kernel.
    """

    steps: tuple[Step, ...]
    places: dict[int, MemoryView]
    copies: tuple[tuple[MemoryView, MemoryView], ...]
    roots: frozenset[int]


class Scheduler:
    """Cuts one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values = graph.values
        self.steps: list[Step] = []
        self.step_of: dict[int, int] = {}
        self.reach: list[set[int]] = []
        self.roots = self._find_roots()
        self._known = frozenset(self.roots)
        self._cones: dict[int, tuple[list[int], list[int]]] = {}

    def run(self) -> Schedule:
        """Return the schedule."""
        for root in self.roots:
            self._place(root)
        order = self._order()
        rank = {old: new for new, old in enumerate(order)}
        steps = tuple(self.steps[i] for i in order)
        self.step_of = {root: rank[s] for root, s in self.step_of.items()}
        return self._assign_memory(steps)

    # ---- roots -------------------------------------------------------------------------------

    def _find_roots(self) -> list[int]:
        """Values that get a place of their own, in dependency order."""
        roots = {value for value, _ in self.graph.outputs}
        needed = self._live()
        for index in needed:
            value = self.values[index]
            if is_reduction(value):
                roots.add(index)
            elif not is_inline(value):
                roots.add(index)
                roots.update(a for a in value.args if self.values[a].op != "leaf")
            if value.op == "take":
                roots.update(a for a in value.args if self.values[a].op != "leaf")
        return sorted(self._cut_cones(roots & needed, sorted(needed)))

    def _cut_cones(self, roots: set[int], needed: list[int]) -> set[int]:
        """Add roots until none computes more than MAX_CONE values inline."""
        cones: dict[int, frozenset[int]] = {}
        for index in needed:
            inline = frozenset({index}).union(*(cones.get(a, ()) for a in self.values[index].args))
            if index in roots:
                continue
            if len(inline) > MAX_CONE and self.values[index].op not in _LEAFLIKE:
                roots.add(index)
            else:
                cones[index] = inline
        return roots

    def _live(self) -> set[int]:
        live: set[int] = set()
        stack = [value for value, _ in self.graph.outputs]
        while stack:
            index = stack.pop()
            if index not in live:
                live.add(index)
                stack.extend(self.values[index].args)
        return live

    def cone(self, root: int) -> tuple[list[int], list[int]]:
        """(values computed inline for `root`, roots it reads), both in dependency order."""
        found = self._cones.get(root)
        if found is not None:
            return found
        known = self._known
        inline: set[int] = set()
        reads: set[int] = set()
        stack = list(self.values[root].args)
        while stack:
            index = stack.pop()
            if index in known and self.values[index].op not in _LEAFLIKE:
                reads.add(index)
            elif index not in inline:
                inline.add(index)
                stack.extend(self.values[index].args)
        self._cones[root] = sorted(inline), sorted(reads)
        return self._cones[root]

    # ---- grouping ----------------------------------------------------------------------------

    def _place(self, root: int) -> None:
        value = self.values[root]
        _, reads = self.cone(root)
        needs = {self.step_of[r] for r in reads if r in self.step_of}
        call = not (is_inline(value) or is_reduction(value))
        if is_reduction(value):
            space, axes = self.values[value.args[0]].shape, tuple(value.attr)
            axes = tuple(a for a in axes if space[a] != 1) or axes
        else:
            space, axes = value.shape, ()
        if not call and value.op != "scalar":
            for index in reversed(range(len(self.steps))):
                if self._can_join(index, root, space, axes, needs):
                    step = self.steps[index]
                    step.roots.append(root)
                    if axes and not step.axes:
                        step.axes = axes
                    self._link(index, needs - {index})
                    self.step_of[root] = index
                    return
        self.steps.append(Step([root], space, axes, call))
        self.reach.append(set())
        self.step_of[root] = len(self.steps) - 1
        self._link(len(self.steps) - 1, needs)

    def _can_join(
        self, index: int, root: int, space: Shape, axes: tuple[int, ...], needs: set[int]
    ) -> bool:
        step = self.steps[index]
        if step.call or any(index in self.reach[n] for n in needs if n != index):
            return False
        if index in self._gathered_from(root):
            return False  # elements elsewhere have to be there before the first one is picked
        value = self.values[root]
        if is_reduction(value):
            if step.space != space or (step.axes and step.axes != axes):
                return False
            # folding a kernel that so far only maps: its stores must suit the new loop order
        elif step.axes:
            row = tuple(1 if a in step.axes else n for a, n in enumerate(step.space))
            if space not in (step.space, row):
                return False
            if space == row and space != step.space and index not in needs:
                return False  # a small independent map gains nothing in a large kernel
        elif space != step.space:
            return False
        return self._fits([*step.roots, root])

    def _gathered_from(self, root: int) -> set[int]:
        """Steps whose results `root` reads at positions other than its own."""
        inline, _ = self.cone(root)
        takes = [self.values[i] for i in (root, *inline) if self.values[i].op == "take"]
        return {self.step_of[a] for take in takes for a in take.args if a in self.step_of}

    def _fits(self, roots: list[int]) -> bool:
        """Whether one kernel of these roots stays within the bounds."""
        memory: set[object] = set(roots)
        values: set[int] = set()
        for root in roots:
            inline, reads = self.cone(root)
            values.update(inline)
            memory.update(self.values[i].attr for i in inline if self.values[i].op == "leaf")
            memory.update(reads)
        return len(memory) <= MAX_BUFFERS and len(values) <= MAX_VALUES

    def _link(self, index: int, needs: set[int]) -> None:
        """Record that a step comes after others, and whatever follows from it."""
        before = set(needs)
        for n in needs:
            before |= self.reach[n]
        before.discard(index)
        for i in range(len(self.reach)):
            if i == index or index in self.reach[i]:
                self.reach[i] |= before
        self.steps[index].after |= needs

    def _order(self) -> list[int]:
        return sorted(range(len(self.steps)), key=lambda i: (len(self.reach[i]), i))

    # ---- memory ------------------------------------------------------------------------------

    def _reads(self, steps: tuple[Step, ...]) -> Iterator[tuple[int, int, MemoryView]]:
        """(step, value, leaf) of every read of a leaf."""
        for number, step in enumerate(steps):
            for root in step.roots:
                inline, _ = self.cone(root)
                candidates = [root, *inline]
                for index in candidates:
                    if self.values[index].op == "leaf":
                        yield number, index, self.values[index].attr

    def _assign_memory(self, steps: tuple[Step, ...]) -> Schedule:
        """Decide which roots are written straight to their targets.

        A target may be written directly when nothing reads the memory it overlaps at or after that
        point, except the very element that is being replaced.
        """
        places: dict[int, MemoryView] = {}
        late: list[tuple[int, MemoryView]] = []
        reads = list(self._reads(steps))
        gathered = {a for v in self.values if v.op == "take" for a in v.args}
        for value, target in self.graph.outputs:
            if value not in places and self._direct(value, target, steps, reads, gathered):
                places[value] = target
            else:
                late.append((value, target))
        outside = {value for value, _ in late} | self._crossing(steps)
        for root in sorted(outside - places.keys()):
            source = self.values[root]
            places[root] = contiguous_leaf(-1 - len(places), source.dtype, source.shape)
        copies = tuple((places[value], target) for value, target in late)
        return Schedule(steps, places, copies, self._known)

    def _crossing(self, steps: tuple[Step, ...]) -> set[int]:
        """Roots that another step reads, or that a call makes."""
        found: set[int] = set()
        for number, step in enumerate(steps):
            if step.call:
                found.update(step.roots)
                found.update(
                    a
                    for root in step.roots
                    for a in self.values[root].args
                    if self.values[a].op != "leaf"
                )
            for root in step.roots:
                found.update(r for r in self.cone(root)[1] if self.step_of[r] != number)
                if self.values[root].op == "take":
                    found.update(a for a in self.values[root].args if self.values[a].op != "leaf")
        return found

    def _direct(
        self,
        value: int,
        target: MemoryView,
        steps: tuple[Step, ...],
        reads: list[tuple[int, int, MemoryView]],
        gathered: set[int],
    ) -> bool:
        source = self.values[value]
        store_step = self.step_of[value]
        step = steps[store_step]
        if source.shape != target.layout[0]:
            return False  # broadcast into the target by a copy
        if step.call and (source.dtype != target.dtype or OPS[source.op].kind not in CALLS):
            return False
        shared = [v for v, _ in self.graph.outputs].count(value) > 1
        if source.dtype != target.dtype and (shared or self._read_later(value, steps)):
            return False  # others want the value before it was rounded to the target
        for number, index, leaf in reads:
            if leaf.slot != target.slot or number < store_step:
                continue
            if not _may_overlap(leaf, target):
                continue
            exact = leaf.layout == target.layout and leaf.dtype == target.dtype
            if number > store_step or not exact or step.call or index in gathered:
                return False
            if self.values[index].shape != source.shape:
                return False
        return True

    def _read_later(self, value: int, steps: tuple[Step, ...]) -> bool:
        own = self.step_of[value]
        return any(
            number != own and value in self.cone(root)[1]
            for number, step in enumerate(steps)
            for root in step.roots
        )


def _may_overlap(a: MemoryView, b: MemoryView) -> bool:
    if a.dtype.itemsize != b.dtype.itemsize:
        return prod(a.layout[0]) > 0 and prod(b.layout[0]) > 0
    return layouts_overlap(a.layout, b.layout)


def schedule(graph: Graph) -> Schedule:
    """Cut a graph into steps."""
    return Scheduler(graph).run()
