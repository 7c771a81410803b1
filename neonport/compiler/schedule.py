"""Scheduling: a graph of values is cut into the fewest kernels and calls.

Reductions, outputs and operands of calls are *roots*: values that exist in memory (or, inside one
kernel, as row results). Everything else is recomputed where it is used. Roots join one kernel when
they run over the same index space, fold the same axes, and no other step has to come between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod

from neonport.compiler.graph import Graph, MemoryView, Value, contiguous_leaf
from neonport.compiler.lowering import CALLS, concat_regions
from neonport.ops.op import OPS, Cost, Kind
from neonport.shape import Shape, layouts_overlap

MAX_BUFFERS = 48  # leaves room in the smallest argument space of a device
MAX_CONE = 128  # weight of the values computed inline for one root: beyond, registers spill
MAX_VALUES = 512  # weight of the values in one kernel: compilers take more than linear time
COSTLY_WEIGHT = 8  # of a value whose op is a function; others weigh 1
MAX_READS = 40  # places in memory that one root reads; leaves room for others in its kernel
MAX_REPEATED = 2048  # values that all roots together compute again because one is shared
MAX_TRIED = 32  # kernels that a root may join, the latest first

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


def _is_costly(value: Value) -> bool:
    return value.op in OPS and OPS[value.op].cost is Cost.COSTLY


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
        self._before: list[int] = []  # for each step, as bits, those that must come before
        self._over: dict[Shape, list[int]] = {}  # kernels by the shapes that can join them
        self._memory: list[set[object]] = []  # of each step: what it reads and writes,
        self._inline: list[set[int]] = []  # and what it computes
        self._weights = [COSTLY_WEIGHT if _is_costly(v) else 1 for v in self.values]
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
        """Add roots until none computes or reads too much inline, nor all together.

        A root computes at most MAX_CONE values for each operand and reads at most MAX_READS places.
        What several values use may be computed again for every root, so it may be the less the more
        roots there are: the work of a statement grows with its size, not with the square of it.
        """
        users: dict[int, int] = {}
        for index in needed:
            for a in set(self.values[index].args):
                users[a] = users.get(a, 0) + 1
        shared = min(MAX_CONE, max(MAX_REPEATED // (len(roots) or 1), 8))
        cones: dict[int, frozenset[int]] = {}
        reads: dict[int, frozenset[object]] = {}
        for index in needed:
            value = self.values[index]
            if value.op in _LEAFLIKE and index not in roots:
                cones[index] = frozenset((index,))
                reads[index] = frozenset((value.attr,) if value.op == "leaf" else ())
                continue
            self._cut_reads(value, roots, reads)
            if index in roots:
                reads[index] = frozenset((index,))
                continue
            inline = frozenset((index,)).union(*(cones.get(a, ()) for a in value.args))
            if self._weight(inline) > (shared if users.get(index, 0) > 1 else MAX_CONE):
                roots.add(index)
                reads[index] = frozenset((index,))
            else:
                cones[index] = inline
                reads[index] = frozenset().union(*(reads[a] for a in value.args))
        return roots

    def _weight(self, inline: Iterable[int]) -> int:
        """How much code computes some values."""
        return sum([self._weights[i] for i in inline])

    def _cut_reads(
        self, value: Value, roots: set[int], reads: dict[int, frozenset[object]]
    ) -> None:
        """Make operands of a value roots until it reads no more than MAX_READS places."""
        args = [a for a in dict.fromkeys(value.args) if len(reads[a]) > 1]
        if sum(len(reads[a]) for a in args) <= MAX_READS:
            return
        args.sort(key=lambda a: len(reads[a]))
        while args and len(frozenset().union(*(reads[a] for a in args))) > MAX_READS - 2:
            largest = args.pop()
            roots.add(largest)
            reads[largest] = frozenset((largest,))

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
            step = self._step_to_join(root, space, axes, needs)
            if step is not None:
                self.steps[step].roots.append(root)
                if axes and not self.steps[step].axes:
                    self.steps[step].axes = axes
                self._put(step, root, space, needs - {step})
                return
        self.steps.append(Step([root], space, axes, call))
        self._before.append(0)
        self._memory.append(set())
        self._inline.append(set())
        self._put(len(self.steps) - 1, root, space, needs)

    def _put(self, index: int, root: int, space: Shape, needs: set[int]) -> None:
        """Note that a step has a root, and what follows from it."""
        step = self.steps[index]
        self.step_of[root] = index
        memory, inline = self._contents(root)
        self._memory[index] |= memory
        self._inline[index] |= inline
        if not step.call:
            for shape in {space, step.space, _row(step)}:
                known = self._over.setdefault(shape, [])
                if index not in known[-MAX_TRIED:]:
                    known.append(index)
        self._link(index, needs)

    def _step_to_join(
        self, root: int, space: Shape, axes: tuple[int, ...], needs: set[int]
    ) -> int | None:
        """The latest kernel that can compute a root as well."""
        known = self._over.get(space)
        if known is None:
            return None
        gathered = self._gathered_from(root)
        above = 0  # steps that come before what the root needs
        for n in needs:
            above |= self._before[n]
        memory, inline = self._contents(root)
        for index in sorted(known[-MAX_TRIED:], reverse=True):
            if (
                not above >> index & 1
                and index not in gathered
                and self._same_loops(index, root, space, axes, needs)
                and len(self._memory[index]) + len(memory - self._memory[index]) <= MAX_BUFFERS
                and self._weight(self._inline[index] | inline) <= MAX_VALUES
            ):
                return index
        return None

    def _same_loops(
        self, index: int, root: int, space: Shape, axes: tuple[int, ...], needs: set[int]
    ) -> bool:
        """Whether the loops of a kernel are those of a root."""
        step = self.steps[index]
        if is_reduction(self.values[root]):
            if step.space != space or (step.axes and step.axes != axes):
                return False
            # folding a kernel that so far only maps: its stores must suit the new loop order
        elif step.axes:
            row = _row(step)
            if space not in (step.space, row):
                return False
            if space == row and space != step.space and index not in needs:
                return False  # a small independent map gains nothing in a large kernel
        elif space != step.space:
            return False
        return True

    def _gathered_from(self, root: int) -> set[int]:
        """Steps whose results `root` reads at positions other than its own."""
        inline, _ = self.cone(root)
        takes = [self.values[i] for i in (root, *inline) if self.values[i].op == "take"]
        return {self.step_of[a] for take in takes for a in take.args if a in self.step_of}

    def _contents(self, root: int) -> tuple[set[object], set[int]]:
        """(what a root brings into a kernel: places in memory, values that it computes there)."""
        inline, reads = self.cone(root)
        memory: set[object] = {self.values[i].attr for i in inline if self.values[i].op == "leaf"}
        memory.update(reads)
        memory.add(root)
        return memory, set(inline)

    def _link(self, index: int, needs: set[int]) -> None:
        """Record that a step comes after others, and whatever follows from it."""
        before = 0
        for n in needs:
            before |= self._before[n] | 1 << n
        before &= ~(1 << index)
        if before & ~self._before[index]:
            for i, known in enumerate(self._before):
                if i == index or known >> index & 1:
                    self._before[i] = known | before
        self.steps[index].after |= needs

    def _order(self) -> list[int]:
        return sorted(range(len(self.steps)), key=lambda i: (self._before[i].bit_count(), i))

    # ---- memory ------------------------------------------------------------------------------

    def _reads(self, steps: tuple[Step, ...]) -> dict[int, list[tuple[int, int, MemoryView]]]:
        """(step, value, leaf) of every read of a leaf, by the slot of its memory."""
        found: dict[int, list[tuple[int, int, MemoryView]]] = {}
        for number, step in enumerate(steps):
            for root in step.roots:
                for index in (root, *self.cone(root)[0]):
                    if self.values[index].op == "leaf":
                        leaf = self.values[index].attr
                        found.setdefault(leaf.slot, []).append((number, index, leaf))
        return found

    def _assign_memory(self, steps: tuple[Step, ...]) -> Schedule:
        """Decide which roots are written straight to their targets.

        A target may be written directly when nothing reads the memory it overlaps at or after that
        point, except the very element that is being replaced.
        """
        places: dict[int, MemoryView] = {}
        late: list[tuple[int, MemoryView]] = []
        reads = self._reads(steps)
        gathered = {a for v in self.values if v.op == "take" for a in v.args}
        stores: dict[int, int] = {}
        for value, _ in self.graph.outputs:
            stores[value] = stores.get(value, 0) + 1
        # others want these before they are rounded to a target
        wide = {value for value, count in stores.items() if count > 1}
        for number, step in enumerate(steps):
            for root in step.roots:
                wide.update(r for r in self.cone(root)[1] if self.step_of[r] != number)
        for value, target in self.graph.outputs:
            if value not in places and self._direct(value, target, steps, reads, gathered, wide):
                places[value] = target
            else:
                late.append((value, target))
        outside = {value for value, _ in late} | self._crossing(steps)
        for root in sorted(outside - places.keys()):
            source = self.values[root]
            places[root] = contiguous_leaf(-1 - len(places), source.dtype, source.shape)
        self._join(places)
        copies = tuple((places[value], target) for value, target in late)
        return Schedule(steps, places, copies, self._known)

    def _join(self, places: dict[int, MemoryView]) -> None:
        """Let what a concat puts together be written where it belongs, instead of copied there."""
        joined: set[int] = set()
        for root in sorted(places, reverse=True):  # the outer one of two decides for the inner one
            value = self.values[root]
            if value.op != "concat":
                continue
            shapes = [self.values[a].shape for a in value.args]
            for part, region in zip(
                value.args, concat_regions(places[root], shapes, dict(value.attr)["axis"]),
                strict=True,
            ):  # fmt: skip
                own = places.get(part)
                if own is None or own.slot >= 0 or own.dtype != region.dtype or part in joined:
                    continue
                if self._strided(part):
                    places[part] = region
                    joined.add(part)

    def _strided(self, root: int) -> bool:
        """Whether what computes a root can write to memory of any layout."""
        value = self.values[root]
        if is_inline(value) or is_reduction(value):
            return True
        return OPS[value.op].kind in CALLS or value.op in ("transpose", "slice", "concat")

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
        reads: dict[int, list[tuple[int, int, MemoryView]]],
        gathered: set[int],
        wide: set[int],
    ) -> bool:
        source = self.values[value]
        store_step = self.step_of[value]
        step = steps[store_step]
        if source.shape != target.layout[0]:
            return False  # broadcast into the target by a copy
        if step.call and (source.dtype != target.dtype or not self._strided(value)):
            return False
        if source.dtype != target.dtype and value in wide:
            return False
        for number, index, leaf in reads.get(target.slot, ()):
            if number < store_step or not _may_overlap(leaf, target):
                continue
            exact = leaf.layout == target.layout and leaf.dtype == target.dtype
            if number > store_step or not exact or step.call or index in gathered:
                return False
            if self.values[index].shape != source.shape:
                return False
        return True


def _row(step: Step) -> Shape:
    """The shape of one value a row."""
    return tuple(1 if a in step.axes else n for a, n in enumerate(step.space))


def _may_overlap(a: MemoryView, b: MemoryView) -> bool:
    if a.dtype.itemsize != b.dtype.itemsize:
        return prod(a.layout[0]) > 0 and prod(b.layout[0]) > 0
    return layouts_overlap(a.layout, b.layout)


def schedule(graph: Graph) -> Schedule:
    """Cut a graph into steps."""
    return Scheduler(graph).run()
