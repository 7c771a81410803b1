"""What each reduction is made of, for both generators: start, step, merge, finish.

A *total* consists of parts: numbers, a count, a position. It starts empty, takes elements one by
one (a *step*, on the way often into the partial result of a block), meets other totals (a *merge*:
those of a block, of another lane, item or chunk) and becomes the result (its *finish*). A new
reduction is a class here and a row of `FOLDS`; the generators know none by name.

Names in the text: `x0` is the partial result of a block for reduction 0, `k0` a value that a step
needs in between; names of the parts of a total are the generator's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from neonport.compiler.kernel import Reduction

NUMBER, COUNT, POSITION = "number", "count", "position"


class Part(NamedTuple):
    """A part of a total.

    Attributes:
        kind: NUMBER; COUNT, of which all lanes of a vector share one; or POSITION.
        start: text of its value before there is any element; {t} stands for a cast to its type.
        whole: the same where the total is an integer.
    """

    kind: str
    start: str
    whole: str = "{t}0"


@dataclass(frozen=True, eq=False)
class Totals:
    """Form in which a target holds totals.

    Attributes:
        function: the name of one of the target's functions on totals ("max", "moments", ...).
        compensated: whether a sum carries its rounding error as a second part; of integers none.
        ordered: whether totals meet in the order of their positions.
    """

    function: Callable[[str], str]
    compensated: bool
    ordered: bool


@dataclass(frozen=True, eq=False)
class HostBlock:
    """The partial result of a block in host C.

    Attributes:
        number: of the reduction.
        kind, suffix: C type of the elements, and the suffix of functions on them.
        column: whether there is one partial result for each column, `[j]`.
        columns: of a block.
        total: C type of the total.
    """

    number: int
    kind: str
    suffix: str
    column: bool
    columns: int
    total: str = "double"

    @property
    def whole(self) -> bool:
        """Whether elements and totals are integers."""
        return self.suffix == "i64"

    @property
    def at(self) -> str:
        """Index of the column at hand."""
        return "[j]" if self.column else ""

    def declare(self, name: str) -> str:
        """Declaration without a value."""
        return f"{self.kind} {name}{f'[{self.columns}]' if self.column else ''};"

    def each(self, line: str) -> str:
        """A statement for the row, or for each column."""
        return f"for (neo_i64 j = 0; j < w; ++j) {line}" if self.column else line


@dataclass(frozen=True, eq=False)
class DeviceBlock:
    """The partial result of a block as a work-item has it.

    Attributes:
        number: of the reduction.
        kind, scalar: types of the elements at hand (a vector), and of one.
        suffix: of functions on `kind`.
        total: names of the parts of the total.
        other: "b" for the second of two partial results that take turns.
    """

    number: int
    kind: str
    scalar: str
    suffix: str
    total: Sequence[str]
    other: str = ""


class Fold(ABC):
    """A reduction; this one says what those have in common that see each element once.

    Attributes:
        lanes: host C: the function that joins partial results in lanes; "" if there are none.
        blocked: devices: whether a block has a partial result of its own.
        alternates: devices: whether two of these may take turns.
    """

    lanes = ""
    blocked = False
    alternates = False
    integers = True  # whether integers are folded as integers

    @abstractmethod
    def parts(self, compensated: bool) -> tuple[Part, ...]:
        """The parts of a total, and what they are before there is any element.

        Args:
            compensated: see `Totals`.
        """

    @abstractmethod
    def merge(self, totals: Totals, total: Sequence[str], other: Sequence[str]) -> list[str]:
        """Take another total into a total."""

    def finish(self, totals: Totals, total: Sequence[str]) -> str:
        """The result."""
        return total[0]

    def combine(self, partial: str, value: str) -> str:
        """Take a value into a partial result, which a step of a block ends with.

        A fold that takes elements right into its total has none.
        """
        return ""

    # ---- blocks in host C --------------------------------------------------------------------

    def host_start(self, block: HostBlock) -> tuple[str, str]:
        """C type and start of a partial result in a lane."""
        return block.kind, "0"

    def host_open(self, block: HostBlock) -> tuple[list[str], list[str]]:
        """Declaration of the partial result, and clauses for the loop that makes it."""
        return [], []

    def host_value(self, block: HostBlock, value: str) -> tuple[list[str], str]:
        """Value that `combine` takes of an element, after these lines."""
        return [], value

    def host_step(
        self, block: HostBlock, value: str, total: Sequence[str], position: str
    ) -> list[str]:
        """Lines that take an element, where it does not go through `combine`."""
        return []

    def host_close(self, block: HostBlock, bounds: tuple[str, str]) -> list[str]:
        """The block's partial result as the parts of a total."""
        return []

    # ---- blocks on devices -------------------------------------------------------------------

    def device_open(self, block: DeviceBlock) -> list[str]:
        """Declaration of the partial result."""
        return []

    @abstractmethod
    def device_step(self, block: DeviceBlock, value: str, position: str) -> list[str]:
        """Take an element."""

    def device_close(self, block: DeviceBlock) -> list[str]:
        """Take the partial result into the total."""
        return []


def open_sum(block: HostBlock) -> tuple[list[str], list[str]]:
    """Declaration of the sum of a block in host C, and the clause of its loop."""
    x = f"x{block.number}"
    return [block.declare(x), block.each(f"{x}{block.at} = 0;")], [f"reduction(+:{x})"]


class SumFold(Fold):
    """Sum."""

    lanes = "total"
    blocked = True
    alternates = True

    def parts(self, compensated: bool) -> tuple[Part, ...]:
        """The sum, and what was lost to rounding."""
        return (Part(NUMBER, "{t}0"),) * (2 if compensated else 1)

    def merge(self, totals: Totals, total: Sequence[str], other: Sequence[str]) -> list[str]:
        """Add."""
        if not totals.compensated:
            return [f"{total[0]} += {other[0]};"]
        add = f"{totals.function('add')}(&{total[0]}, &{total[1]}, {other[0]});"
        return [add, f"{total[1]} += {other[1]};"]

    def finish(self, totals: Totals, total: Sequence[str]) -> str:
        """The sum with what was lost."""
        if not totals.compensated:
            return total[0]
        return f"{totals.function('total')}({total[0]}, {total[1]})"

    def combine(self, partial: str, value: str) -> str:
        """Add."""
        return f"{partial} += {value};"

    def host_open(self, block: HostBlock) -> tuple[list[str], list[str]]:
        """Nothing yet."""
        return open_sum(block)

    def host_close(self, block: HostBlock, bounds: tuple[str, str]) -> list[str]:
        """The sum of the block."""
        return [f"({block.total})x{block.number}{block.at}"]

    def device_open(self, block: DeviceBlock) -> list[str]:
        """Nothing yet."""
        return [f"{block.kind} x{block.number}{block.other} = ({block.kind})0;"]

    def device_step(self, block: DeviceBlock, value: str, position: str) -> list[str]:
        """Add."""
        return [self.combine(f"x{block.number}{block.other}", value)]

    def device_close(self, block: DeviceBlock) -> list[str]:
        """Add the sum of the block, keeping what is lost to rounding."""
        if len(block.total) == 1:
            return [f"{block.total[0]} += x{block.number};"]
        total = ", ".join(f"&{part}" for part in block.total)
        return [f"neo_add_{block.suffix}({total}, x{block.number});"]


class ProductFold(Fold):
    """Product.

    Host C multiplies in the type of its totals (double, or 64-bit integers); devices do in the
    dtype of the elements.
    """

    lanes = "product"

    def parts(self, compensated: bool) -> tuple[Part, ...]:
        """The product."""
        return (Part(NUMBER, "{t}1", whole="{t}1"),)

    def merge(self, totals: Totals, total: Sequence[str], other: Sequence[str]) -> list[str]:
        """Multiply."""
        return [f"{total[0]} *= {other[0]};"]

    def combine(self, partial: str, value: str) -> str:
        """Multiply."""
        return f"{partial} *= {value};"

    def host_start(self, block: HostBlock) -> tuple[str, str]:
        """1."""
        return block.total, "1"

    def host_open(self, block: HostBlock) -> tuple[list[str], list[str]]:
        """Nothing yet."""
        x = f"x{block.number}"
        array = f"[{block.columns}]" if block.column else ""
        declared = f"{block.total} {x}{array};"
        return [declared, block.each(f"{x}{block.at} = 1;")], [f"reduction(*:{x})"]

    def host_close(self, block: HostBlock, bounds: tuple[str, str]) -> list[str]:
        """The product of the block."""
        return [f"x{block.number}{block.at}"]

    def device_step(self, block: DeviceBlock, value: str, position: str) -> list[str]:
        """Multiply, in the total itself."""
        return [self.combine(block.total[0], value)]


class MomentsFold(Fold):
    """Variance: count, mean and sum of squares around it.

    Host C goes over a block twice: for its mean, then for the squares around that (`m0`, `q0`).
    Devices go over it once. Both sum up differences to an element at the beginning (`o0`): so the
    variance of equal numbers is 0, and not the square of a rounding error of large ones.
    """

    lanes = "total"
    blocked = True
    integers = False

    def parts(self, compensated: bool) -> tuple[Part, ...]:
        """Count, mean, sum of squares."""
        return Part(COUNT, "0"), Part(NUMBER, "{t}0"), Part(NUMBER, "{t}0")

    def merge(self, totals: Totals, total: Sequence[str], other: Sequence[str]) -> list[str]:
        """Moments of both."""
        targets = ", ".join(f"&{part}" for part in total)
        return [f"{totals.function('moments')}({targets}, {', '.join(other)});"]

    def finish(self, totals: Totals, total: Sequence[str]) -> str:
        """Mean square."""
        return f"({total[2]} / {total[0]})"

    def combine(self, partial: str, value: str) -> str:
        """Add."""
        return f"{partial} += {value};"

    def host_open(self, block: HostBlock) -> tuple[list[str], list[str]]:
        """The sum of differences to the first element of the block, for its mean."""
        lines, clauses = open_sum(block)
        return [*lines, block.declare(f"o{block.number}")], clauses

    def host_value(self, block: HostBlock, value: str) -> tuple[list[str], str]:
        """The difference to the first element."""
        return [], f"({value} - o{block.number}{block.at})"

    def host_centre(self, block: HostBlock) -> list[str]:
        """After the first loop over a block: its mean, and no squares yet."""
        n, kind, at = block.number, block.kind, block.at
        array = f"[{block.columns}]" if block.column else ""
        mean = f"m{n}{at} = o{n}{at} + x{n}{at} / ({kind})(e1 - e0);"
        line = f"{{ {mean} q{n}{at} = 0; }}" if block.column else f"{mean} q{n} = 0;"
        return [f"{kind} m{n}{array}, q{n}{array};", block.each(line)]

    def host_square(self, block: HostBlock, value: str) -> tuple[list[str], str]:
        """Value that `combine` takes of an element in the second loop."""
        n = block.number
        return [f"const {block.kind} d{n} = {value} - m{n}{block.at};"], f"d{n} * d{n}"

    def host_close(self, block: HostBlock, bounds: tuple[str, str]) -> list[str]:
        """Moments of the block."""
        n, at = block.number, block.at
        return [f"(double)({bounds[1]} - {bounds[0]})", f"(double)m{n}{at}", f"(double)q{n}{at}"]

    def device_open(self, block: DeviceBlock) -> list[str]:
        """Sums of differences and of their squares; the centre is the mean so far."""
        n, zero = block.number, f"({block.kind})0"
        return [
            f"{block.kind} x{n} = {zero}, q{n} = {zero}, o{n} = {block.total[1]};",
            f"int k{n} = 0;",  # a number would make each addition wait
        ]

    def device_step(self, block: DeviceBlock, value: str, position: str) -> list[str]:
        """Add the difference and its square; the first element of all is the first centre."""
        n = block.number
        return [
            f"if ({block.total[0]} == 0 && k{n} == 0) o{n} = {value};",
            f"const {block.kind} d{n} = {value} - o{n};",
            f"x{n} += d{n}; q{n} += d{n} * d{n}; k{n} += 1;",
        ]

    def device_close(self, block: DeviceBlock) -> list[str]:
        """Merge moments around the centre into the total."""
        n = block.number
        total = ", ".join(f"&{part}" for part in block.total)
        words = f"({block.scalar})k{n}, o{n}, x{n}, q{n}"
        return [f"neo_extend_{block.suffix}({total}, {words});"]


class ExtremeFold(Fold):
    """Largest or smallest element; NaN wins.

    Where host C folds a row, the partial result is an order key: an integer that compares as the
    floats do, NaN included, so that the loop becomes one of plain maxima.

    Args:
        name: "max" or "min".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lanes = "most" if name == "max" else "least"
        self.sign = "-" if name == "max" else ""
        self.better = ">" if name == "max" else "<"

    def parts(self, compensated: bool) -> tuple[Part, ...]:
        """The extreme."""
        return (Part(NUMBER, self.sign + "{t}NEO_INF", "{t}" + self.start_of("i64")),)

    def start_of(self, suffix: str) -> str:
        """The word for the integer that any other is better than."""
        return f"NEO_{self.name.upper()}_START_{suffix}"

    def merge(self, totals: Totals, total: Sequence[str], other: Sequence[str]) -> list[str]:
        """The better one."""
        return [f"{total[0]} = {totals.function(self.name)}({other[0]}, {total[0]});"]

    def combine(self, partial: str, value: str) -> str:
        """The better key."""
        return f"{partial} = {value} {self.better} {partial} ? {value} : {partial};"

    def host_start(self, block: HostBlock) -> tuple[str, str]:
        """The least key."""
        return f"neo_key_{block.suffix}", self.start_of(block.suffix)

    def host_open(self, block: HostBlock) -> tuple[list[str], list[str]]:
        """A key for a row, else a number for each column."""
        x = f"x{block.number}"
        if block.column:
            start = self.start_of("i64") if block.whole else f"{self.sign}NEO_INF"
            return [block.declare(x), block.each(f"{x}[j] = {start};")], []
        kind, start = self.host_start(block)
        return [f"{kind} {x} = {start};"], [f"reduction({self.name}:{x})"]

    def host_value(self, block: HostBlock, value: str) -> tuple[list[str], str]:
        """The key of an element."""
        key = f"k{block.number}"
        kind, function = f"neo_key_{block.suffix}", f"neo_{self.name}key_{block.suffix}"
        return [f"const {kind} {key} = {function}({value});"], key

    def host_step(
        self, block: HostBlock, value: str, total: Sequence[str], position: str
    ) -> list[str]:
        """The better number of a column."""
        x = f"x{block.number}[j]"
        return [f"{x} = neo_{self.name}_{block.suffix}({value}, {x});"] if block.column else []

    def host_close(self, block: HostBlock, bounds: tuple[str, str]) -> list[str]:
        """The extreme of the block."""
        x = f"x{block.number}{block.at}"
        text = x if block.column else f"neo_{self.name}unkey_{block.suffix}({x})"
        return [f"({block.total}){text}"]

    def device_step(self, block: DeviceBlock, value: str, position: str) -> list[str]:
        """The better number, in the total itself."""
        total = block.total[0]
        return [f"{total} = neo_{self.name}_{block.suffix}({value}, {total});"]


class ArgFold(Fold):
    """Position of the first extreme; -1 while there is none.

    Args:
        better: function that says whether a value is better than another: "above" or "below".
    """

    def __init__(self, better: str) -> None:
        self.better = better

    def parts(self, compensated: bool) -> tuple[Part, ...]:
        """The extreme and its position."""
        return Part(NUMBER, "0"), Part(POSITION, "-1")

    def merge(self, totals: Totals, total: Sequence[str], other: Sequence[str]) -> list[str]:
        """The better one; of equal ones that which comes first."""
        better = totals.function(self.better)
        wins = f"{total[1]} < 0 || {better}({other[0]}, {total[0]})"
        if not totals.ordered:
            wins += f" || ({other[1]} < {total[1]} && !{better}({total[0]}, {other[0]}))"
        taken = f"{{ {total[0]} = {other[0]}; {total[1]} = {other[1]}; }}"
        return [f"if ({other[1]} >= 0 && ({wins})) {taken}"]

    def finish(self, totals: Totals, total: Sequence[str]) -> str:
        """The position."""
        return total[1]

    def host_step(
        self, block: HostBlock, value: str, total: Sequence[str], position: str
    ) -> list[str]:
        """Choose, in the total itself, without a branch."""
        best, place = total
        k, better = f"k{block.number}", f"neo_{self.better}{'_i64' if block.whole else ''}"
        return [
            f"const int {k} = {place} < 0 || {better}(({block.total}){value}, {best});",
            f"{best} = {k} ? ({block.total}){value} : {best};",
            f"{place} = {k} ? (double)({position}) : {place};",
        ]

    def device_step(self, block: DeviceBlock, value: str, position: str) -> list[str]:
        """Choose, in the total itself."""
        best, place = block.total
        wins = f"{place} < 0 || neo_{self.better}_{block.suffix}({value}, {best})"
        return [f"if ({wins}) {{ {best} = {value}; {place} = ({position}); }}"]


FOLDS: dict[str, Fold] = {
    "sum": SumFold(),
    "prod": ProductFold(),
    "var": MomentsFold(),
    "max": ExtremeFold("max"),
    "min": ExtremeFold("min"),
    "argmax": ArgFold("above"),
    "argmin": ArgFold("below"),
}
"""How each reduction of the op table is done."""


def fold_of(reduction: Reduction) -> Fold:
    """Fold of a reduction."""
    return FOLDS[reduction.op]
