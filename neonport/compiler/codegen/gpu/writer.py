"""Work-item text of a kernel, for OpenCL C and CUDA C.

* without reductions: a work-item has `width` neighbouring elements of the last axis, or, where
  operands are transposed, a work-group has a tile (`transposed_loads.py`);
* folding rows: a work-group has a row, its items take turns, their totals meet in local memory;
* folding columns (the last axis is kept): a work-item has `width` neighbouring columns.

All phases of a kernel are one entry, unless rows are few and long (`split`): then each phase is an
entry over (row, chunk), followed by one that combines the chunks in a fixed order. There are no
atomics: the same sizes on the same device give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from neonport.compiler.codegen.emitter import Emitter
from neonport.compiler.codegen.gpu.arguments import DeviceArguments
from neonport.compiler.codegen.gpu.dialects import DeviceDialect
from neonport.compiler.codegen.gpu.launch_shape import LaunchShape
from neonport.compiler.codegen.gpu.reductions import DeviceReductions
from neonport.compiler.codegen.gpu.transposed_loads import DeviceTransposedLoads
from neonport.compiler.codegen.gpu.values import DeviceValues
from neonport.compiler.codegen.gpu.variant import KernelVariant
from neonport.compiler.codegen.reductions import fold_of
from neonport.compiler.kernel import Kernel

BLOCK = 32  # elements (per item or column) that are added up before they join the total


class DeviceWriter:
    """Writes the text of one kernel in one variant.

    Attributes:
        k: the kernel.
        variant: how it is written.
        float64: whether its numbers are float64.
        args: order of its arguments.
        lines: of the text, once there is one.
    """

    def __init__(self, kernel: Kernel, dialect: DeviceDialect, variant: KernelVariant) -> None:
        self.k, self.variant = kernel, variant
        emitter = Emitter()
        self.lines, self.put = emitter.lines, emitter.put
        self.values = DeviceValues(kernel, dialect, variant, emitter)
        self.reductions = DeviceReductions(self.values)
        self.tiles = DeviceTransposedLoads(self.values)
        self.float64 = self.values.float64
        self.args = DeviceArguments(kernel, variant.split)

    def source(self) -> str:
        """The whole program."""
        wide = self.variant.wide
        index = f"typedef {'neo_i64' if wide else 'int'} neo_int;"
        float64 = self.float64 or any(a.dtype == "float64" for a in self.k.accesses)
        header = self.values.d.header(
            self.variant.width,
            float64,
            self.k.rands > 0,
            self.tiles.in_blocks,
            self.values.integers(),
        )
        self.lines[:] = [header, index, *self.tiles.definitions()]
        if not self.variant.split:
            self._whole()
        for phase in range(self.k.phases) if self.variant.split else ():
            self._phase_entry(phase)
            if self._combines(phase):
                self._combine_entry(phase)
        return "\n".join(self.lines) + "\n"

    def launches(self, launch: LaunchShape) -> list[tuple[str, int, int]]:
        """(entry, work-groups, items a group) in the order in which they run."""
        variant = self.variant
        by_row = bool(self.k.reductions) and not self.k.column

        def groups(items: int, elements: int) -> tuple[int, int]:
            if variant.free:
                return launch.groups(items, elements)
            if by_row:
                return items, variant.group
            return -(-items // variant.map_group), variant.map_group

        if variant.tile_side:
            return [("neo_main", launch.rows * launch.vectors, variant.group)]
        shape = groups(
            launch.rows * launch.chunks * (1 if by_row else launch.vectors), launch.elements
        )
        if not variant.split:
            return [("neo_main", *shape)]
        found = []
        for phase in range(self.k.phases):
            found.append((f"neo_phase{phase}", *shape))
            if self._combines(phase):
                joined = groups(launch.rows * launch.columns, launch.scratch)
                found.append((f"neo_combine{phase}", *joined))
        return found

    def _combines(self, phase: int) -> bool:
        last = phase == self.k.phases - 1
        return bool(self.reductions.of_phase(phase)) or (last and any(s.row for s in self.k.stores))

    # ---- entries -----------------------------------------------------------------------------

    def _open(self, name: str, group: int, memory: bool = False) -> None:
        words = [
            f"GLOBAL {self.values.d.types[dtype]} *b{i}"
            for i, dtype in enumerate(self._buffer_types())
        ]
        if self.variant.split:
            words.append(f"GLOBAL {self.values.type(self.values.real)} *scratch")
        words += [f"const neo_int {self.args.name(e)}" for e in self.args.integers]
        real = self.values.type(self.values.real)
        kinds = [self.values.type("int64") if w else real for w in self.k.whole_scalars]
        numbers = [(kind, f"c{i}") for i, kind in enumerate(kinds)]
        numbers += [("neo_word", f"{w}{i}") for i in range(self.k.rands) for w in ("key", "off")]
        if self.variant.boxed:
            words += ["GLOBAL const neo_word *box", "const int box_at"]
        else:
            words += [f"const {kind} {word}" for kind, word in numbers]
        how = "NEO_ALONE" if self.variant.free else f"NEO_GROUP({group})"
        self.put(f"KERNEL {how} void {name}({', '.join(words)}) {{")
        for i, (kind, word) in enumerate(numbers if self.variant.boxed else ()):
            self.put(f"const {kind} {word} = *(GLOBAL const {kind} *)(box + box_at + {i});")
        if memory:
            self.reductions.tree_memory()

    def _buffer_types(self) -> list[str]:
        found = {a.buffer: a.dtype for a in self.k.accesses if a.buffer >= 0}
        return [found[i] for i in range(len(found))]

    def _whole(self) -> None:
        if self.k.reductions and not self.k.column:
            self._open("neo_main", self.variant.group, memory=True)
            self._row_of()
            self._row_item("")
            self.values.scalars()
            self.values.row_nodes(-1)
            self.values.declare_kept()
            for phase in range(self.k.phases):
                self._row_phase(phase)
                self.reductions.tree(phase)
                self._results(phase, "u", 1)
                self.values.row_nodes(phase)
            self._row_stores(guarded=True)
            self.put("}")
            return
        if self.variant.tile_side:
            self._open("neo_main", self.variant.group)
            self.values.scalars()
            self.tiles.tile(self.values.coordinates, lambda: self.values.row_nodes(-1), self._map)
            self.put("}")
            return
        self._open("neo_main", self.variant.map_group)
        self._items("rows * items", chunked=False)
        self.values.scalars()
        self._both(self._columns if self.k.column else self._map)
        self.put("}")

    def _phase_entry(self, phase: int) -> None:
        by_row = not self.k.column
        self._open(
            f"neo_phase{phase}",
            self.variant.group if by_row else self.variant.map_group,
            memory=by_row,
        )
        if by_row:
            self._row_of("rows * nch", "const neo_int row = {0} / nch, ch = {0} % nch;")
            self._row_item("split")
            self.values.scalars()
            self._earlier(phase, 1)
            self._row_phase(phase)
            self.reductions.tree(phase)
            if self.reductions.of_phase(phase):
                self.put("if (lid == 0) {")
                self.reductions.save_partials(phase, "u", 1)
                self.put("}")
        else:
            self._items("rows * nch * items", chunked=True)
            self.values.scalars()

            def body() -> None:
                self._earlier(phase, self.values.vector)
                self._column_phase(phase)
                self.reductions.save_partials(phase, "u", self.values.vector)

            self._both(body)
        self.put("}")

    def _combine_entry(self, phase: int) -> None:
        by_row = not self.k.column
        last = phase == self.k.phases - 1
        self.values.width = 1
        self._open(
            f"neo_combine{phase}",
            self.variant.group if by_row else self.variant.map_group,
            memory=by_row,
        )
        if by_row:
            self._row_of()
        else:
            self.put("const neo_int t = GLOBAL_ID;")
            self.put(f"if (t >= rows * n{self.values.last}) return;")
            self.put(f"const neo_int row = t / n{self.values.last}, j = t % n{self.values.last};")
        self.values.coordinates()
        self.values.scalars()
        self._earlier(phase, 1)
        for number, red in self.reductions.of_phase(phase):
            self.reductions.declare(number, red, "u", 1)
        first, step = ("lid", self.variant.group) if by_row else ("0", 1)
        if self.reductions.of_phase(phase):
            self.put(f"for (neo_int g = {first}; g < nch; g += {step}) {{")
            self.reductions.merge_partials(phase)
            self.put("}")
        if by_row:
            self.reductions.tree(phase)
        self._results(phase, "u", 1)
        if last:
            self.values.row_nodes(phase)
            self._row_stores(guarded=by_row)
        else:
            if by_row:
                self.put("if (lid == 0) {")
            for number, red in self.reductions.of_phase(phase):
                self.reductions.save_result(number, red)
            if by_row:
                self.put("}")
        self.put("}")

    # ---- who does what -----------------------------------------------------------------------

    def _row_of(self, total: str = "rows", place: str = "const neo_int row = {0};") -> None:
        """Row of a group (or of an item that works alone)."""
        if self.variant.free:
            self.put("const neo_int t = GLOBAL_ID;")
            self.put(f"if (t >= {total}) return;")
        self.put(place.format("t" if self.variant.free else "GROUP_ID"))
        self.put(f"const int lid = {'0' if self.variant.free else 'LOCAL_ID'};")

    def _row_item(self, split: str) -> None:
        """Part of a row (or chunk) that an item has."""
        first = self.values.fold[0]
        if split:
            self.put("const neo_int lo = ch * chunk;")
            self.put(f"const neo_int hi = lo + chunk < n{first} ? lo + chunk : n{first};")
        else:
            self.put(f"const neo_int lo = 0, hi = n{first};")
        self.values.coordinates()

    def _items(self, total: str, chunked: bool) -> None:
        """Row and elements of the last axis that an item has."""
        self.put("const neo_int t = GLOBAL_ID;")
        self.put(f"if (t >= {total}) return;")
        if not self.values.outer and not chunked:
            self.put("const neo_int v = t, row = 0;")
        else:
            self.put("const neo_int v = t % items, q = t / items;")
            row = "ch = q % nch, row = q / nch" if chunked else "row = q"
            self.put(f"const neo_int {row};")
        if self.k.column:
            first = self.values.fold[0]
            if chunked:
                self.put("const neo_int lo = ch * chunk;")
                self.put(f"const neo_int hi = lo + chunk < n{first} ? lo + chunk : n{first};")
            else:
                self.put(f"const neo_int lo = 0, hi = n{first};")
        self.values.coordinates()

    def _both(self, body: Callable[[], None]) -> None:
        """The body for whole vectors, and for the single elements that are left over."""
        width, name = self.variant.width, "j" if self.k.column else f"r{self.values.last}"
        whole = f"n{self.values.last} / {width}"
        if self.variant.tail:
            self.put(f"if (v < {whole}) {{")
        self.values.width = width
        self.put(
            f"const neo_int {name} = v * {width};" if width > 1 else f"const neo_int {name} = v;"
        )
        body()
        if self.variant.tail:
            self.put("} else {")
            self.values.width = 1
            self.put(f"const neo_int {name} = v + {whole} * {width - 1};")
            body()
            self.put("}")

    # ---- bodies ------------------------------------------------------------------------------

    def _map(self) -> None:
        stores = [(s.access, s.source) for s in self.k.stores]
        level = (
            False if self.tiles.accesses else None
        )  # in a tile, what is the same for a row comes first
        self._elements(self.values.cone([n for _, n in stores], level), stores, lambda: None)

    def _elements(
        self, nodes: list[int], stores: list[tuple[int, int]], reduce: Callable[[], None]
    ) -> None:
        """Values of the elements at hand, what is folded and what is stored of them."""
        targets = [access for access, _ in stores]
        self.values.open_lanes(nodes, targets)
        self.values.emit(nodes)
        reduce()
        for access, node in stores:
            self.values.store(access, node, self.values.position(access))
        self.values.close_lanes(targets)

    def _columns(self) -> None:
        self.values.row_nodes(-1)
        self.values.declare_kept()
        for phase in range(self.k.phases):
            self._column_phase(phase)
            self._results(phase, "u", self.values.vector)
            self.values.row_nodes(phase)
        self._row_stores(guarded=False)

    def _work(self, phase: int) -> tuple[list[int], list[tuple[int, int]]]:
        stores = [(s.access, s.source) for s in self.k.stores if s.phase == phase and not s.row]
        sources = [r.source for _, r in self.reductions.of_phase(phase)] + [n for _, n in stores]
        return sources, stores

    def _column_phase(self, phase: int) -> None:
        """One phase: loops over the folded axes, for the columns of an item."""
        sources, stores = self._work(phase)
        if not sources:
            return
        width = self.values.vector
        for number, red in self.reductions.of_phase(phase):
            self.reductions.declare(number, red, "u", width)
        last = self.values.fold[-1]
        for axis in self.values.fold[:-1]:
            low, high = ("lo", "hi") if axis == self.values.fold[0] else ("0", f"n{axis}")
            self.put(f"for (neo_int r{axis} = {low}; r{axis} < {high}; ++r{axis}) {{")
        low, high = ("lo", "hi") if last == self.values.fold[0] else ("0", f"n{last}")
        blocked = self.reductions.is_blocked(phase)
        if blocked:
            self.put(f"for (neo_int e0 = {low}; e0 < {high}; e0 += {BLOCK}) {{")
            self.put(f"const neo_int e1 = e0 + {BLOCK} < {high} ? e0 + {BLOCK} : {high};")
            low, high = "e0", "e1"
            self.reductions.open_block(phase, "u", width)
        self.put(f"for (neo_int r{last} = {low}; r{last} < {high}; ++r{last}) {{")
        self._folded(phase, sources, stores, "u", width)
        self.put("}")
        if blocked:
            self.reductions.flush(phase, "u", width)
            self.put("}")
        for _ in self.values.fold[:-1]:
            self.put("}")
        self.values.have.update(self.values.keeps.intersection(self.values.cone(sources, False)))

    def _folded(
        self,
        phase: int,
        sources: list[int],
        stores: list[tuple[int, int]],
        prefix: str,
        width: int,
    ) -> None:
        def reduce() -> None:
            for number, red in self.reductions.of_phase(phase):
                self.reductions.accumulate(number, red, prefix, width)

        self._elements(self.values.cone(sources, False), stores, reduce)

    def _row_phase(self, phase: int) -> None:
        """One phase of a group over its row (or chunk)."""
        sources, stores = self._work(phase)
        self.values.width = 1
        for number, red in self.reductions.of_phase(phase):
            self.reductions.declare(number, red, "u", 1)
        if not sources:
            return
        width = self.variant.width
        if width > 1 and self.values.d.vectors and self.reductions.of_phase(phase):
            self.put("{")
            for number, red in self.reductions.of_phase(phase):
                self.reductions.declare(number, red, "w", width)
            self._row_part(phase, sources, stores, "w", width, False)
            self.reductions.merge_lanes(phase, width)
            self.put("}")
        else:
            self._row_part(phase, sources, stores, "u", width, False)
        if self.variant.tail:
            self._row_part(phase, sources, stores, "u", 1, True)
        self.values.have.update(self.values.keeps.intersection(self.values.cone(sources, False)))
        self.values.width = 1

    def _row_part(
        self,
        phase: int,
        sources: list[int],
        stores: list[tuple[int, int]],
        prefix: str,
        width: int,
        tail: bool,
    ) -> None:
        """Items take turns over the whole vectors of the row, or over what these leave over."""
        self.values.width = width
        group, last = self.variant.group, self.values.fold[-1]
        single = len(self.values.fold) == 1
        length = "(hi - lo)" if single else f"n{last}"
        lines = [] if single else [*(f"n{a}" for a in self.values.fold[1:-1]), "(hi - lo)"]
        self.put("{")
        inner, start = self.values.share(stores, length, tail)
        self.put(f"const neo_int inner = {inner};")
        self.put(f"const neo_int total = {' * '.join(['inner', *lines])};")
        blocked = self.reductions.is_blocked(phase)
        low, high = "lid", "total"
        if blocked:
            self.put(f"for (neo_int e0 = lid; e0 < total; e0 += {BLOCK * group}) {{")
            reach = f"e0 + {BLOCK * group}"
            self.put(f"const neo_int e1 = {reach} < total ? {reach} : total;")
            low, high = "e0", "e1"
            self.reductions.open_block(phase, prefix, self.values.vector)
        one = partial(self._row_element, phase, sources, stores, prefix, start)
        if blocked and self.reductions.take_turns(phase, sources, stores):
            self._in_turns(phase, prefix, one, group)
        else:
            self.put(f"for (neo_int e = {low}; e < {high}; e += {group}) {{")
            one("e")
            self.put("}")
        if blocked:
            self.reductions.flush(phase, prefix, self.values.vector)
            self.put("}")
        self.put("}")

    def _in_turns(self, phase: int, prefix: str, one: Callable[[str], None], group: int) -> None:
        """Add up a block in two partials, which meet at its end."""
        self.reductions.other = "b"
        self.reductions.open_block(phase, prefix, self.values.vector)
        self.put("neo_int e = e0;")
        self.put(f"for (; e + {group} < e1; e += {2 * group}) {{")
        for self.reductions.other, place in (("", "e"), ("b", f"(e + {group})")):
            self.put("{")
            one(place)
            self.put("}")
        self.reductions.other = ""
        self.put("}")
        self.put("if (e < e1) {")
        one("e")
        self.put("}")
        for number, red in self.reductions.of_phase(phase):
            self.put(fold_of(red).combine(f"x{number}", f"x{number}b"))

    def _row_element(
        self,
        phase: int,
        sources: list[int],
        stores: list[tuple[int, int]],
        prefix: str,
        start: str,
        place: str,
    ) -> None:
        """Text for one element (or vector) of a row."""
        last = self.values.fold[-1]
        scale = f" * {self.values.width}" if self.values.width > 1 else ""
        if len(self.values.fold) == 1:
            self.put(f"const neo_int r{last} = lo + {start}{place}{scale};")
        else:
            self.put(f"const neo_int r{last} = {start}{place} % inner{scale};")
            self.put(f"neo_int others = {place} / inner;")
            for axis in reversed(self.values.fold[1:-1]):
                self.put(f"const neo_int r{axis} = others % n{axis}; others /= n{axis};")
            self.put(f"const neo_int r{self.values.fold[0]} = lo + others;")
        self._folded(phase, sources, stores, prefix, self.values.vector)

    # ---- rows --------------------------------------------------------------------------------

    def _results(self, phase: int, prefix: str, width: int) -> None:
        for number, red in self.reductions.of_phase(phase):
            kind = self.values.type(self.values.dtype(red.result), width)
            self.put(
                f"const {kind} v{red.result} = {self.reductions.final(number, red, prefix, width)};"
            )

    def _earlier(self, phase: int, width: int) -> None:
        """Row values known before a phase; results come from scratch."""
        for number, red in enumerate(self.k.reductions):
            if red.phase < phase:
                kind = self.values.type(self.values.dtype(red.result), width)
                text = self.reductions.load_result(number, red, width)
                self.put(f"const {kind} v{red.result} = {text};")
        for p in range(-1, phase):
            self.values.row_nodes(p)

    def _row_stores(self, guarded: bool) -> None:
        stores = [s for s in self.k.stores if s.row]
        if not stores:
            return
        if guarded:
            self.put("if (lid == 0) {")
        for store in stores:
            self.values.store(store.access, store.source, self.values.position(store.access, True))
        if guarded:
            self.put("}")
