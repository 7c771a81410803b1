"""Reductions as work-items compute them: totals of an item, of a group, and of chunks in scratch.

Names: `u0_1` is part 1 of the total of reduction 0 (`w0_1`: one total a lane), `x0` the partial of
a block. Sums carry their rounding error (two numbers), moments are count, mean and sum of squares,
the place of an extreme is its value and an index. float64 is used where the operand has it, and
integers of 64 bits where the operand is one.
"""

from __future__ import annotations

from itertools import groupby

from neonport.compiler.codegen.gpu.values import DeviceValues
from neonport.compiler.codegen.reductions import (
    COUNT,
    NUMBER,
    POSITION,
    DeviceBlock,
    Part,
    Totals,
    fold_of,
)
from neonport.compiler.codegen.reuse import COSTLY
from neonport.compiler.kernel import Kernel, Reduction

PLACE = 20  # bits of a position in the second of its two words of scratch: exact in float32
WORD = 16  # bits of an integer in each of its words of scratch
INTEGER_WORDS = 64 // WORD


class DeviceReductions:
    """Totals of the reductions of a kernel.

    Attributes:
        other: "b" while the second of two partials that take turns is meant.
    """

    def __init__(self, values: DeviceValues) -> None:
        self.values, self.k, self.put = values, values.k, values.put
        self.other = ""

    def of_phase(self, phase: int) -> list[tuple[int, Reduction]]:
        """The reductions of a phase."""
        return [(n, r) for n, r in enumerate(self.k.reductions) if r.phase == phase]

    def source_type(self, red: Reduction) -> str:
        """Dtype in which a reduction adds up."""
        dtype = self.values.dtype(red.source)
        if dtype.startswith("float"):
            return dtype
        return "int64" if fold_of(red).integers else self.values.real

    def totals(self, red: Reduction, width: int = 1) -> Totals:
        """Form in which the totals of a reduction are held."""
        suffix = self.values.d.suffix(self.source_type(red), width)
        whole = self._whole(red)
        return Totals(lambda name: f"neo_{name}_{suffix}", compensated=not whole, ordered=False)

    def _whole(self, red: Reduction) -> bool:
        return self.source_type(red) == "int64"

    def _parts(self, red: Reduction) -> tuple[Part, ...]:
        return parts_of(self.k, red)

    def _total(self, prefix: str, number: int) -> list[str]:
        parts = self._parts(self.k.reductions[number])
        return [f"{prefix}{number}_{part}" for part in range(len(parts))]

    def declare(self, number: int, red: Reduction, prefix: str, width: int) -> None:
        """An empty total; parts of one kind are one declaration."""
        dtype = self.source_type(red)
        types = {
            NUMBER: self.values.type(dtype, width),
            COUNT: self.values.type(dtype),
            POSITION: "neo_int",
        }
        named = zip(self._total(prefix, number), self._parts(red), strict=True)
        for kind, members in groupby(named, lambda member: member[1].kind):
            cast = f"({types[kind]})"
            whole = self._whole(red) and kind == NUMBER
            starts = [
                f"{name} = {(part.whole if whole else part.start).format(t=cast)}"
                for name, part in members
            ]
            self.put(f"{types[kind]} {', '.join(starts)};")

    def is_blocked(self, phase: int) -> bool:
        """Whether a phase adds up blocks before it adds them to the totals."""
        return any(fold_of(r).blocked for _, r in self.of_phase(phase))

    def take_turns(self, phase: int, sources: list[int], stores: list[tuple[int, int]]) -> bool:
        """Whether two partials of a block take turns, so that additions do not wait for each other.

        Where values are costly these fill the time, and their text is better not written twice.
        """
        nodes = self.values.cone(sources, False)
        plain = (
            not stores and len(self.values.fold) == 1 and not self.values.keeps.intersection(nodes)
        )
        plain = plain and all(fold_of(r).alternates for _, r in self.of_phase(phase))
        return (
            plain
            and self.values.vector > 1
            and all(self.k.nodes[i].op not in COSTLY for i in nodes)
        )

    def _block(self, number: int, red: Reduction, prefix: str, width: int) -> DeviceBlock:
        """The partial result of a block, as folds write it."""
        dtype = self.source_type(red)
        kind, scalar = self.values.type(dtype, width), self.values.type(dtype)
        total = self._total(prefix, number)
        return DeviceBlock(
            number, kind, scalar, self.values.d.suffix(dtype, width), total, self.other
        )

    def open_block(self, phase: int, prefix: str, width: int) -> None:
        """Partials of a block."""
        for number, red in self.of_phase(phase):
            self.values.put_all(fold_of(red).device_open(self._block(number, red, prefix, width)))

    def accumulate(self, number: int, red: Reduction, prefix: str, width: int) -> None:
        """Add the value of the element at hand."""
        value = self.values.operand(red.source, self.source_type(red), width)
        position = "" if red.index is None else self.values.position(red.index)
        block = self._block(number, red, prefix, width)
        self.values.put_all(fold_of(red).device_step(block, value, position))

    def flush(self, phase: int, prefix: str, width: int) -> None:
        """Add the partials of a block to the totals."""
        for number, red in self.of_phase(phase):
            self.values.put_all(fold_of(red).device_close(self._block(number, red, prefix, width)))

    def merge(
        self,
        number: int,
        red: Reduction,
        parts: list[str],
        total: list[str] | None = None,
        width: int = 1,
    ) -> None:
        """Add another total (texts of so many lanes) to a total, that of the item by default."""
        total = total or self._total("u", number)
        self.values.put_all(fold_of(red).merge(self.totals(red, width), total, parts))

    def merge_lanes(self, phase: int, width: int) -> None:
        """Add the totals of the lanes (`w`) to that of the item (`u`): halves meet each other.

        All lanes are merged in each round, for a vector takes no longer than a lane; the upper ones
        hold nothing of use afterwards.
        """
        for number, red in self.of_phase(phase):
            totals = self._total("w", number)
            shared = [part.kind == COUNT for part in self._parts(red)]  # one for all lanes

            def parts(
                lanes: str, totals: list[str] = totals, shared: list[bool] = shared
            ) -> list[str]:
                return [t if s else f"{t}.s{lanes}" for t, s in zip(totals, shared, strict=True)]

            half = width // 2
            while half:
                lanes = "".join(f"{(lane + half) % width:x}" for lane in range(width))
                self.merge(number, red, parts(lanes), totals, width)
                half //= 2
            self.merge(number, red, parts("0"))

    # ---- groups ------------------------------------------------------------------------------

    def tree_memory(self) -> None:
        """Local memory for the totals of a group."""
        size = self.values.variant.group
        if size == 1 or not self.k.reductions:
            return
        floats = [r for r in self.k.reductions if not self._whole(r)]
        words = max([len(self._parts(r)) for r in floats], default=0)
        if words:
            self.put(f"LOCAL {self.values.type(self.values.real)} tree[{words * size}];")
        if len(floats) < len(self.k.reductions):
            self.put(f"LOCAL neo_i64 wholes[{size}];")
        if any(r.index is not None for r in self.k.reductions):
            self.put(f"LOCAL neo_int places[{size}];")

    def tree(self, phase: int) -> None:
        """Add up the totals of the items of a group; afterwards every item has the sum."""
        size = self.values.variant.group
        if size == 1:
            return
        for number, red in self.of_phase(phase):
            total = self._total("u", number)
            number_slot = "wholes[{{0}}]" if self._whole(red) else "tree[{at} + {{0}}]"
            slots = [
                "places[{0}]" if part.kind == POSITION else number_slot.format(at=i * size)
                for i, part in enumerate(self._parts(red))
            ]
            save = " ".join(f"{s.format('lid')} = {t};" for s, t in zip(slots, total, strict=True))
            self.put(save)
            self.put("BARRIER();")
            self.put(f"for (int h = {size // 2}; h > 0; h >>= 1) {{")
            self.put("if (lid < h) {")
            kind = self.values.type(self.source_type(red))
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
        source, target = self.source_type(red), self.values.dtype(red.result)
        text = fold_of(red).finish(self.totals(red, width), self._total(prefix, number))
        if red.index is not None:
            return f"({self.values.type(target)}){text}"
        return self.values.cast(text, source, target, width)

    # ---- scratch -----------------------------------------------------------------------------

    def partial(self, part: int, chunk: str) -> str:
        """Place of a part of the total of a chunk."""
        columns = f" * n{self.values.last} + j" if self.k.column else ""
        return f"(({part} * rows + row) * nch + {chunk}){columns}"

    def save_partials(self, phase: int, prefix: str, width: int) -> None:
        """Keep the totals of a chunk."""
        at = 0
        for number, red in self.of_phase(phase):
            for name, part in zip(self._total(prefix, number), self._parts(red), strict=True):
                for text in self._words_of(name, part, red, width):
                    row = self.values.d.store if width > 1 else "{p}[{i}] = {x};"
                    place = self.partial(at, "ch")
                    self.put(row.format(p="scratch", i=place, x=text, w=width))
                    at += 1

    def _words_of(self, name: str, part: Part, red: Reduction, width: int) -> list[str]:
        """A part of a total as words of scratch."""
        dtype = self.source_type(red)
        if part.kind == POSITION:
            words = [f"({name} >> {PLACE})", f"({name} & {(1 << PLACE) - 1})"]
            return [f"(({self.values.type(self.values.real)}){word})" for word in words]
        if dtype == "int64":
            return self._integer_words(name, width)
        text = self.values.splat(name, dtype, width) if part.kind == COUNT else name
        return [self.values.cast(text, dtype, self.values.real, width)]

    def _integer_words(self, name: str, width: int) -> list[str]:
        """An integer as words of scratch, the lowest first; each is exact in float32."""
        mask = self.values.splat(str((1 << WORD) - 1), "int64", width)
        words = [f"(({name} >> {WORD * i}) & {mask})" for i in range(INTEGER_WORDS)]
        return [self.values.cast(word, "int64", self.values.real, width) for word in words]

    @staticmethod
    def _integer_of(words: list[str]) -> str:
        """The integer in words of scratch."""
        parts = [f"(((neo_word){word}) << {WORD * i})" for i, word in enumerate(words)]
        return f"((neo_i64)({' | '.join(parts)}))"

    def merge_partials(self, phase: int) -> None:
        """Add the chunk `g` to the totals."""
        at = 0
        for number, red in self.of_phase(phase):
            kind = self.values.type(self.source_type(red))
            texts = []
            for part in self._parts(red):
                if part.kind == NUMBER and self._whole(red):
                    places = [self.partial(at + i, "g") for i in range(INTEGER_WORDS)]
                    texts.append(self._integer_of([f"scratch[{place}]" for place in places]))
                    at += INTEGER_WORDS
                    continue
                word = f"scratch[{self.partial(at, 'g')}]"
                at += 1
                if part.kind != POSITION:
                    texts.append(f"({kind}){word}")
                    continue
                low = f"scratch[{self.partial(at, 'g')}]"
                at += 1
                high = f"((neo_int){word} << {PLACE})"
                self.put(f"const neo_int g{number} = {high} + (neo_int){low};")
                texts.append(f"g{number}")
            self.merge(number, red, texts)

    def _result_place(self, number: int, word: int) -> str:
        columns = f" * n{self.values.last}" if self.k.column else ""
        at = f" * n{self.values.last} + j" if self.k.column else ""
        first = f"rows * nch{columns} * {_slots(self.k)}"
        return f"{first} + {INTEGER_WORDS * number + word} * rows{columns} + row{at}"

    def save_result(self, number: int, red: Reduction) -> None:
        """Keep a result for later phases."""
        name, real = self.values.name(red.result), self.values.type(self.values.real)
        if self.values.dtype(red.result) == "int64":
            for i, word in enumerate(self._integer_words(name, 1)):
                self.put(f"scratch[{self._result_place(number, i)}] = {word};")
            return
        if red.index is not None:
            self.put(f"scratch[{self._result_place(number, 1)}] = ({real})({name} >> {PLACE});")
            name = f"({name} & {(1 << PLACE) - 1})"
        self.put(f"scratch[{self._result_place(number, 0)}] = ({real}){name};")

    def load_result(self, number: int, red: Reduction, width: int) -> str:
        """A result of an earlier phase."""
        target = self.values.dtype(red.result)
        place = self._result_place(number, 0)
        if target == "int64":
            return self._integer_result(number, width)
        if width > 1:
            text = self.values.d.load.format(p="scratch", i=place, w=width)
            return self.values.cast(text, self.values.real, target, width)
        text = f"({self.values.type(target)})scratch[{place}]"
        if red.index is not None:
            high = f"({self.values.type(target)})scratch[{self._result_place(number, 1)}]"
            text += f" + ({high} << {PLACE})"
        return text

    def _integer_result(self, number: int, width: int) -> str:
        kind = self.values.type("int64", width)
        parts = []
        for i in range(INTEGER_WORDS):
            place = self._result_place(number, i)
            row = self.values.d.load if width > 1 else "{p}[{i}]"
            text = row.format(p="scratch", i=place, w=width)
            text = self.values.cast(text, self.values.real, "int64", width)
            parts.append(f"({text} << {WORD * i})")
        return f"({kind})({' | '.join(parts)})"


def scratch_words(kernel: Kernel, rows: int, columns: int, chunks: int) -> int:
    """Numbers a split run needs for partial and final results."""
    return rows * columns * (chunks * _slots(kernel) + INTEGER_WORDS * len(kernel.reductions))


def _slots(kernel: Kernel) -> int:
    """Scratch words of a position, in the phase that needs most."""
    widths = [(r.phase, words_of(kernel, r)) for r in kernel.reductions]
    return max((sum(w for p, w in widths if p == q) for q in range(kernel.phases)), default=0)


def is_whole(kernel: Kernel, red: Reduction) -> bool:
    """Whether a reduction folds integers as integers."""
    return fold_of(red).integers and not kernel.nodes[red.source].dtype.startswith("float")


def parts_of(kernel: Kernel, red: Reduction) -> tuple[Part, ...]:
    """The parts of a total; sums of integers lose nothing to rounding."""
    return fold_of(red).parts(compensated=not is_whole(kernel, red))


def words_of(kernel: Kernel, red: Reduction) -> int:
    """Scratch words of a total; a position takes two, each exact in float32, an integer four."""
    number = INTEGER_WORDS if is_whole(kernel, red) else 1
    parts = parts_of(kernel, red)
    return sum(2 if part.kind == POSITION else number for part in parts)
