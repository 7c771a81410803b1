"""Host C, the reductions: totals, partial results, and their merging in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neonport.compiler.codegen.cpu.values import COLUMNS, HostValues
from neonport.compiler.codegen.dialect import SUFFIX
from neonport.compiler.codegen.reductions import (
    NUMBER,
    Fold,
    HostBlock,
    MomentsFold,
    Totals,
    fold_of,
)
from neonport.compiler.codegen.reuse import COSTLY
from neonport.compiler.kernel import UNIT, Kernel, Reduction
from neonport.compiler.reduction_phases import cone

IN_LANES = 16  # values computed for partial results that are made in lanes, at most
COSTLY_IN_LANES = 1  # costly ones among them
_IN_DOUBLE = ("max", "min")  # functions of which the prelude has several
TOTALS = Totals(
    function=lambda name: f"neo_{name}_f64" if name in _IN_DOUBLE else f"neo_{name}",
    compensated=False,
    ordered=True,
)
"""Totals are doubles, and merged chunk by chunk."""
WHOLE_TOTALS = Totals(
    function=lambda name: f"neo_{name}_i64",
    compensated=False,
    ordered=True,
)
"""Totals of integers are integers."""


class HostReductions:
    """Writes the reductions of a kernel.

    Attributes:
        lane: suffix of a partial result inside a loop over lanes.
        apart: whether what goes into a partial result is laid aside, in a variable.
    """

    def __init__(self, values: HostValues) -> None:
        self.values, self.k, self.put = values, values.k, values.put
        self.lane = ""
        self.apart = False

    # ---- reductions --------------------------------------------------------------------------
    # u: total over all blocks (double, or neo_i64); x: partial of one block (compute dtype, or an
    # order key)

    def of_phase(self, phase: int) -> list[tuple[int, Reduction]]:
        """Number and description of each reduction of a phase."""
        return [(n, r) for n, r in enumerate(self.k.reductions) if r.phase == phase]

    def source_type(self, red: Reduction) -> str:
        """Dtype of the partial result of a block."""
        dtype = self.k.nodes[red.source].dtype
        if dtype.startswith("float"):
            return dtype
        return "int64" if fold_of(red).integers else "float64"

    def _whole(self, red: Reduction) -> bool:
        return self.source_type(red) == "int64"

    def _totals(self, red: Reduction) -> Totals:
        return WHOLE_TOTALS if self._whole(red) else TOTALS

    def _kinds(self, red: Reduction) -> list[str]:
        """C type of each part of a total; a position is a double as well."""
        whole = self._whole(red)
        parts = fold_of(red).parts(TOTALS.compensated)
        return ["neo_i64" if whole and p.kind == NUMBER else "double" for p in parts]

    def block_of(self, number: int, red: Reduction) -> HostBlock:
        """The partial result of a block, as folds write it."""
        dtype = self.source_type(red)
        kind, total = self.values.type(dtype), "neo_i64" if dtype == "int64" else "double"
        return HostBlock(number, kind, SUFFIX[dtype], self.k.column, COLUMNS, total)

    def _total(self, number: int, red: Reduction) -> list[str]:
        """Names of the parts of a total."""
        return [f"u{number}_{part}{self.values.at}" for part in range(_width(red))]

    def declare(self, number: int, red: Reduction) -> None:
        """An empty total."""
        array = f"[{COLUMNS}]" if self.k.column else ""
        parts = fold_of(red).parts(TOTALS.compensated)
        for i, (part, kind) in enumerate(zip(parts, self._kinds(red), strict=True)):
            start = (part.whole if kind == "neo_i64" else part.start).format(t="")
            self.put(f"{kind} u{number}_{i}{array};")
            self.values.each(f"u{number}_{i}{self.values.at} = {start};")

    def open_block(self, number: int, red: Reduction) -> list[str]:
        """Declare the partial of a block; returns the clauses of the loop."""
        lines, clauses = fold_of(red).host_open(self.block_of(number, red))
        self.values.put_all(lines)
        return clauses

    def step(self, number: int, red: Reduction) -> None:
        """Take the element at hand."""
        fold, block, value = fold_of(red), self.block_of(number, red), self.values.name(red.source)
        position = ""
        if red.index is not None:
            position = f"p{red.index} + {self.values.position(red.index, False)}"
        lines = fold.host_step(block, value, self._total(number, red), position)
        if lines:
            self.values.put_all(lines)
            return
        lines, value = fold.host_value(block, value)
        self.values.put_all(lines)
        self._into(fold, number, f"x{number}{self.values.at or self.lane}", value)

    def step_square(self, number: int, red: Reduction) -> None:
        """Take the element at hand in the second loop over a block."""
        fold = moments_of(red)
        block = self.block_of(number, red)
        lines, value = fold.host_square(block, self.values.name(red.source))
        self.values.put_all(lines)
        self._into(fold, number, f"q{number}{self.values.at or self.lane}", value)

    def _into(self, fold: Fold, number: int, partial: str, value: str) -> None:
        """Take a value into a partial result, or lay it aside for that."""
        self.put(f"y{number} = {value};" if self.apart else fold.combine(partial, value))

    def close_block(self, number: int, red: Reduction, bounds: tuple[str, str]) -> None:
        """Merge the partial of a block into the total."""
        fold = fold_of(red)
        parts = fold.host_close(self.block_of(number, red), bounds)
        if parts:
            self._merge(number, red, parts)

    def _merge(self, number: int, red: Reduction, parts: Sequence[str]) -> None:
        """Merge another total into the total."""
        for line in fold_of(red).merge(self._totals(red), self._total(number, red), parts):
            self.values.each(line)

    def _final(self, number: int, red: Reduction) -> str:
        """The result of a reduction from its totals, as a number of the result's dtype."""
        kind = self.values.type(self.k.nodes[red.result].dtype)
        return f"({kind}){fold_of(red).finish(self._totals(red), self._total(number, red))}"

    def finish(self, phase: int) -> None:
        """The results of a phase."""
        for number, red in self.of_phase(phase):
            self._result(red, self._final(number, red))

    def _result(self, red: Reduction, text: str) -> None:
        kind = self.values.type(self.k.nodes[red.result].dtype)
        if self.k.column:
            self.put(f"{kind} v{red.result}[{COLUMNS}];")
            self.values.each(f"v{red.result}[j] = {text};")
        else:
            self.put(f"const {kind} v{red.result} = {text}; (void)v{red.result};")

    # ---- lanes -------------------------------------------------------------------------------

    def in_lanes(self, reductions: Sequence[tuple[int, Reduction]], wanted: Sequence[int]) -> bool:
        """Whether results are made in lanes: it writes the values twice, so they must be few.

        What is kept does not count, for the order of the additions is the same in all variants.
        """
        nodes = cone(self.k, wanted)
        few = len(nodes) <= IN_LANES
        few = few and sum(self.k.nodes[i].op in COSTLY for i in nodes) <= COSTLY_IN_LANES
        return few and bool(reductions) and all(fold_of(r).lanes for _, r in reductions)

    def maskable(self, wanted: Sequence[int]) -> bool:
        """Whether all that is needed can be loaded under a mask: neighbours, 4 bytes or wider."""
        loads = [self.k.nodes[i] for i in cone(self.k, wanted) if self.k.nodes[i].args == ()]
        found = [self.k.accesses[n.attr] for n in loads if n.op == "load"]
        sizes = [np.dtype(a.dtype).itemsize for a in found if a.strides[-1] == UNIT]
        return len(sizes) == len(loads) and min(sizes, default=0) >= 4

    # ---- partial results in scratch ----------------------------------------------------------

    def _columns(self) -> str:
        return f" * n{self.values.inner} + j0 + j" if self.k.column else ""

    def _slots(self, phase: int) -> int:
        return sum(_width(r) for _, r in self.of_phase(phase))

    def _partial(self, phase: int, row: str, chunk: str, part: int) -> str:
        place = f"({row} * nch + {chunk})" + self._columns()
        return f"scratch[(({place}) * {self._slots(phase)}) + {part}]"

    def save_partials(self, phase: int) -> None:
        """Keep the totals of a chunk in scratch."""
        part = 0
        for number, red in self.of_phase(phase):
            for own, kind in zip(self._total(number, red), self._kinds(red), strict=True):
                place = self._partial(phase, "row", "ch", part)
                self.values.each(f"{place} = {_word(own, kind)};")
                part += 1

    def merge_partials(self, phase: int) -> None:
        """Combine the chunks of a row in order and keep the results in scratch."""
        first = 0
        for number, red in self.of_phase(phase):
            self.declare(number, red)
            parts = [
                _number(self._partial(phase, "row", "g", first + p), kind)
                for p, kind in enumerate(self._kinds(red))
            ]
            self.put("for (neo_i64 g = 0; g < nch; ++g) {")
            self._merge(number, red, parts)
            self.put("}")
            self._result(red, self._final(number, red))
            word = _word(self.values.name(red.result), self._result_kind(red))
            self.values.each(f"{self._saved(number)} = {word};")
            first += _width(red)

    def _saved(self, number: int) -> str:
        """Place of a result in scratch, after the partials."""
        rows = " * ".join(f"n{axis}" for axis in self.values.outer) or "1"
        columns = f" * n{self.values.inner}" if self.k.column else ""
        slots = max((self._slots(p) for p in range(self.k.phases)), default=0)
        base = f"({rows}) * nch{columns} * {slots}"
        return f"scratch[{base} + ((row){self._columns()}) * {len(self.k.reductions)} + {number}]"

    def load_result(self, number: int, red: Reduction) -> None:
        """A result of an earlier phase."""
        kind = self.values.type(self.k.nodes[red.result].dtype)
        self._result(red, f"({kind}){_number(self._saved(number), self._result_kind(red))}")

    def _result_kind(self, red: Reduction) -> str:
        return "neo_i64" if self.k.nodes[red.result].dtype == "int64" else "double"


def _word(text: str, kind: str) -> str:
    """A number as a word of scratch."""
    return f"neo_float64({text})" if kind == "neo_i64" else f"(double){text}"


def _number(word: str, kind: str) -> str:
    """The number in a word of scratch."""
    return f"neo_bits64({word})" if kind == "neo_i64" else word


def _width(red: Reduction) -> int:
    """Doubles of a total."""
    return len(fold_of(red).parts(TOTALS.compensated))


def moments_of(red: Reduction) -> MomentsFold:
    """The fold of a reduction that looks at its elements twice."""
    fold = fold_of(red)
    assert isinstance(fold, MomentsFold)
    return fold


def scratch_words(kernel: Kernel, rows: int, columns: int, chunks: int) -> int:
    """Number of doubles a split run needs for partial and final results."""
    slots = max(
        (sum(_width(r) for r in kernel.reductions if r.phase == p) for p in range(kernel.phases)),
        default=0,
    )
    return rows * columns * (chunks * slots + len(kernel.reductions))
