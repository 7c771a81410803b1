"""Loop nests: from the steps of a schedule to kernels and what their arguments stand for."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from neonport.compiler.graph import Graph, MemoryView, Value
from neonport.compiler.kernel import (
    ANY,
    POSITIONS,
    UNIT,
    ZERO,
    Access,
    BoundKernel,
    Kernel,
    Node,
    Reduction,
    Store,
)
from neonport.compiler.reduction_phases import postponed
from neonport.compiler.schedule import Schedule, Step, is_reduction
from neonport.shape import Shape, broadcast_strides, contiguous_strides


class LoopNestBuilder:
    """Builds the kernel of one step."""

    def __init__(self, graph: Graph, plan: Schedule, step: Step) -> None:
        self.values = graph.values
        self.step = step
        self.space = step.space
        self.own = set(step.roots)
        self.roots = plan.roots
        self.places = plan.places
        self.folded = self._folded()
        # linear index forms over the space, collected first because they decide the loops
        self.forms: list[tuple[MemoryView | None, str, Shape, int]] = []
        self._form_index: dict[Any, int] = {}
        self.nodes: list[Node] = []
        self._node_index: dict[int, int] = {}
        self.scalars: list[int] = []
        self._scalar_index: dict[tuple[int, bool], int] = {}
        self.rands: list[int] = []
        self.reductions: list[Reduction] = []
        self.stores: list[tuple[int, int, bool]] = []
        self.ordered = False

    def build(self) -> BoundKernel:
        """Return the kernel."""
        for root in self.step.roots:
            node = self._node(root)
            if root in self.places:
                self._store(root, node)
        axes, order = self._loops()
        return self._freeze(axes, order)

    def _folded(self) -> list[bool]:
        """Axes over which element values vary within a row; without reductions, the innermost."""
        rank = range(len(self.space))
        if self.step.axes:
            return [a in self.step.axes for a in rank]
        leaf = next(self.places[r] for r in self.step.roots if r in self.places)
        inner = max(
            (a for a in rank if self.space[a] != 1),
            key=lambda a: (-abs(leaf.layout[1][a]), a),
            default=len(self.space) - 1,
        )
        return [a == inner for a in rank]

    # ---- nodes -------------------------------------------------------------------------------

    def _form(self, buffer: MemoryView | None, dtype: str, strides: Shape, offset: int) -> int:
        key = (buffer, dtype, strides, offset)
        found = self._form_index.get(key)
        if found is None:
            found = self._form_index[key] = len(self.forms)
            self.forms.append(key)
        return found

    def _leaf_form(self, leaf: MemoryView) -> int:
        shape, strides, offset = leaf.layout
        full = broadcast_strides(shape, strides, self.space)
        return self._form(leaf, leaf.dtype.name, full, offset)

    def _varies(self, form: int) -> bool:
        return self._varies_strides(self.forms[form][2])

    def _varies_strides(self, strides: Shape) -> bool:
        return any(
            s and f and n > 1 for s, f, n in zip(strides, self.folded, self.space, strict=True)
        )

    def _add(self, op: str, args: tuple[int, ...], dtype: str, attr: Any, row: bool) -> int:
        row = row and all(self.nodes[a].row for a in args)
        phase = max((self.nodes[a].phase for a in args), default=-1)
        self.nodes.append(Node(op, args, dtype, attr, row, phase))
        return len(self.nodes) - 1

    def _node(self, index: int) -> int:
        """Node of a value and all it needs; iterative, expressions may be deep."""
        stack = [index]
        while stack:
            top = stack[-1]
            if top in self._node_index:
                stack.pop()
                continue
            value = self.values[top]
            outside = top in self.roots and top not in self.own and value.op not in _LEAF_OPS
            needs = [] if outside or value.op == "take" else list(value.args)
            if value.op == "take":
                needs = [value.args[1]]
            missing = [a for a in needs if a not in self._node_index]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self._node_index[top] = self._read_root(top) if outside else self._make(value)
        return self._node_index[index]

    def _read_root(self, root: int) -> int:
        form = self._leaf_form(self.places[root])
        return self._add("load", (), self.values[root].dtype.name, form, not self._varies(form))

    def _make(self, value: Value) -> int:
        args = tuple(self._node_index[a] for a in value.args if a in self._node_index)
        dtype = value.dtype.name
        if value.op == "leaf":
            form = self._leaf_form(value.attr)
            return self._add("load", (), dtype, form, not self._varies(form))
        if value.op == "scalar":
            key = (value.attr, dtype == "int64")  # as an integer it is an argument of its own
            if key not in self._scalar_index:
                self._scalar_index[key] = len(self.scalars)
                self.scalars.append(value.attr)
            return self._add("scalar", (), dtype, self._scalar_index[key], True)
        if value.op == "iota":
            axis = len(self.space) - len(value.shape) + value.attr
            count = int(value.shape[value.attr] != 1)  # a repeated axis stays at coordinate 0
            strides = tuple(count * (a == axis) for a in range(len(self.space)))
            form = self._form(None, "index", strides, 0)
            return self._add("iota", (), dtype, form, not self._varies(form))
        if value.op == "rand":
            strides = broadcast_strides(value.shape, contiguous_strides(value.shape), self.space)
            form = self._form(None, "index", strides, 0)
            self.rands.append(value.attr)
            return self._add("rand", (), dtype, (form, len(self.rands) - 1), not self._varies(form))
        if value.op == "take":
            return self._gather(value)
        if is_reduction(value):
            return self._reduce(value, args[0])
        return self._add(value.op, args, dtype, None, True)

    def _gather(self, value: Value) -> int:
        source, index = value.args
        axis = dict(value.attr)["axis"]
        inside = self.values[source].op == "leaf"
        leaf: MemoryView = self.values[source].attr if inside else self.places[source]
        shape, strides, offset = leaf.layout
        rest = tuple(0 if a == axis else s for a, s in enumerate(strides))
        picked = (*shape[:axis], 1, *shape[axis + 1 :])
        form = self._form(
            leaf, leaf.dtype.name, broadcast_strides(picked, rest, self.space), offset
        )
        # the index runs along `axis` of the result, whatever shape the index tensor has
        place = self.nodes[self._node_index[index]]
        listed = self.values[index].op == "leaf"
        index_leaf: MemoryView = self.values[index].attr if listed else self.places[index]
        column = tuple(n if a == axis else 1 for a, n in enumerate(value.shape))
        flat = _flat_stride(index_leaf)
        along = tuple(flat if a == axis else 0 for a in range(len(value.shape)))
        index_form = self._form(
            index_leaf,
            index_leaf.dtype.name,
            broadcast_strides(column, along, self.space),
            index_leaf.layout[2],
        )
        where = self._add("load", (), place.dtype, index_form, not self._varies(index_form))
        attr = (form, strides[axis], shape[axis])
        return self._add("gather", (where,), value.dtype.name, attr, not self._varies(form))

    def _reduce(self, value: Value, source: int) -> int:
        phase = self.nodes[source].phase + 1
        attr = None
        if value.op in POSITIONS:
            self.ordered = True
            shape = self.values[value.args[0]].shape
            axes = value.attr
            inner = contiguous_strides(tuple(shape[a] for a in axes))
            strides = [0] * len(shape)
            for a, s in zip(axes, inner, strict=True):
                strides[a] = s
            attr = self._form(None, "index", tuple(strides), 0)
        self.nodes.append(Node("result", (), value.dtype.name, len(self.reductions), True, phase))
        result = len(self.nodes) - 1
        self.reductions.append(Reduction(value.op, source, result, phase, attr))
        return result

    def _store(self, root: int, node: int) -> None:
        leaf = self.places[root]
        form = self._leaf_form(leaf)
        row = bool(self.step.axes) and leaf.layout[0] != self.space
        self.stores.append((form, node, row))

    # ---- loops -------------------------------------------------------------------------------

    def _loops(self) -> tuple[list[bool], list[list[int]]]:
        """Loop axes, outermost first, each a list of merged space axes; and their fold flags."""
        axes = [a for a, n in enumerate(self.space) if n != 1]
        if not self.ordered:
            primary = self._primary()
            axes.sort(key=lambda a: -abs(primary[a]))
        if not self.reductions:
            groups = self._merge(axes) or [[]]
            return [i == len(groups) - 1 for i in range(len(groups))], groups
        kept = [a for a in axes if not self.folded[a]]
        fold = [a for a in axes if self.folded[a]]
        if fold and kept and self._inner_is_kept(kept[-1], fold[-1]):
            nest = [(kept[:-1], False), (fold, True), ([kept[-1]], False)]
        else:
            nest = [(kept, False), (fold, True)]
        flags: list[bool] = []
        order: list[list[int]] = []
        for members, flag in nest:
            groups = self._merge(members)
            if flag and not groups:
                groups = [[]]
            order.extend(groups)
            flags.extend([flag] * len(groups))
        return flags, order

    def _primary(self) -> Shape:
        """Strides of the access that should run in small steps: a store, else the largest load."""
        element = [f for f, _, row in self.stores if not row]
        if element:
            strides = self.forms[element[0]][2]
        else:
            loads = [f for f in self.forms if f[0] is not None]
            strides = max((f[2] for f in loads), key=lambda s: sum(map(bool, s)), default=())
        if not strides or any(n > 1 and s == 0 for n, s in zip(self.space, strides, strict=True)):
            return contiguous_strides(self.space)
        return strides

    def _inner_is_kept(self, kept: int, fold: int) -> bool:
        """Whether the innermost loop runs over a kept axis: what lies side by side in memory."""
        # accesses at row level are few: they do not count
        element = [f[2] for f in self.forms if f[0] is not None and self._varies_strides(f[2])]
        unit_kept = sum(1 for strides in element if abs(strides[kept]) == 1)
        unit_fold = sum(1 for strides in element if abs(strides[fold]) == 1)
        if unit_kept == unit_fold:
            return kept > fold
        return unit_kept > unit_fold

    def _merge(self, axes: list[int]) -> list[list[int]]:
        groups: list[list[int]] = []
        for axis in axes:
            if groups:
                last, n = groups[-1][-1], self.space[axis]
                if all(f[2][last] == f[2][axis] * n for f in self.forms):
                    groups[-1].append(axis)
                    continue
            groups.append([axis])
        return groups

    def _freeze(self, flags: list[bool], order: list[list[int]]) -> BoundKernel:
        sizes = tuple(prod(self.space[a] for a in group) for group in order)
        strides = tuple(
            tuple(form[2][group[-1]] if group else 0 for group in order) for form in self.forms
        )
        buffers: list[MemoryView] = []
        accesses = []
        for (buffer, dtype, _, _), steps in zip(self.forms, strides, strict=True):
            slot = -1
            if buffer is not None:
                key = MemoryView(buffer.slot, buffer.dtype, ((), (), 0))
                if key not in buffers:
                    buffers.append(key)
                slot = buffers.index(key)
            kinds = tuple(ZERO if s == 0 else UNIT if s == 1 else ANY for s in steps)
            accesses.append(Access(slot, dtype, kinds))
        last = max((r.phase for r in self.reductions), default=-1)
        element = [self.nodes[n].phase + 2 for _, n, row in self.stores if not row]
        phases = max([last + 1, 1, *element])
        if self._stores_what_a_variance_reads(phases - 1):
            phases += 1
        stores = tuple(Store(form, node, phases - 1, row) for form, node, row in self.stores)
        kernel = Kernel(
            tuple(flags),
            tuple(accesses),
            tuple(self.nodes),
            tuple(self.reductions),
            stores,
            phases,
            len(self.scalars),
            len(self.rands),
        )
        return BoundKernel(
            postponed(kernel),
            sizes,
            tuple(buffers),
            strides,
            tuple(f[3] for f in self.forms),
            tuple(self.scalars),
            tuple(self.rands),
            self._bytes(),
        )

    def _stores_what_a_variance_reads(self, phase: int) -> bool:
        """Whether a store would overwrite elements before the second look of a variance at them."""
        if not any(r.twice and r.phase == phase for r in self.reductions):
            return False
        stored = {self.forms[f][0] for f, _, row in self.stores if not row}
        slots = {leaf.slot for leaf in stored if leaf is not None}
        loads = [n.attr for n in self.nodes if n.op == "load"]
        loads += [n.attr[0] for n in self.nodes if n.op == "gather"]
        return any(
            leaf is not None and leaf.slot in slots for leaf in (self.forms[f][0] for f in loads)
        )

    def _bytes(self) -> int:
        loads = {n.attr for n in self.nodes if n.op == "load"}
        loads |= {n.attr[0] for n in self.nodes if n.op == "gather"}
        total = 0
        for form in (*loads, *(f for f, _, _ in self.stores)):
            _, dtype, strides, _ = self.forms[form]
            count = prod(n for n, s in zip(self.space, strides, strict=True) if s)
            total += count * np.dtype(dtype).itemsize
        return total


_LEAF_OPS = frozenset({"leaf", "scalar"})


def _flat_stride(leaf: MemoryView) -> int:
    """Element step along the one non-unit axis of an index list."""
    shape, strides, _ = leaf.layout
    return next((s for n, s in zip(shape, strides, strict=True) if n != 1), 0)
