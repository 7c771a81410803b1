"""The results of a run, by op, with a script for each failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from neonport.testing import conformance
from neonport.testing.abilities import LEVELS, Undeclared
from neonport.testing.known_gaps import KnownGap, find_gap, unused
from neonport.testing.reports.reproduction import by_name, script

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.testing.conformance import Result

SHOWN = 3  # failures of an op whose scripts show operands; the others run the case by its name


class Checked(NamedTuple):
    """A result, and what reproduces it if it is a failure.

    Attributes:
        result: of one case.
        script: Python, empty for what passed.
    """

    result: Result
    script: str = ""


def run(
    be: Backend,
    only: Collection[str] | None = None,
    level: int | None = None,
    seed: int = 0,
    gaps: Sequence[KnownGap] = (),
) -> Iterator[Checked]:
    """Run the suite; see `neonport.testing.conformance.run` for the arguments."""
    failed: Counter[str] = Counter()
    for case in conformance.applicable(be, only, level, seed):
        result = conformance.run_case(be, case, seed, find_gap(gaps, case))
        if result.passed:
            yield Checked(result)
            continue
        failed[result.op] += 1
        make = script(be, case, result, seed) if failed[result.op] <= SHOWN else ""
        yield Checked(result, make or by_name(be, case, seed))


@dataclass
class OpReport:
    """Summary of the cases of one op.

    Attributes:
        op: the op.
        passed, known: how many passed; how many of those fail, as is known.
        failures: those that failed otherwise.
        max_error: largest error, relative to what the bound refers to.
        ulps: the same in units in the last place, over the cases that compare floats.
        share: the largest error as a part of what is allowed.
    """

    op: str
    passed: int = 0
    known: int = 0
    failures: list[Checked] = field(default_factory=list)
    max_error: float = 0.0
    ulps: float | None = None
    share: float | None = None

    def add(self, checked: Checked) -> None:
        """Count one case; an error that is not a number is the largest of all."""
        result = checked.result
        self.passed += result.passed
        self.known += bool(result.known)
        if not result.passed:
            self.failures.append(checked)
        if not result.known:
            self.max_error = largest(self.max_error, result.max_error) or 0.0
            self.ulps = largest(self.ulps, result.ulps)
            self.share = largest(self.share, result.share)


def largest(a: float | None, b: float | None) -> float | None:
    """The larger number, nan if there is one; None counts as nothing."""
    if a is None or b is None:
        return b if a is None else a
    return a if a != a else b if b != b else max(a, b)


@dataclass
class Report:
    """What a run found.

    Attributes:
        backend: its name.
        level: what was asked for; None for what the device declares.
        seed: of the numbers in operands.
        lacks: what was not tested, because the device does not declare it.
        stale: entries of the file of known gaps that fit nothing.
        ops: summaries, in the order in which the suite ran them.
    """

    backend: str
    level: int | None = None
    seed: int = 0
    lacks: Sequence[Undeclared] = ()
    stale: Sequence[KnownGap] = ()
    ops: dict[str, OpReport] = field(default_factory=dict)

    def add(self, results: Iterable[Checked]) -> None:
        """Count results."""
        for checked in results:
            self.ops.setdefault(checked.result.op, OpReport(checked.result.op)).add(checked)

    @property
    def failures(self) -> list[Checked]:
        """All failures."""
        return [failure for report in self.ops.values() for failure in report.failures]

    @property
    def passed(self) -> int:
        """How many cases passed, known failures among them."""
        return sum(report.passed for report in self.ops.values())

    @property
    def known(self) -> int:
        """How many cases fail, as is known."""
        return sum(report.known for report in self.ops.values())

    @property
    def right(self) -> bool:
        """Whether all is as it should be; a run of no case is not."""
        return bool(self.passed) and not self.failures and not self.stale

    @property
    def words(self) -> str:
        """What was asked of the device."""
        if self.level is None:
            return "what the device declares"
        return f"level {self.level}: {', '.join(LEVELS[n] for n in range(self.level + 1))}"

    def as_data(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "backend": self.backend,
            "level": self.level,
            "seed": self.seed,
            "passed": self.passed - self.known,
            "failed": len(self.failures),
            "known": self.known,
            "not_tested": [lack._asdict() for lack in self.lacks],
            "stale": [vars(gap) for gap in self.stale],
            "ops": [_op_as_data(report) for report in self.ops.values()],
        }


def _op_as_data(report: OpReport) -> dict[str, Any]:
    fields = ("case_id", "max_error", "bound", "message")
    return {
        "op": report.op,
        "passed": report.passed - report.known,
        "failed": len(report.failures),
        "known": report.known,
        "max_error": report.max_error,
        "ulps": report.ulps,
        "of_bound": report.share,
        "failures": [
            {**{f: getattr(x.result, f) for f in fields}, "script": x.script}
            for x in report.failures
        ],
    }


def stale_gaps(
    be: Backend, only: Collection[str] | None, level: int | None, gaps: Sequence[KnownGap]
) -> list[KnownGap]:
    """The entries that fit no case that runs; with `only`, among those that fit one of its ops."""
    asked = [
        gap
        for gap in gaps
        if only is None or any(gap.covers(case) for case in conformance.cases(only))
    ]
    return unused(asked, conformance.applicable(be, only, level))
