"""Host C, the reductions: totals, partial results, and their merging in a fixed order."""

from __future__ import annotations

from neonport.compiler.codegen.cpu.prefetch import HostAhead
from neonport.compiler.codegen.cpu.values import COLUMNS
from neonport.compiler.codegen.dialect import PARTIALS, SUFFIX
from neonport.compiler.kernel import Kernel, Reduction

# what joins the partial results in lanes
ACROSS = {"sum": "total", "var": "total", "max": "most", "min": "least"}


class HostFolds(HostAhead):
    """Writes reductions."""

    # ---- reductions --------------------------------------------------------------------------
    # u: total over all blocks (double); x: partial of one block (compute dtype, or an order key)

    def _reductions(self, phase: int) -> list[tuple[int, Reduction]]:
        return [(n, r) for n, r in enumerate(self.k.reductions) if r.phase == phase]

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
            key, start = self._lane_start(red)
            self.put(f"{key} x{number} = {start};")
            return [f"reduction({red.op}:x{number})"]
        return []

    def _accumulate(self, number: int, red: Reduction) -> None:
        value, at = self._name(red.source, False), self._at() or self.lane
        suffix = SUFFIX[self._source_type(red)]
        if red.op in ("sum", "var"):
            self._into(number, red, f"x{number}{at}", value)
        elif red.op in ("max", "min"):
            if self.k.column:
                self.put(f"x{number}[j] = neo_{red.op}_{suffix}({value}, x{number}[j]);")
            else:
                self.put(f"const neo_key_{suffix} k{number} = neo_{red.op}key_{suffix}({value});")
                self._into(number, red, f"x{number}{at}", f"k{number}")
        else:
            best, place = f"u{number}_0{at}", f"u{number}_1{at}"
            index = f"(double)(p{red.index} + {self._position(red.index, False)})"  # type: ignore[arg-type]
            better = f"neo_{'above' if red.op == 'argmax' else 'below'}((double){value}, {best})"
            self.put(f"const int k{number} = {place} < 0 || {better};")
            self.put(f"{best} = k{number} ? (double){value} : {best};")
            self.put(f"{place} = k{number} ? {index} : {place};")

    def _into(self, number: int, red: Reduction, partial: str, value: str) -> None:
        """Take a value into a partial result, or lay it aside for that."""
        if self.apart:
            self.put(f"y{number} = {value};")
        else:
            self._merge_lane(red, partial, value)

    def _merge_lane(self, red: Reduction, partial: str, value: str) -> None:
        if red.op in ("sum", "var"):
            self.put(f"{partial} += {value};")
        else:
            better = ">" if red.op == "max" else "<"
            self.put(f"{partial} = {value} {better} {partial} ? {value} : {partial};")

    def _lane_start(self, red: Reduction) -> tuple[str, str]:
        """C type of a partial result, and what it is before there is any value."""
        dtype = self._source_type(red)
        if red.op in ("sum", "var"):
            return self.type(dtype), "0"
        return f"neo_key_{SUFFIX[dtype]}", f"NEO_{red.op.upper()}_START_{SUFFIX[dtype]}"

    def _across(self, red: Reduction) -> str:
        """The function that makes one result of those in lanes."""
        return f"neo_{ACROSS[red.op]}_{SUFFIX[self._source_type(red)]}"

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
        self._into(number, red, f"q{number}{at or self.lane}", f"d{number} * d{number}")

    def _flush(self, number: int, red: Reduction, bounds: tuple[str, str]) -> None:
        """Merge the partial of a block into the total."""
        at = self._at()
        total = [f"u{number}_{part}{at}" for part in range(PARTIALS[red.op])]
        if red.op == "sum":
            self._each(f"{total[0]} += (double)x{number}{at};")
        elif red.op in ("max", "min"):
            suffix = SUFFIX[self._source_type(red)]
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
                    f"if ({part[1]} >= 0 && "
                    f"({total[1]} < 0 || neo_{better}({part[0]}, {total[0]}))) "
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
