"""C text of a kernel: loops for compiled host code, vectorised by the compiler.

A *task* is one combination of the outer axes and one chunk of the first folded axis. Entry points
have the form `void name(const neo_word *a, neo_i64 begin, neo_i64 end)` and run a range of tasks.

`local`: one entry runs all phases of a row before the next row, so that a row stays in cache.
`split`: rows are few and long. Each phase is an entry of its own over (row, chunk) tasks that
leaves partial results, and a second entry combines them in a fixed order: the result does not
depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

from neonport.compiler.codegen.cpu.buffers import HostBuffers, HostVariant
from neonport.compiler.codegen.cpu.prefetch import HostPrefetch
from neonport.compiler.codegen.cpu.reductions import HostReductions, moments_of
from neonport.compiler.codegen.cpu.transposed_loads import HostTransposedLoads
from neonport.compiler.codegen.cpu.values import COLUMNS, HostValues
from neonport.compiler.codegen.dialect import SUFFIX, Dialect, converted
from neonport.compiler.codegen.emitter import Emitter
from neonport.compiler.codegen.reductions import fold_of
from neonport.compiler.codegen.reuse import transposed
from neonport.compiler.kernel import Kernel, Reduction

BLOCK = 1024  # elements whose partial sum is kept in the compute dtype
LANES = 32  # partial results of a block, two of the widest registers; the prelude joins as many
BUFFERED = 256  # elements that go through a buffer in one go
ROWS = 32  # folded positions whose partial sum is kept in the compute dtype, per column


class HostWriter:
    """Writes the C of a variant of one kernel, once."""

    def __init__(self, kernel: Kernel, dialect: Dialect, variant: HostVariant) -> None:
        self.k = kernel
        self.dialect = dialect
        emitter = Emitter()
        self.lines, self.put = emitter.lines, emitter.put
        self.values = HostValues(self.k, self.dialect, emitter)
        self.buffers = HostBuffers(self.values, variant)
        self.tiles = (
            HostTransposedLoads(self.values) if variant.tiles and transposed(self.k) else None
        )
        self.prefetch = HostPrefetch(self.values)
        self.reductions = HostReductions(self.values)
        self.split = variant.split

    def source(self) -> str:
        """The translation unit."""
        self.put(self.dialect.prelude)
        if not self.split:
            self._local()
        else:
            for phase in range(self.k.phases):
                self._phase_entry(phase)
                if self.reductions.of_phase(phase) or phase == self.k.phases - 1:
                    self._combine_entry(phase)
        return "\n".join(self.lines) + "\n"

    def entries(self) -> list[tuple[str, bool]]:
        """(name, parallel) of the entry points of the text, in the order in which they run."""
        if not self.split:
            return [("neo_main", True)]
        names: list[tuple[str, bool]] = []
        for phase in range(self.k.phases):
            names.append((f"neo_phase{phase}", True))
            if self.reductions.of_phase(phase) or phase == self.k.phases - 1:
                names.append((f"neo_combine{phase}", False))
        return names

    # ---- entries -----------------------------------------------------------------------------

    def _local(self) -> None:
        self._open("neo_main")
        self._task()
        self.buffers.declare_kept()
        self._row_prologue(-1)
        for phase in range(self.k.phases):
            self._phase(phase)
            self.reductions.finish(phase)
            self.values.row_nodes(phase)
        self._row_stores()
        self._close()

    def _phase_entry(self, phase: int) -> None:
        self._open(f"neo_phase{phase}")
        self._task()
        self._row_prologue(phase - 1)
        self._phase(phase)
        self.reductions.save_partials(phase)
        self._close()

    def _combine_entry(self, phase: int) -> None:
        self._open(f"neo_combine{phase}")
        self.put("for (neo_i64 row = begin; row < end; ++row) {")
        self.values.coordinates("row")
        if self.k.column:
            self.put(f"for (neo_i64 j0 = 0; j0 < n{self.values.inner}; j0 += {COLUMNS}) {{")
            self.put(f"const neo_i64 w = neo_lesser(n{self.values.inner} - j0, {COLUMNS});")
        if phase < self.k.phases - 1 or not any(s.row for s in self.k.stores):
            self.reductions.merge_partials(phase)
        else:
            self._row_prologue(phase - 1)
            self.reductions.merge_partials(phase)
            self.values.row_nodes(phase)
            self._row_stores()
        if self.k.column:
            self.put("}")
        self._close()

    def _open(self, name: str) -> None:
        self.put(f"void {name}(const neo_word *a, neo_i64 begin, neo_i64 end) {{")
        a = self.values.args
        for axis in range(len(self.k.axes)):
            self.put(f"const neo_i64 n{axis} = (neo_i64)a[{axis}];")
        self.put(f"const neo_i64 nch = (neo_i64)a[{a.chunks}], chunk = (neo_i64)a[{a.chunks + 1}];")
        self.put(f"double *const scratch = (double *)a[{a.chunks + 2}];")
        self.put("(void)nch; (void)chunk; (void)scratch;")
        for i, access in enumerate(self.k.accesses):
            if access.buffer >= 0:
                kind = self.values.type(access.dtype)
                self.put(f"{kind} *const b{i} = ({kind} *)a[{a.address(i)}];")
        for i, axis in a.strides:
            self.put(f"const neo_i64 s{i}_{axis} = (neo_i64)a[{a.stride(i, axis)}];")
        for slot in range(self.k.scalars):
            word = f"a[{a.scalars + slot}]"
            if self.k.whole_scalars[slot]:
                self.put(f"const neo_i64 c{slot} = (neo_i64){word};")
            else:
                self.put(f"const double c{slot} = neo_double({word});")
        for slot in range(self.k.rands):
            at = a.rands + 2 * slot
            self.put(f"const neo_word key{slot} = a[{at}], off{slot} = a[{at + 1}];")
        self.prefetch.declare()

    def _close(self) -> None:
        for _ in range(3 if self.tiles else 1):
            self.put("}")
        if self.buffers.streams:
            self.put("NEO_STREAMED();")
        self.put("}")

    def _task(self) -> None:
        if self.tiles:
            self.tiles.open_tiles()
            return
        self.put("for (neo_i64 t = begin; t < end; ++t) {")
        if self.k.column:
            self.put(f"const neo_i64 blocks = (n{self.values.inner} + {COLUMNS - 1}) / {COLUMNS};")
            self.put("neo_i64 q = t / nch;")
            self.put("const neo_i64 ch = t % nch, row = q / blocks;")
            self.put(f"const neo_i64 j0 = (q % blocks) * {COLUMNS};")
            self.put(f"const neo_i64 w = neo_lesser(n{self.values.inner} - j0, {COLUMNS});")
        else:
            self.put("const neo_i64 ch = t % nch, row = t / nch;")
        first = self.values.fold[0]
        self.put(f"const neo_i64 lo = ch * chunk, hi = neo_lesser(lo + chunk, n{first});")
        self.values.coordinates("row")

    def _row_prologue(self, phase: int) -> None:
        """Row values known after `phase`; results of earlier phases come from scratch."""
        for i, node in enumerate(self.k.nodes):
            if node.op == "scalar":
                kind = self.values.type(node.dtype)
                self.put(f"const {kind} v{i} = ({kind})c{node.attr}; (void)v{i};")
        if self.split:
            for number, red in enumerate(self.k.reductions):
                if red.phase <= phase:
                    self.reductions.load_result(number, red)
        for p in range(-1, phase + 1):
            self.values.row_nodes(p)

    # ---- phases ------------------------------------------------------------------------------

    def _phase(self, phase: int) -> None:
        """One phase: loops over the folded axes."""
        reductions = self.reductions.of_phase(phase)
        stores = [s for s in self.k.stores if s.phase == phase and not s.row]
        if not reductions and not stores:
            return
        for number, red in reductions:
            self.reductions.declare(number, red)
        for axis in self.values.fold[:-1]:
            bounds = ("lo", "hi") if axis == self.values.fold[0] else ("0", f"n{axis}")
            self.put(f"for (neo_i64 r{axis} = {bounds[0]}; r{axis} < {bounds[1]}; ++r{axis}) {{")
        last = self.values.fold[-1]
        bounds = ("lo", "hi") if last == self.values.fold[0] else ("0", f"n{last}")
        step = ROWS if self.k.column else BLOCK if reductions else BUFFERED
        sources = [r.source for _, r in reductions] + [s.source for s in stores]
        streamed = [s.access for s in stores if s.access in self.buffers.streams]
        buffered = bool(streamed or self.buffers.drawn(sources))
        blocked = bool(reductions) or (buffered and not self.k.column)
        if blocked:
            self.put(f"for (neo_i64 e0 = {bounds[0]}, e1; e0 < {bounds[1]}; e0 = e1) {{")
            length = str(step)
            if not reductions and streamed:  # where a sum is cut must not depend on addresses
                length += f" - {self.buffers.past_line(streamed[0])}"
            self.put(f"e1 = neo_lesser(e0 + {length}, {bounds[1]});")
            bounds = ("e0", "e1")
        self._block(bounds, reductions, [(s.access, s.source) for s in stores])
        for _ in range(len(self.values.fold) - 1 + blocked):
            self.put("}")

    def _block(
        self,
        bounds: tuple[str, str],
        reductions: list[tuple[int, Reduction]],
        stores: list[tuple[int, int]],
    ) -> None:
        """The innermost loops over a block, and the merging of its partial results."""
        clauses = []
        for number, red in reductions:
            clauses += self.reductions.open_block(number, red)
        sources = [r.source for _, r in reductions] + [n for _, n in stores]
        streamed = [access for access, _ in stores if access in self.buffers.streams]
        for access in streamed:
            self.buffers.declare_streamed(access, COLUMNS if self.k.column else BLOCK)
        self.buffers.draw(sources, bounds)

        second = [(n, r) for n, r in reductions if r.twice]
        if second:
            self._origins(bounds, second)

        def values() -> None:
            self.buffers.elements(sources)
            for number, red in reductions:
                self.reductions.step(number, red)
            for access, node in stores:
                target = self.k.accesses[access].dtype
                text = converted(
                    self.values.d, self.values.name(node), self.k.nodes[node].dtype, target
                )
                self.put(f"{self.buffers.stored(access, bounds[0])} = {text};")

        self._loop(bounds, reductions, clauses, values, sources, streamed)
        if not self.k.column:
            for access in streamed:
                self.buffers.stream_block(access, bounds)
        if second:
            self._squares(bounds, second)
        for number, red in reductions:
            self.reductions.close_block(number, red, bounds)

    def _origins(self, bounds: tuple[str, str], second: list[tuple[int, Reduction]]) -> None:
        """The first element of the block, for reductions of differences to it."""
        have = set(self.buffers.have)
        self.put("{")
        self.put(f"const neo_i64 r{self.values.fold[-1]} = {bounds[0]};")
        if self.k.column:
            self.put("for (neo_i64 j = 0; j < w; ++j) {")
        self.buffers.elements([r.source for _, r in second])
        for number, red in second:
            self.put(f"o{number}{self.values.at} = {self.values.name(red.source)};")
        for _ in range(2 if self.k.column else 1):
            self.put("}")
        self.buffers.have = have

    def _squares(self, bounds: tuple[str, str], second: list[tuple[int, Reduction]]) -> None:
        """Sums of squares around the means of the block."""
        sources = [r.source for _, r in second]

        def values() -> None:
            self.buffers.elements(sources)
            for number, red in second:
                self.reductions.step_square(number, red)

        for number, red in second:
            self.values.put_all(moments_of(red).host_centre(self.reductions.block_of(number, red)))
        clauses = [f"reduction(+:q{n})" for n, _ in second]
        self._loop(bounds, second, clauses, values, sources, [], "q")

    def _loop(
        self,
        bounds: tuple[str, str],
        reductions: list[tuple[int, Reduction]],
        clauses: list[str],
        values: Callable[[], None],
        sources: list[int],
        streamed: list[int],
        total: str = "x",
    ) -> None:
        """The loop over a block, around what `values` writes."""
        last = self.values.fold[-1]
        each = f"for (neo_i64 r{last} = {bounds[0]}; r{last} < {bounds[1]}; ++r{last}) {{"
        if self.k.column:
            self.put(each)
            self.put("NEO_SIMD()")
            self.put("for (neo_i64 j = 0; j < w; ++j) {")
            values()
            self.put("}")
            for access in streamed:
                self.buffers.stream_columns(access)
            self.prefetch.fetch(sources)
            self.put("}")
            return
        if self.reductions.in_lanes(reductions, sources):
            self._lanes(bounds, reductions, values, sources, total)
            return
        # the position of the best element is carried from one iteration to the next
        if all(fold_of(r).lanes for _, r in reductions):
            self.put(f"NEO_SIMD({' '.join(clauses)})")
        self.put(each)
        values()
        self.put("}")

    def _lanes(
        self,
        bounds: tuple[str, str],
        reductions: list[tuple[int, Reduction]],
        values: Callable[[], None],
        sources: list[int],
        total: str,
    ) -> None:
        """Partial results in several registers: no operation need wait for the one before it."""
        last = self.values.fold[-1]
        each = f"const neo_i64 r{last} = g + lane;"
        self.put("{")
        for number, red in reductions:
            kind, start = fold_of(red).host_start(self.reductions.block_of(number, red))
            name = f"{total}{number}_lane"
            self.put(f"{kind} {name}[{LANES}] NEO_ALIGNED;")
            self.put(f"for (int lane = 0; lane < {LANES}; ++lane) {name}[lane] = {start};")
        self.put(f"neo_i64 g = {bounds[0]};")
        self.put(f"for (; g + {LANES} <= {bounds[1]}; g += {LANES}) {{")
        self.reductions.lane = "_lane[lane]"
        self.put("NEO_SIMD()")
        self.put(f"for (int lane = 0; lane < {LANES}; ++lane) {{")
        self.put(each)
        have = set(self.buffers.have)
        values()
        self.put("}")
        self.put("}")
        # What is left of the row. Where loads can be masked it takes all lanes, without a branch.
        left = f"NEO_MASKED({LANES}, left)" if self.reductions.maskable(sources) else "left"
        self.put(f"const int left = (int)({bounds[1]} - g);")
        self.put("NEO_SIMD()")
        self.put(f"for (int lane = 0; lane < {left}; ++lane) {{")
        for number, red in reductions:
            kind, start = fold_of(red).host_start(self.reductions.block_of(number, red))
            self.put(f"{kind} y{number} = {start};")
        self.put("if (lane < left) {")
        self.put(each)
        self.buffers.have = have
        self.reductions.apart = True
        values()
        self.reductions.apart = False
        self.put("}")
        for number, red in reductions:
            self.put(fold_of(red).combine(f"{total}{number}_lane[lane]", f"y{number}"))
        self.put("}")
        self.reductions.lane = ""
        for number, red in reductions:
            join = f"neo_{fold_of(red).lanes}_{SUFFIX[self.reductions.source_type(red)]}"
            self.put(f"{total}{number} = {join}({total}{number}_lane);")
        self.put("}")

    def _row_stores(self) -> None:
        for store in self.k.stores:
            if store.row:
                target = self.k.accesses[store.access].dtype
                name = self.values.name(store.source)
                text = converted(self.values.d, name, self.k.nodes[store.source].dtype, target)
                self.values.each(
                    f"p{store.access}[{self.values.position(store.access, True)}] = {text};"
                )
