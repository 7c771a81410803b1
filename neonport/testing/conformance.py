"""The conformance suite: what a backend must do, generated from the op table.

    from neonport.testing import conformance

    for result in conformance.run("my-backend"):
        if not result.passed:
            print(result.op, result.case_id, result.message)

`neonport conformance NAME` does the same and prints a report. The bounds are the column
`accuracy` of the op table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from neonport.backends.backend import Backend
from neonport.testing.cases import Case, Outcome
from neonport.testing.suite import (
    along_axis,
    assignment,
    branched_networks,
    elementwise,
    exchange,
    fused,
    gradients,
    layers,
    memory,
    movements,
    products,
    randomness,
    recurrences,
    recurrent_networks,
    reductions,
    stores,
    views,
    window_networks,
    windows,
)

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
    branched_networks,
    recurrent_networks,
    window_networks,
    fused,
    gradients,
    exchange,
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
    """

    op: str
    case_id: str
    passed: bool
    max_error: float | None
    bound: float
    message: str


def cases(only: Collection[str] | None = None) -> Iterator[Case]:
    """All cases, or those of some ops; they are cheap to list and do nothing until they run."""
    for suite in SUITES:
        for case in suite.cases():
            if only is None or case.op in only:
                yield case


def counts() -> dict[str, int]:
    """Number of cases of each op, in the order in which they run."""
    found: dict[str, int] = {}
    for case in cases():
        found[case.op] = found.get(case.op, 0) + 1
    return found


def applicable(
    be: Backend, only: Collection[str] | None = None, level: int | None = None
) -> Iterator[Case]:
    """The cases that a backend has to pass: those in dtypes that it does not store are left out."""
    stored = set(be.default_dtypes)
    return (case for case in cases(only) if case.needs <= stored)


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
    backend: str | Backend, only: Collection[str] | None = None, **kwargs: Any
) -> Iterator[Result]:
    """Run the suite on a backend.

    Args:
        backend: name of an installed backend, or a backend.
        only: ops to test; None tests all.
        kwargs: for the constructor, if a name is given.

    Yields:
        One result a case. Cases in dtypes that the backend does not have are left out.
    """
    if isinstance(backend, Backend):
        yield from _run(backend, only)
        return
    with opened(backend, **kwargs) as be:
        yield from _run(be, only)


def _run(be: Backend, only: Collection[str] | None) -> Iterator[Result]:
    for case in applicable(be, only):
        yield run_case(be, case)


def run_case(be: Backend, case: Case) -> Result:
    """Run one case; an error that it raises is a failure."""
    try:
        outcome = case.run(be)
    except Exception as error:  # a case that fails must not stop the others
        outcome = Outcome(None, 0.0, f"raised {type(error).__name__}: {error}")
    return Result(
        case.op, case.id, not outcome.message, outcome.max_error, outcome.bound, outcome.message
    )
