"""C text of a kernel: loops for compiled host code, vectorised by the compiler.

A *task* is one combination of the outer axes and one chunk of the first folded axis. Entry points
have the form `void name(const neo_word *a, neo_i64 begin, neo_i64 end)` and run a range of tasks.

`local`: one entry runs all phases of a row before the next row, so that a row stays in cache.
`split`: rows are few and long. Each phase is an entry of its own over (row, chunk) tasks that leaves
partial results, and a second entry combines them in a fixed order: the result does not depend on
the number of threads.
"""

from __future__ import annotations

from neonport.kernel import UNIT, ZERO, Kernel, Node, Reduction
from neonport.render import PARTIALS, Arguments, Dialect, converted, expression, loaded

BLOCK = 1024  # elements whose partial sum is kept in the compute dtype
COLUMNS = 128  # columns handled together when the innermost axis is kept
ROWS = 32  # folded positions whose partial sum is kept in the compute dtype, per column


class HostWriter:
    """Writes the C of one kernel."""

    def __init__(self, kernel: Kernel, dialect: Dialect) -> None:
        self.k = kernel
        self.d = dialect
        self.args = Arguments(kernel)
        self.lines: list[str] = []
        self.depth = 0
        self.fold = [i for i, f in enumerate(kernel.axes) if f]
        self.inner = len(kernel.axes) - 1
        self.outer = [
            i for i, f in enumerate(kernel.axes) if not f and not (kernel.column and i == self.inner)
        ]
        self.split = False

    # ---- text --------------------------------------------------------------------------------

    def put(self, line: str) -> None:
        """Append a line; braces move the indentation."""
        if line.startswith("}"):
            self.depth -= 1
        self.lines.append("  " * self.depth + line)
        if line.endswith("{"):
            self.depth += 1

    def type(self, dtype: str) -> str:
        """C type of a compute dtype."""
        return self.d.types[dtype]

    def source(self, split: bool) -> str:
        """The translation unit."""
        self.split = split
        self.lines = [self.d.prelude]
        if not split:
            self._local()
        else:
            for phase in range(self.k.phases):
                self._phase_entry(phase)
                if self._reductions(phase) or phase == self.k.phases - 1:
                    self._combine_entry(phase)
        return "\n".join(self.lines) + "\n"

    def entries(self, split: bool) -> list[tuple[str, bool]]:
        """(name, parallel) of the entry points in the order in which they run."""
        if not split:
            return [("neo_main", True)]
        names: list[tuple[str, bool]] = []
        for phase in range(self.k.phases):
            names.append((f"neo_phase{phase}", True))
            if self._reductions(phase) or phase == self.k.phases - 1:
                names.append((f"neo_combine{phase}", False))
        return names

    # ---- entries -----------------------------------------------------------------------------

    def _local(self) -> None:
        self._open("neo_main")
        self._task()
        self._row_prologue(-1)
        for phase in range(self.k.phases):
            self._phase(phase)
            self._finish(phase)
            self._row_nodes(phase)
        self._row_stores()
        self._close()

    def _phase_entry(self, phase: int) -> None:
        self._open(f"neo_phase{phase}")
        self._task()
        self._row_prologue(phase - 1)
        self._phase(phase)
        self._save_partials(phase)
        self._close()

    def _combine_entry(self, phase: int) -> None:
        self._open(f"neo_combine{phase}")
        self.put("for (neo_i64 row = begin; row < end; ++row) {")
        self._coordinates("row")
        if self.k.column:
            self.put(f"for (neo_i64 j0 = 0; j0 < n{self.inner}; j0 += {COLUMNS}) {{")
            self.put(f"const neo_i64 w = neo_lesser(n{self.inner} - j0, {COLUMNS});")
        if phase < self.k.phases - 1 or not any(s.row for s in self.k.stores):
            self._merge_partials(phase)
        else:
            self._row_prologue(phase - 1)
            self._merge_partials(phase)
            self._row_nodes(phase)
            self._row_stores()
        if self.k.column:
            self.put("}")
        self._close()

    def _open(self, name: str) -> None:
        self.put(f"void {name}(const neo_word *a, neo_i64 begin, neo_i64 end) {{")
        a = self.args
        for axis in range(len(self.k.axes)):
            self.put(f"const neo_i64 n{axis} = (neo_i64)a[{axis}];")
        self.put(f"const neo_i64 nch = (neo_i64)a[{a.chunks}], chunk = (neo_i64)a[{a.chunks + 1}];")
        self.put(f"double *const scratch = (double *)a[{a.chunks + 2}];")
        self.put("(void)nch; (void)chunk; (void)scratch;")
        for i, access in enumerate(self.k.accesses):
            if access.buffer >= 0:
                kind = self.type(access.dtype)
                self.put(f"{kind} *const b{i} = ({kind} *)a[{a.address(i)}];")
        for i, axis in a.strides:
            self.put(f"const neo_i64 s{i}_{axis} = (neo_i64)a[{a.stride(i, axis)}];")
        for slot in range(self.k.scalars):
            self.put(f"const double c{slot} = neo_double(a[{a.scalars + slot}]);")
        for slot in range(self.k.rands):
            word = a.rands + 2 * slot
            self.put(f"const neo_word key{slot} = a[{word}], off{slot} = a[{word + 1}];")

    def _close(self) -> None:
        self.put("}")
        self.put("}")

    def _task(self) -> None:
        self.put("for (neo_i64 t = begin; t < end; ++t) {")
        if self.k.column:
            self.put(f"const neo_i64 blocks = (n{self.inner} + {COLUMNS - 1}) / {COLUMNS};")
            self.put("neo_i64 q = t / nch;")
            self.put("const neo_i64 ch = t % nch, row = q / blocks;")
            self.put(f"const neo_i64 j0 = (q % blocks) * {COLUMNS};")
            self.put(f"const neo_i64 w = neo_lesser(n{self.inner} - j0, {COLUMNS});")
        else:
            self.put("const neo_i64 ch = t % nch, row = t / nch;")
        first = self.fold[0]
        self.put(f"const neo_i64 lo = ch * chunk, hi = neo_lesser(lo + chunk, n{first});")
        self._coordinates("row")

    def _coordinates(self, row: str) -> None:
        """Outer coordinates, and the position of every access at the start of the row."""
        if len(self.outer) > 1:
            self.put(f"neo_i64 rest = {row};")
            for axis in reversed(self.outer[1:]):
                self.put(f"const neo_i64 i{axis} = rest % n{axis}; rest /= n{axis};")
            self.put(f"const neo_i64 i{self.outer[0]} = rest;")
        elif self.outer:
            self.put(f"const neo_i64 i{self.outer[0]} = {row};")
        for i, access in enumerate(self.k.accesses):
            terms = [self._term(i, axis, f"i{axis}") for axis in self.outer]
            offset = " + ".join(t for t in terms if t) or "0"
            if access.buffer >= 0:
                self.put(f"{self.type(access.dtype)} *const p{i} = b{i} + {offset};")
            else:
                self.put(f"const neo_i64 p{i} = {offset};")
            self.put(f"(void)p{i};")

    def _term(self, access: int, axis: int, index: str) -> str:
        kind = self.k.accesses[access].strides[axis]
        if kind == ZERO:
            return ""
        return index if kind == UNIT else f"{index} * s{access}_{axis}"

    def _position(self, access: int, row: bool) -> str:
        """Offset of an element from the start of its row."""
        terms = [] if row else [self._term(access, axis, f"r{axis}") for axis in self.fold]
        if self.k.column:
            terms.append(self._term(access, self.inner, "(j0 + j)"))
        return " + ".join(t for t in terms if t) or "0"

    # ---- nodes -------------------------------------------------------------------------------

    def _cone(self, wanted: list[int], row: bool) -> list[int]:
        """Element-level (or row-level) nodes that `wanted` need, in order."""
        needed: set[int] = set()
        stack = list(wanted)
        while stack:
            i = stack.pop()
            if i not in needed and self.k.nodes[i].row == row:
                needed.add(i)
                stack.extend(self.k.nodes[i].args)
        return sorted(needed)

    def _name(self, index: int, row: bool) -> str:
        node = self.k.nodes[index]
        if node.row and self.k.column and node.op != "scalar":
            return f"v{index}[j]"
        return f"v{index}"

    def _operand(self, index: int, dtype: str, row: bool) -> str:
        node = self.k.nodes[index]
        name = self._name(index, row)
        return name if node.dtype == dtype else f"(({self.type(dtype)}){name})"

    def _value(self, index: int) -> str:
        node = self.k.nodes[index]
        kind = self.type(node.dtype)
        if node.op == "load":
            access = self.k.accesses[node.attr]
            text = f"p{node.attr}[{self._position(node.attr, node.row)}]"
            return loaded(self.d, text, access.dtype, node.dtype)
        if node.op == "iota":
            return f"({kind})(p{node.attr} + {self._position(node.attr, node.row)})"
        if node.op == "rand":
            form, slot = node.attr
            return (
                f"neo_uniform(key{slot}, off{slot}, "
                f"(neo_word)(p{form} + {self._position(form, node.row)}))"
            )
        if node.op == "gather":
            form, stride, size = node.attr
            (where,) = (self._name(a, node.row) for a in node.args)
            text = f"p{form}[{self._position(form, node.row)} + {where} * {stride}]"
            text = loaded(self.d, text, self.k.accesses[form].dtype, node.dtype)
            return f"({where} >= 0 && {where} < {size} ? {text} : 0)"
        operands = [self._operand(a, node.dtype, node.row) for a in node.args]
        return expression(self.d, node, operands)

    def _emit(self, indices: list[int]) -> None:
        for i in indices:
            node = self.k.nodes[i]
            if node.op in ("scalar", "result"):
                continue
            self.put(f"const {self.type(node.dtype)} v{i} = {self._value(i)};")

    def _row_prologue(self, phase: int) -> None:
        """Row values known after `phase`; results of earlier phases come from scratch."""
        for i, node in enumerate(self.k.nodes):
            if node.op == "scalar":
                kind = self.type(node.dtype)
                self.put(f"const {kind} v{i} = ({kind})c{node.attr}; (void)v{i};")
        if self.split:
            for number, red in enumerate(self.k.reductions):
                if red.phase <= phase:
                    self._load_result(number, red)
        for p in range(-1, phase + 1):
            self._row_nodes(p)

    def _row_nodes(self, phase: int) -> None:
        """Row values that become known after `phase`."""
        needed = set(self._cone(self._row_wanted(), True))
        rows = [
            i
            for i, n in enumerate(self.k.nodes)
            if i in needed and n.row and n.phase == phase and n.op not in ("scalar", "result")
        ]
        if not rows:
            return
        if not self.k.column:
            self._emit(rows)
            for i in rows:
                self.put(f"(void)v{i};")
            return
        for i in rows:
            self.put(f"{self.type(self.k.nodes[i].dtype)} v{i}[{COLUMNS}];")
        self.put("for (neo_i64 j = 0; j < w; ++j) {")
        for i in rows:
            self.put(f"v{i}[j] = {self._value(i)};")
        self.put("}")

    def _row_wanted(self) -> list[int]:
        """Row values read by element nodes, reductions or row stores."""
        wanted = [s.source for s in self.k.stores] + [r.source for r in self.k.reductions]
        for node in self.k.nodes:
            if not node.row:
                wanted.extend(a for a in node.args)
        return [i for i in wanted if self.k.nodes[i].row]

    # ---- phases ------------------------------------------------------------------------------

    def _reductions(self, phase: int) -> list[tuple[int, Reduction]]:
        return [(n, r) for n, r in enumerate(self.k.reductions) if r.phase == phase]

    def _phase(self, phase: int) -> None:
        """One pass over the folded axes."""
        reductions = self._reductions(phase)
        stores = [s for s in self.k.stores if s.phase == phase and not s.row]
        if not reductions and not stores:
            return
        for number, red in reductions:
            self._declare(number, red)
        for axis in self.fold[:-1]:
            bounds = ("lo", "hi") if axis == self.fold[0] else ("0", f"n{axis}")
            self.put(f"for (neo_i64 r{axis} = {bounds[0]}; r{axis} < {bounds[1]}; ++r{axis}) {{")
        last = self.fold[-1]
        bounds = ("lo", "hi") if last == self.fold[0] else ("0", f"n{last}")
        step = ROWS if self.k.column else BLOCK
        blocked = bool(reductions)
        if blocked:
            self.put(f"for (neo_i64 e0 = {bounds[0]}; e0 < {bounds[1]}; e0 += {step}) {{")
            self.put(f"const neo_i64 e1 = neo_lesser(e0 + {step}, {bounds[1]});")
            bounds = ("e0", "e1")
        self._block(bounds, reductions, [(s.access, s.source) for s in stores])
        for _ in range(len(self.fold) - 1 + blocked):
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
            clauses += self._open_partial(number, red)
        sources = [r.source for _, r in reductions] + [n for _, n in stores]
        # the position of the best element is carried from one iteration to the next
        carried = any(r.op.startswith("arg") for _, r in reductions)
        self._loop(bounds, None if carried else clauses)
        self._emit(self._cone(sources, False))
        for number, red in reductions:
            self._accumulate(number, red)
        for access, node in stores:
            target = self.k.accesses[access].dtype
            text = converted(self.d, self._name(node, False), self.k.nodes[node].dtype, target)
            self.put(f"p{access}[{self._position(access, False)}] = {text};")
        self._end_loop()
        second = [(n, r) for n, r in reductions if r.op == "var"]
        if second:
            for number, red in second:
                self._centre(number, red)
            self._loop(bounds, [f"reduction(+:q{n})" for n, _ in second])
            self._emit(self._cone([r.source for _, r in second], False))
            for number, red in second:
                self._accumulate_square(number, red)
            self._end_loop()
        for number, red in reductions:
            self._flush(number, red, bounds)

    def _loop(self, bounds: tuple[str, str], clauses: list[str] | None) -> None:
        last = self.fold[-1]
        if self.k.column:
            self.put(f"for (neo_i64 r{last} = {bounds[0]}; r{last} < {bounds[1]}; ++r{last}) {{")
            self.put("NEO_SIMD()")
            self.put("for (neo_i64 j = 0; j < w; ++j) {")
            return
        if clauses is not None:
            self.put(f"NEO_SIMD({' '.join(clauses)})")
        self.put(f"for (neo_i64 r{last} = {bounds[0]}; r{last} < {bounds[1]}; ++r{last}) {{")

    def _end_loop(self) -> None:
        self.put("}")
        if self.k.column:
            self.put("}")

    # ---- reductions --------------------------------------------------------------------------
    # u: total over all blocks (double); x: partial of one block (compute dtype, or an order key)

    def _each(self, line: str) -> None:
        """A statement for the row, or for each column of the block."""
        if self.k.column:
            self.put(f"for (neo_i64 j = 0; j < w; ++j) {line}")
        else:
            self.put(line)

    def _at(self) -> str:
        return "[j]" if self.k.column else ""

    def _array(self) -> str:
        return f"[{COLUMNS}]" if self.k.column else ""

    def _declare(self, number: int, red: Reduction) -> None:
        start = {"max": "-NEO_INF", "argmax": "0", "min": "NEO_INF", "argmin": "0"}.get(red.op, "0")
        for part in range(PARTIALS[red.op]):
            value = start if part == 0 else "0"
            if part == 1 and red.op.startswith("arg"):
                value = "-1"
            self.put(f"double u{number}_{part}{self._array()};")
            self._each(f"u{number}_{part}{self._at()} = {value};")

    def _source_type(self, red: Reduction) -> str:
        dtype = self.k.nodes[red.source].dtype
        return dtype if dtype.startswith("float") else "float64"

    def _open_partial(self, number: int, red: Reduction) -> list[str]:
        """Declare the partial of a block; returns the clauses of the loop."""
        kind, at = self.type(self._source_type(red)), self._at()
        if red.op in ("sum", "var"):
            self.put(f"{kind} x{number}{self._array()};")
            self._each(f"x{number}{at} = 0;")
            return [f"reduction(+:x{number})"]
        if red.op in ("max", "min"):
            if self.k.column:
                self.put(f"{kind} x{number}{self._array()};")
                self._each(f"x{number}[j] = {'-' if red.op == 'max' else ''}NEO_INF;")
                return []
            suffix = "f32" if self._source_type(red) == "float32" else "f64"
            self.put(f"neo_key_{suffix} x{number} = NEO_{red.op.upper()}_START_{suffix};")
            return [f"reduction({red.op}:x{number})"]
        return []

    def _accumulate(self, number: int, red: Reduction) -> None:
        value, at = self._name(red.source, False), self._at()
        dtype = self._source_type(red)
        suffix = "f32" if dtype == "float32" else "f64"
        if red.op in ("sum", "var"):
            self.put(f"x{number}{at} += {value};")
        elif red.op in ("max", "min"):
            if self.k.column:
                self.put(f"x{number}[j] = neo_{red.op}_{suffix}({value}, x{number}[j]);")
            else:
                key = f"neo_{red.op}key_{suffix}({value})"
                better = ">" if red.op == "max" else "<"
                self.put(f"const neo_key_{suffix} k{number} = {key};")
                self.put(f"x{number} = k{number} {better} x{number} ? k{number} : x{number};")
        else:
            best, place = f"u{number}_0{at}", f"u{number}_1{at}"
            index = f"(double)(p{red.index} + {self._position(red.index, False)})"  # type: ignore[arg-type]
            better = f"neo_{'above' if red.op == 'argmax' else 'below'}((double){value}, {best})"
            self.put(f"const int k{number} = {place} < 0 || {better};")
            self.put(f"{best} = k{number} ? (double){value} : {best};")
            self.put(f"{place} = k{number} ? {index} : {place};")

    def _centre(self, number: int, red: Reduction) -> None:
        """Mean of the block (of `x`), and the sum of squares around it (in `q`)."""
        kind, at = self.type(self._source_type(red)), self._at()
        self.put(f"{kind} m{number}{self._array()}, q{number}{self._array()};")
        if self.k.column:
            self._each(f"{{ m{number}[j] = x{number}[j] / ({kind})(e1 - e0); q{number}[j] = 0; }}")
        else:
            self.put(f"m{number}{at} = x{number}{at} / ({kind})(e1 - e0); q{number} = 0;")

    def _accumulate_square(self, number: int, red: Reduction) -> None:
        kind, at = self.type(self._source_type(red)), self._at()
        value = self._name(red.source, False)
        self.put(f"const {kind} d{number} = {value} - m{number}{at};")
        self.put(f"q{number}{at} += d{number} * d{number};")

    def _flush(self, number: int, red: Reduction, bounds: tuple[str, str]) -> None:
        """Merge the partial of a block into the total."""
        at = self._at()
        total = [f"u{number}_{part}{at}" for part in range(PARTIALS[red.op])]
        if red.op == "sum":
            self._each(f"{total[0]} += (double)x{number}{at};")
        elif red.op in ("max", "min"):
            suffix = "f32" if self._source_type(red) == "float32" else "f64"
            block = f"x{number}{at}"
            if not self.k.column:
                block = f"neo_{red.op}unkey_{suffix}({block})"
            self._each(f"{total[0]} = neo_{red.op}_f64((double){block}, {total[0]});")
        elif red.op == "var":
            count = f"(double)({bounds[1]} - {bounds[0]})"
            values = f"{count}, (double)m{number}{at}, (double)q{number}{at}"
            targets = ", ".join(f"&{t}" for t in total)
            self._each(f"neo_moments({targets}, {values});")

    def _final(self, number: int, red: Reduction) -> str:
        """The result of a reduction from its totals, as a number of the result's dtype."""
        kind = self.type(self.k.nodes[red.result].dtype)
        at = self._at()
        if red.op == "var":
            return f"({kind})(u{number}_2{at} / u{number}_0{at})"
        part = 1 if red.op.startswith("arg") else 0
        return f"({kind})u{number}_{part}{at}"

    def _finish(self, phase: int) -> None:
        for number, red in self._reductions(phase):
            self._result(red, self._final(number, red))

    def _result(self, red: Reduction, text: str) -> None:
        kind = self.type(self.k.nodes[red.result].dtype)
        if self.k.column:
            self.put(f"{kind} v{red.result}[{COLUMNS}];")
            self._each(f"v{red.result}[j] = {text};")
        else:
            self.put(f"const {kind} v{red.result} = {text}; (void)v{red.result};")

    # ---- partial results in scratch ----------------------------------------------------------

    def _width(self) -> str:
        return f" * n{self.inner} + j0 + j" if self.k.column else ""

    def _slots(self, phase: int) -> int:
        return sum(PARTIALS[r.op] for _, r in self._reductions(phase))

    def _partial(self, phase: int, row: str, chunk: str, part: int) -> str:
        place = f"({row} * nch + {chunk})" + self._width()
        return f"scratch[(({place}) * {self._slots(phase)}) + {part}]"

    def _save_partials(self, phase: int) -> None:
        part = 0
        for number, red in self._reductions(phase):
            for own in range(PARTIALS[red.op]):
                target = self._partial(phase, "row", "ch", part)
                self._each(f"{target} = u{number}_{own}{self._at()};")
                part += 1

    def _merge_partials(self, phase: int) -> None:
        """Combine the chunks of a row in order and keep the results in scratch."""
        first = 0
        for number, red in self._reductions(phase):
            self._declare(number, red)
            at = self._at()
            total = [f"u{number}_{p}{at}" for p in range(PARTIALS[red.op])]
            part = [self._partial(phase, "row", "g", first + p) for p in range(PARTIALS[red.op])]
            self.put("for (neo_i64 g = 0; g < nch; ++g) {")
            if red.op == "sum":
                self._each(f"{total[0]} += {part[0]};")
            elif red.op in ("max", "min"):
                self._each(f"{total[0]} = neo_{red.op}_f64({part[0]}, {total[0]});")
            elif red.op == "var":
                targets = ", ".join(f"&{t}" for t in total)
                self._each(f"neo_moments({targets}, {', '.join(part)});")
            else:
                better = "above" if red.op == "argmax" else "below"
                self._each(
                    f"if ({part[1]} >= 0 && ({total[1]} < 0 || neo_{better}({part[0]}, {total[0]}))) "
                    f"{{ {total[0]} = {part[0]}; {total[1]} = {part[1]}; }}"
                )
            self.put("}")
            self._result(red, self._final(number, red))
            self._each(f"{self._saved(number)} = (double){self._name(red.result, True)};")
            first += PARTIALS[red.op]

    def _saved(self, number: int) -> str:
        """Place of a result in scratch, after the partials."""
        rows = " * ".join(f"n{axis}" for axis in self.outer) or "1"
        columns = f" * n{self.inner}" if self.k.column else ""
        slots = max((self._slots(p) for p in range(self.k.phases)), default=0)
        base = f"({rows}) * nch{columns} * {slots}"
        return f"scratch[{base} + ((row){self._width()}) * {len(self.k.reductions)} + {number}]"

    def _load_result(self, number: int, red: Reduction) -> None:
        kind = self.type(self.k.nodes[red.result].dtype)
        self._result(red, f"({kind}){self._saved(number)}")

    def _row_stores(self) -> None:
        for store in self.k.stores:
            if store.row:
                target = self.k.accesses[store.access].dtype
                name = self._name(store.source, True)
                text = converted(self.d, name, self.k.nodes[store.source].dtype, target)
                self._each(f"p{store.access}[{self._position(store.access, True)}] = {text};")


def scratch_words(kernel: Kernel, rows: int, columns: int, chunks: int) -> int:
    """Number of doubles a split run needs for partial and final results."""
    slots = max(
        (
            sum(PARTIALS[r.op] for r in kernel.reductions if r.phase == p)
            for p in range(kernel.phases)
        ),
        default=0,
    )
    return rows * columns * (chunks * slots + len(kernel.reductions))


