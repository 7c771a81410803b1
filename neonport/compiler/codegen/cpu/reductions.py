"""Host C, the reductions: totals, partial results, and their merging in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence

from neonport.compiler.codegen.cpu.prefetch import HostAhead
from neonport.compiler.codegen.cpu.values import COLUMNS
from neonport.compiler.codegen.dialect import SUFFIX
from neonport.compiler.codegen.reductions import (
    Fold,
    HostBlock,
    MomentsFold,
    Totals,
    fold_of,
)
from neonport.compiler.kernel import Kernel, Reduction

_IN_DOUBLE = ("max", "min")  # functions of which the prelude has several
TOTALS = Totals(
    function=lambda name: f"neo_{name}_f64" if name in _IN_DOUBLE else f"neo_{name}",
    compensated=False,
    ordered=True,
)
"""Totals are doubles, and merged chunk by chunk."""


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

    def _lines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.put(line)

    def _source_type(self, red: Reduction) -> str:
        dtype = self.k.nodes[red.source].dtype
        return dtype if dtype.startswith("float") else "float64"

    def _partial_of(self, number: int, red: Reduction) -> HostBlock:
        """The partial result of a block, as folds write it."""
        dtype = self._source_type(red)
        return HostBlock(number, self.type(dtype), SUFFIX[dtype], self.k.column, COLUMNS)

    def _total(self, number: int, red: Reduction) -> list[str]:
        """Names of the parts of a total."""
        return [f"u{number}_{part}{self._at()}" for part in range(_width(red))]

    def _declare(self, number: int, red: Reduction) -> None:
        array = f"[{COLUMNS}]" if self.k.column else ""
        for i, part in enumerate(fold_of(red).parts(TOTALS)):
            self.put(f"double u{number}_{i}{array};")
            self._each(f"u{number}_{i}{self._at()} = {part.start.format(t='')};")

    def _open_partial(self, number: int, red: Reduction) -> list[str]:
        """Declare the partial of a block; returns the clauses of the loop."""
        lines, clauses = fold_of(red).host_open(self._partial_of(number, red))
        self._lines(lines)
        return clauses

    def _accumulate(self, number: int, red: Reduction) -> None:
        """Take the element at hand."""
        fold, block, value = fold_of(red), self._partial_of(number, red), self._name(red.source)
        position = ""
        if red.index is not None:
            position = f"p{red.index} + {self._position(red.index, False)}"
        lines = fold.host_step(block, value, self._total(number, red), position)
        if lines:
            self._lines(lines)
            return
        lines, value = fold.host_value(block, value)
        self._lines(lines)
        self._into(fold, number, f"x{number}{self._at() or self.lane}", value)

    def _accumulate_square(self, number: int, red: Reduction) -> None:
        """Take the element at hand in the second loop over a block."""
        fold = moments_of(red)
        block = self._partial_of(number, red)
        lines, value = fold.host_square(block, self._name(red.source))
        self._lines(lines)
        self._into(fold, number, f"q{number}{self._at() or self.lane}", value)

    def _into(self, fold: Fold, number: int, partial: str, value: str) -> None:
        """Take a value into a partial result, or lay it aside for that."""
        self.put(f"y{number} = {value};" if self.apart else fold.combine(partial, value))

    def _flush(self, number: int, red: Reduction, bounds: tuple[str, str]) -> None:
        """Merge the partial of a block into the total."""
        fold = fold_of(red)
        parts = fold.host_close(self._partial_of(number, red), bounds)
        if parts:
            self._merge(number, red, parts)

    def _merge(self, number: int, red: Reduction, parts: Sequence[str]) -> None:
        """Merge another total into the total."""
        for line in fold_of(red).merge(TOTALS, self._total(number, red), parts):
            self._each(line)

    def _final(self, number: int, red: Reduction) -> str:
        """The result of a reduction from its totals, as a number of the result's dtype."""
        kind = self.type(self.k.nodes[red.result].dtype)
        return f"({kind}){fold_of(red).finish(TOTALS, self._total(number, red))}"

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
        return sum(_width(r) for _, r in self._reductions(phase))

    def _partial(self, phase: int, row: str, chunk: str, part: int) -> str:
        place = f"({row} * nch + {chunk})" + self._width()
        return f"scratch[(({place}) * {self._slots(phase)}) + {part}]"

    def _save_partials(self, phase: int) -> None:
        part = 0
        for number, red in self._reductions(phase):
            for own in self._total(number, red):
                self._each(f"{self._partial(phase, 'row', 'ch', part)} = {own};")
                part += 1

    def _merge_partials(self, phase: int) -> None:
        """Combine the chunks of a row in order and keep the results in scratch."""
        first = 0
        for number, red in self._reductions(phase):
            self._declare(number, red)
            parts = [self._partial(phase, "row", "g", first + p) for p in range(_width(red))]
            self.put("for (neo_i64 g = 0; g < nch; ++g) {")
            self._merge(number, red, parts)
            self.put("}")
            self._result(red, self._final(number, red))
            self._each(f"{self._saved(number)} = (double){self._name(red.result)};")
            first += _width(red)

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


def _width(red: Reduction) -> int:
    """Doubles of a total."""
    return len(fold_of(red).parts(TOTALS))


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
