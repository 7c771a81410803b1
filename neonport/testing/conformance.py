"""The conformance suite: what a backend must do, generated from the op table.

    from neonport.testing import conformance

    for result in conformance.run("my-backend"):
        if not result.passed:
            print(result.op, result.case_id, result.message)

`neonport conformance NAME` does the same and prints a report. The bounds are the column
`accuracy` of the op table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from neonport.backends.backend import Backend
from neonport.errors import ConfigurationError
from neonport.ops.op import OPS
from neonport.plugins.text import printable
from neonport.testing.abilities import (
    Undeclared,
    check_level,
    declared,
    how_to_declare,
    is_wanted,
    why_not,
)
from neonport.testing.cases import Case, Outcome
from neonport.testing.inputs import seeded
from neonport.testing.known_gaps import KnownGap, find_gap
from neonport.testing.suite import (
    along_axis,
    assignment,
    elementwise,
    fused,
    gradients,
    movements,
    products,
    randomness,
    recurrences,
    reductions,
    stores,
    views,
    windows,
)
from neonport.testing.suite.devices import exchange, faults, levels, memory, recordings
from neonport.testing.suite.networks import branched, layers, recurrent, trainings, window

MESSAGE_LENGTH = 4_000  # characters of an error that a device raised
SUITES = (
    memory,
    elementwise,
    reductions,
    movements,
    along_axis,
    products,
    windows,
    recurrences,
    stores,
    views,
    assignment,
    randomness,
    layers,
    branched,
    recurrent,
    window,
    fused,
    gradients,
    exchange,
    recordings,
    trainings,
    faults,
    levels,
)


class Result(NamedTuple):
    """Result of one case.

    Attributes:
        op: op of the op table, or the room of the contract that is tested.
        case_id: what is special about the case.
        passed: whether the result is right.
        max_error: largest error, relative to what the bound refers to; None if nothing came back.
        bound: the largest error allowed.
        message: what is wrong.
        unit: the last place of a right result, relative to 1; 0 where errors are not measured so.
        known: the reason of a failure that a file of known gaps lists; empty for all else.
    """

    op: str
    case_id: str
    passed: bool
    max_error: float | None
    bound: float
    message: str
    unit: float = 0.0
    known: str = ""

    @property
    def ulps(self) -> float | None:
        """The largest error in units in the last place; None where it is not measured so."""
        return self.max_error / self.unit if self.max_error is not None and self.unit else None

    @property
    def share(self) -> float | None:
        """The largest error as a part of what is allowed; None if nothing but exact passes."""
        return self.max_error / self.bound if self.max_error is not None and self.bound else None


def cases(only: Collection[str] | None = None, seed: int = 0) -> Iterator[Case]:
    """All cases, or those of some ops; they are cheap to list and do nothing until they run.

    Args:
        only: ops; None for all.
        seed: of the numbers that operands hold.
    """
    for case in _listed(tuple(SUITES), tuple(OPS), seed):
        if only is None or case.op in only:
            yield case


@lru_cache(maxsize=8)  # commands and pytest list them several times
def _listed(suites: tuple[Any, ...], ops: tuple[str, ...], seed: int) -> tuple[Case, ...]:
    """The cases; plugins may have added to the ops since they were last listed."""
    with seeded(seed):
        return tuple(case for suite in suites for case in suite.cases())


def counts() -> dict[str, int]:
    """Number of cases of each op, in the order in which they run."""
    found: dict[str, int] = {}
    for case in cases():
        found[case.op] = found.get(case.op, 0) + 1
    return found


def applicable(
    be: Backend,
    only: Collection[str] | None = None,
    level: int | None = None,
    seed: int = 0,
) -> Iterator[Case]:
    """The cases that a backend has to pass.

    Args:
        be: the backend.
        only: ops to test; None tests all.
        level: what a device of this level has to hold; None for what the device declares.
        seed: of the numbers that operands hold.

    Raises:
        ConfigurationError: there is no such level, or the seed is negative.
    """
    check_level(level)
    if seed < 0:
        raise ConfigurationError(f"conformance: seed {seed} must be a whole number of 0 or more")
    has = declared(be)
    return (case for case in cases(only, seed) if is_wanted(case, has, level))


def undeclared(
    be: Backend, only: Collection[str] | None = None, level: int | None = None
) -> list[Undeclared]:
    """What is not tested because the device does not declare it, or because of the level."""
    has = declared(be)
    found: dict[str, int] = {}
    for case in cases(only):
        if not is_wanted(case, has, level):
            for name in why_not(case, has, level):
                found[name] = found.get(name, 0) + 1
    return [
        Undeclared(name, *how_to_declare(name, has), count) for name, count in sorted(found.items())
    ]


@contextmanager
def opened(name: str, **kwargs: Any) -> Iterator[Backend]:
    """A backend of that name as the suite needs it, closed at the end."""
    from neonport.plugins.registry import create_backend

    be: Backend = create_backend(name, **{"rng_seed": 0, **kwargs})
    be.bsz = 4
    try:
        yield be
    finally:
        be.cleanup_backend()


def run(
    backend: str | Backend,
    only: Collection[str] | None = None,
    *,
    level: int | None = None,
    seed: int = 0,
    gaps: Sequence[KnownGap] = (),
    **kwargs: Any,
) -> Iterator[Result]:
    """Run the suite on a backend.

    Args:
        backend: name of an installed backend, or a backend.
        only: ops to test; None tests all.
        level: what a device of this level has to hold (`neonport.testing.abilities.LEVELS`); None
            tests what the device declares.
        seed: of the numbers in operands of ops; 0 for the usual ones.
        gaps: failures that are known; `neonport.testing.known_gaps` reads them from a file.
        kwargs: for the constructor, if a name is given.

    Yields:
        One result a case. What the device does not declare has none; `undeclared` lists it.

    Raises:
        ConfigurationError: there is no such level, or the seed is negative.

    Example:
        failed = [r for r in run("cpu", only=["add"]) if not r.passed]
    """
    if isinstance(backend, Backend):
        yield from _run(backend, only, level, seed, gaps)
        return
    with opened(backend, **kwargs) as be:
        yield from _run(be, only, level, seed, gaps)


def _run(
    be: Backend,
    only: Collection[str] | None,
    level: int | None,
    seed: int,
    gaps: Sequence[KnownGap],
) -> Iterator[Result]:
    for case in applicable(be, only, level, seed):
        yield run_case(be, case, seed, find_gap(gaps, case))


def run_case(be: Backend, case: Case, seed: int = 0, gap: KnownGap | None = None) -> Result:
    """Run one case; an error that it raises is a failure.

    Args:
        be: the backend.
        case: one of `cases`.
        seed: of the numbers in operands.
        gap: the entry of a file of known gaps that covers it: then it has to fail.
    """
    try:
        with seeded(seed):
            outcome = case.run(be)
    except Exception as error:  # a case that fails must not stop the others
        words = printable(error, MESSAGE_LENGTH, lines=True)  # a compiler's may be a book
        outcome = Outcome(None, 0.0, f"raised {type(error).__name__}: {words}")
    passed, message = not outcome.message, outcome.message
    if gap is not None and passed:
        message = f"passes, though it is listed as a known gap ({gap.reason}); remove {gap}"
    known = gap.reason if gap is not None and not passed else ""
    right = passed if gap is None else not passed
    return Result(
        case.op,
        case.id,
        right,
        outcome.max_error,
        outcome.bound,
        message,
        outcome.unit,
        known,
    )


def find_case(op: str, case_id: str, seed: int = 0) -> Case:
    """The case of that name; see `cases`.

    Raises:
        ConfigurationError: there is none.
    """
    found = next((case for case in cases([op], seed) if case.id == case_id), None)
    if found is None:
        raise ConfigurationError(f"conformance: {op} has no case {case_id!r}")
    return found


def run_one(backend: str, op: str, case_id: str, seed: int = 0) -> Result:
    """Run one case on an installed backend: what the scripts of failures call.

    Example:
        assert run_one("cpu", "add", "float32 odd").passed
    """
    with opened(backend) as be:
        return run_case(be, find_case(op, case_id, seed), seed)
