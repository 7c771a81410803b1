"""Reductions as work-items compute them: totals of an item, of a group, and of chunks in scratch.

Names: `u0_1` is part 1 of the total of reduction 0 (`w0_1`: one total a lane), `x0` the partial of
a block. Sums carry their rounding error (two numbers), moments are count, mean and sum of squares,
the place of an extreme is its value and an index. float64 is used where the operand has it.
"""

from __future__ import annotations

from neonport.compiler.codegen.gpu.values import ValueWriter
from neonport.compiler.codegen.reuse import COSTLY
from neonport.compiler.kernel import Reduction

PARTS = {"sum": 2, "max": 1, "min": 1, "var": 3, "argmax": 3, "argmin": 3}
"""Words of scratch of a partial result; an index takes two, each exact in float32."""
PLACE = 20  # bits of an index in the second of these words


class FoldWriter(ValueWriter):
    """Totals of the reductions of a kernel."""

    other = ""  # "b" while the second of two partials that take turns is meant

    def reductions(self, phase: int) -> list[tuple[int, Reduction]]:
        """The reductions of a phase."""
        return [(n, r) for n, r in enumerate(self.k.reductions) if r.phase == phase]

    def source_type(self, red: Reduction) -> str:
        """Dtype in which a reduction adds up."""
        dtype = self.dtype(red.source)
        return dtype if dtype.startswith("float") else self.real

    def _total(self, prefix: str, number: int) -> list[str]:
        parts = PARTS[self.k.reductions[number].op]
        return [f"{prefix}{number}_{part}" for part in range(parts)]

    def declare(self, number: int, red: Reduction, prefix: str, width: int) -> None:
        """An empty total."""
        kind = self.type(self.source_type(red), width)
        scalar = self.type(self.source_type(red))
        total = self._total(prefix, number)
        zero, infinity = f"({kind})0", f"({kind})NEO_INF"
        if red.op == "sum":
            self.put(f"{kind} {total[0]} = {zero}, {total[1]} = {zero};")
        elif red.op in ("max", "min"):
            self.put(f"{kind} {total[0]} = {'-' if red.op == 'max' else ''}{infinity};")
        elif red.op == "var":
            self.put(f"{scalar} {total[0]} = 0;")
            self.put(f"{kind} {total[1]} = {zero}, {total[2]} = {zero};")
        else:
            self.put(f"{kind} {total[0]} = 0;")
            self.put(f"neo_int {total[1]} = -1;")

    def is_blocked(self, phase: int) -> bool:
        """Whether a phase adds up blocks before it adds them to the totals."""
        return any(r.op in ("sum", "var") for _, r in self.reductions(phase))

    def take_turns(self, phase: int, sources: list[int], stores: list[tuple[int, int]]) -> bool:
        """Whether two partials of a block take turns, so that additions do not wait for each other.

        Where values are costly these fill the time, and their text is better not written twice.
        """
        nodes = self.cone(sources, False)
        plain = not stores and len(self.fold) == 1 and not self.keeps.intersection(nodes)
        plain = plain and all(r.op == "sum" for _, r in self.reductions(phase))
        return plain and self.vector > 1 and all(self.k.nodes[i].op not in COSTLY for i in nodes)

    def open_block(self, phase: int, prefix: str, width: int) -> None:
        """Partials of a block."""
        for number, red in self.reductions(phase):
            kind = self.type(self.source_type(red), width)
            if red.op == "sum":
                self.put(f"{kind} x{number}{self.other} = ({kind})0;")
            elif red.op == "var":
                total = self._total(prefix, number)
                zero = f"({kind})0"
                self.put(f"{kind} x{number} = {zero}, q{number} = {zero}, o{number} = {total[1]};")
                self.put(f"int k{number} = 0;")  # a number would make each addition wait

    def accumulate(self, number: int, red: Reduction, prefix: str, width: int) -> None:
        """Add the value of the element at hand."""
        dtype = self.source_type(red)
        value = self.operand(red.source, dtype, width)
        suffix = self.d.suffix(dtype, width)
        total = self._total(prefix, number)
        if red.op == "sum":
            self.put(f"x{number}{self.other} += {value};")
        elif red.op in ("max", "min"):
            self.put(f"{total[0]} = neo_{red.op}_{suffix}({value}, {total[0]});")
        elif red.op == "var":
            kind = self.type(dtype, width)
            self.put(f"if ({total[0]} == 0 && k{number} == 0) o{number} = {value};")
            self.put(f"const {kind} d{number} = {value} - o{number};")
            self.put(f"x{number} += d{number}; q{number} += d{number} * d{number}; k{number} += 1;")
        else:
            place = f"({self.position(red.index)})"  # type: ignore[arg-type]
            better = "above" if red.op == "argmax" else "below"
            self.put(
                f"if ({total[1]} < 0 || neo_{better}_{suffix}({value}, {total[0]})) "
                f"{{ {total[0]} = {value}; {total[1]} = {place}; }}"
            )

    def flush(self, phase: int, prefix: str, width: int) -> None:
        """Add the partials of a block to the totals."""
        for number, red in self.reductions(phase):
            suffix = self.d.suffix(self.source_type(red), width)
            total = ", ".join(f"&{t}" for t in self._total(prefix, number))
            if red.op == "sum":
                self.put(f"neo_add_{suffix}({total}, x{number});")
            elif red.op == "var":
                count = f"({self.type(self.source_type(red))})k{number}"
                words = f"{count}, o{number}, x{number}, q{number}"
                self.put(f"neo_extend_{suffix}({total}, {words});")

    def merge(
        self,
        number: int,
        red: Reduction,
        parts: list[str],
        total: list[str] | None = None,
        width: int = 1,
    ) -> None:
        """Add another total (texts of so many lanes) to a total, that of the item by default."""
        suffix = self.d.suffix(self.source_type(red), width)
        total = total or self._total("u", number)
        address = ", ".join(f"&{t}" for t in total)
        if red.op == "sum":
            self.put(f"neo_add_{suffix}({address}, {parts[0]});")
            self.put(f"{total[1]} += {parts[1]};")
        elif red.op in ("max", "min"):
            self.put(f"{total[0]} = neo_{red.op}_{suffix}({parts[0]}, {total[0]});")
        elif red.op == "var":
            self.put(f"neo_moments_{suffix}({address}, {', '.join(parts)});")
        else:
            call = f"neo_{'above' if red.op == 'argmax' else 'below'}_{suffix}"
            value, place = parts
            self.put(
                f"if ({place} >= 0 && ({total[1]} < 0 || {call}({value}, {total[0]}) || "
                f"({place} < {total[1]} && !{call}({total[0]}, {value})))) "
                f"{{ {total[0]} = {value}; {total[1]} = {place}; }}"
            )

    def merge_lanes(self, phase: int, width: int) -> None:
        """Add the totals of the lanes (`w`) to that of the item (`u`): halves meet each other.

        All lanes are merged in each round, for a vector takes no longer than a lane; the upper ones
        hold nothing of use afterwards.
        """
        for number, red in self.reductions(phase):
            totals = self._total("w", number)
            half = width // 2
            while half:
                lanes = "".join(f"{(lane + half) % width:x}" for lane in range(width))
                # a count is that of all lanes
                parts = [
                    t if red.op == "var" and i == 0 else f"{t}.s{lanes}"
                    for i, t in enumerate(totals)
                ]
                self.merge(number, red, parts, totals, width)
                half //= 2
            parts = [t if red.op == "var" and i == 0 else f"{t}.s0" for i, t in enumerate(totals)]
            self.merge(number, red, parts)

    # ---- groups ------------------------------------------------------------------------------

    def tree_memory(self) -> None:
        """Local memory for the totals of a group."""
        size = self.variant.group
        if size == 1 or not self.k.reductions:
            return
        words = max(min(PARTS[r.op], 3) for r in self.k.reductions)
        self.put(f"LOCAL {self.type(self.real)} tree[{words * size}];")
        if any(r.op.startswith("arg") for r in self.k.reductions):
            self.put(f"LOCAL neo_int places[{size}];")

    def tree(self, phase: int) -> None:
        """Add up the totals of the items of a group; afterwards every item has the sum."""
        size = self.variant.group
        if size == 1:
            return
        for number, red in self.reductions(phase):
            total = self._total("u", number)[: 2 if red.op.startswith("arg") else None]
            slots = [f"tree[{part * size} + {{0}}]" for part in range(len(total))]
            if red.op.startswith("arg"):
                slots[1] = "places[{0}]"
            save = " ".join(f"{s.format('lid')} = {t};" for s, t in zip(slots, total, strict=True))
            self.put(save)
            self.put("BARRIER();")
            self.put(f"for (int h = {size // 2}; h > 0; h >>= 1) {{")
            self.put("if (lid < h) {")
            kind = self.type(self.source_type(red))
            parts = [
                s.format("lid + h") if "places" in s else f"({kind})" + s.format("lid + h")
                for s in slots
            ]
            self.merge(number, red, parts)
            self.put(save)
            self.put("}")
            self.put("BARRIER();")
            self.put("}")
            for s, t in zip(slots, total, strict=True):
                self.put(f"{t} = {s.format('0')};")
            self.put("BARRIER();")

    def final(self, number: int, red: Reduction, prefix: str, width: int) -> str:
        """The result of a reduction from its total."""
        source, target = self.source_type(red), self.dtype(red.result)
        total = self._total(prefix, number)
        if red.op == "sum":
            text = f"neo_total_{self.d.suffix(source, width)}({total[0]}, {total[1]})"
        elif red.op == "var":
            text = f"({total[2]} / {total[0]})"
        elif red.op.startswith("arg"):
            return f"({self.type(target)}){total[1]}"
        else:
            text = total[0]
        return self.cast(text, source, target, width)

    # ---- scratch -----------------------------------------------------------------------------

    def words(self, phase: int) -> int:
        """Scratch words of a position in a phase."""
        return sum(PARTS[r.op] for _, r in self.reductions(phase))

    def partial(self, part: int, chunk: str) -> str:
        """Place of a part of the total of a chunk."""
        columns = f" * n{self.last} + j" if self.k.column else ""
        return f"(({part} * rows + row) * nch + {chunk}){columns}"

    def save_partials(self, phase: int, prefix: str, width: int) -> None:
        """Keep the totals of a chunk."""
        part = 0
        for number, red in self.reductions(phase):
            dtype = self.source_type(red)
            values = self._total(prefix, number)
            if red.op.startswith("arg"):
                place = values[1]
                values = [values[0], f"({place} >> {PLACE})", f"({place} & {(1 << PLACE) - 1})"]
                values[1:] = [f"(({self.type(self.real)}){v})" for v in values[1:]]
            for i, value in enumerate(values):
                text = self.splat(value, dtype, width) if red.op == "var" and i == 0 else value
                if not (red.op.startswith("arg") and i):
                    text = self.cast(text, dtype, self.real, width)
                row = self.d.store if width > 1 else "{p}[{i}] = {x};"
                self.put(row.format(p="scratch", i=self.partial(part, "ch"), x=text, w=width))
                part += 1

    def merge_partials(self, phase: int) -> None:
        """Add the chunk `g` to the totals."""
        first = 0
        for number, red in self.reductions(phase):
            kind = self.type(self.source_type(red))
            places = [f"scratch[{self.partial(first + p, 'g')}]" for p in range(PARTS[red.op])]
            parts = [f"({kind}){p}" for p in places]
            if red.op.startswith("arg"):
                self.put(
                    f"const neo_int g{number} = ((neo_int){places[1]} << {PLACE}) "
                    f"+ (neo_int){places[2]};"
                )
                parts = [parts[0], f"g{number}"]
            self.merge(number, red, parts)
            first += PARTS[red.op]

    def _result_place(self, number: int, word: int) -> str:
        slots = max(self.words(p) for p in range(self.k.phases))
        columns = f" * n{self.last}" if self.k.column else ""
        at = f" * n{self.last} + j" if self.k.column else ""
        return f"rows * nch{columns} * {slots} + {2 * number + word} * rows{columns} + row{at}"

    def save_result(self, number: int, red: Reduction) -> None:
        """Keep a result for later phases."""
        name, real = self.name(red.result), self.type(self.real)
        if red.op.startswith("arg"):
            self.put(f"scratch[{self._result_place(number, 1)}] = ({real})({name} >> {PLACE});")
            name = f"({name} & {(1 << PLACE) - 1})"
        self.put(f"scratch[{self._result_place(number, 0)}] = ({real}){name};")

    def load_result(self, number: int, red: Reduction, width: int) -> str:
        """A result of an earlier phase."""
        target = self.dtype(red.result)
        place = self._result_place(number, 0)
        if width > 1:
            text = self.d.load.format(p="scratch", i=place, w=width)
            return self.cast(text, self.real, target, width)
        text = f"({self.type(target)})scratch[{place}]"
        if red.op.startswith("arg"):
            high = f"({self.type(target)})scratch[{self._result_place(number, 1)}]"
            text += f" + ({high} << {PLACE})"
        return text


def scratch_words(writer: FoldWriter, rows: int, columns: int, chunks: int) -> int:
    """Numbers a split run needs for partial and final results."""
    slots = max((writer.words(p) for p in range(writer.k.phases)), default=0)
    return rows * columns * (chunks * slots + 2 * len(writer.k.reductions))
