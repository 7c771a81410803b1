"""The conformance suite as tests of pytest: one a case.

A package that brings a backend has this file among its tests:

    from neonport.testing.suite import *  # noqa: F403

    BACKEND = "npu"            # name of the installed backend
    LEVEL = 1                  # optional: what a device of this level has to hold
    SEED = 0                   # optional: of the numbers in operands
    XFAILS = "xfails.toml"     # optional: cases known to fail, beside this file

Then `pytest`, `pytest -k conv`, `pytest -n 4` work as with any other test. See
`neonport.testing.known_gaps` for the file of known gaps. What the device does not declare is listed
as skipped, in one line each; all that it declares is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from neonport.backends.backend import Backend
from neonport.errors import ConfigurationError, NeonportError
from neonport.testing import conformance
from neonport.testing.abilities import Undeclared
from neonport.testing.cases import Case
from neonport.testing.known_gaps import KnownGap, find_gap, read_known_gaps, unused
from neonport.testing.reports.reproduction import script

CASE, LACK = "conformance_case", "conformance_lack"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each case that the backend of the module has to pass."""
    if CASE in metafunc.fixturenames:
        gaps = _gaps(metafunc.module)
        cases = _cases(metafunc.module)
        metafunc.parametrize(CASE, [_parameter(case, find_gap(gaps, case)) for case in cases])
    if LACK in metafunc.fixturenames:
        lacks = _collected(metafunc.module).lacks
        metafunc.parametrize(LACK, lacks or [None], ids=[x.name for x in lacks] or ["nothing"])


def _parameter(case: Case, gap: KnownGap | None) -> Any:
    marks = [pytest.mark.xfail(reason=gap.reason, strict=True)] if gap else []
    return pytest.param(case, id=f"{case.op}: {case.id}", marks=marks)


def _setting(module: Any, name: str, kind: type, what: str) -> Any:
    """A name that the test module may set.

    Raises:
        ConfigurationError: it is of the wrong type.
    """
    value = getattr(module, name, None)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise ConfigurationError(f"{module.__name__}: {name} is {what}; got {value!r}")
    return value


def _name(module: Any) -> str:
    name = _setting(module, "BACKEND", str, "the name of an installed backend")
    if not name:
        raise ConfigurationError(
            f'{module.__name__}: say which backend is tested, in a line BACKEND = "name"; '
            "`neonport doctor` lists the installed ones"
        )
    return str(name)


def _level(module: Any) -> int | None:
    level: int | None = _setting(module, "LEVEL", int, "a level, 0 to 3")
    return level


def _seed(module: Any) -> int:
    return int(_setting(module, "SEED", int, "a whole number") or 0)


def _gaps(module: Any) -> list[KnownGap]:
    path = _setting(module, "XFAILS", str, "the path of a TOML file, relative to the test file")
    return read_known_gaps(Path(module.__file__).parent / path) if path else []


class Collected(NamedTuple):
    """What is tested in a module, and what is not.

    Attributes:
        key: backend, level and seed.
        cases: those that have to pass.
        lacks: what the device does not declare.
    """

    key: tuple[str, int | None, int]
    cases: list[Case]
    lacks: list[Undeclared]


def _collected(module: Any) -> Collected:
    """The cases of the module's backend, listed once a module.

    Raises:
        pytest.fail.Exception: the backend cannot be made; a suite that runs nothing is no success.
    """
    key = name, level, seed = (_name(module), _level(module), _seed(module))
    found: Collected | None = getattr(module, "_conformance_cases", None)
    if found is None or found.key != key:
        try:
            with conformance.opened(name) as be:
                cases = list(conformance.applicable(be, level=level, seed=seed))
                found = Collected(key, cases, conformance.undeclared(be, level=level))
        except NeonportError as error:
            pytest.fail(f"{type(error).__name__}: {error}", pytrace=False)
        module._conformance_cases = found
    return found


def _cases(module: Any) -> list[Case]:
    return _collected(module).cases


@pytest.fixture(scope="module")
def conformance_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """The backend under test, one for all cases of the module."""
    with conformance.opened(_name(request.module)) as be:
        yield be


def test_conformance(
    request: pytest.FixtureRequest, conformance_backend: Backend, conformance_case: Case
) -> None:
    """The backend passes the case."""
    seed = _seed(request.module)
    result = conformance.run_case(conformance_backend, conformance_case, seed)
    if not result.passed:
        reproduced = script(conformance_backend, conformance_case, result, seed)
        pytest.fail(f"{result.message}\n\n{reproduced}", pytrace=False)


def test_what_is_not_declared(conformance_lack: Undeclared | None) -> None:
    """List a dtype or an ability that the device does not declare."""
    if conformance_lack is not None:
        pytest.skip(str(conformance_lack))


def test_known_gaps(request: pytest.FixtureRequest) -> None:
    """Every entry of the file of known gaps covers a case."""
    gaps = _gaps(request.module)
    stale = unused(gaps, _cases(request.module))
    if stale:
        listed = "; ".join(map(str, stale))
        pytest.fail(f"no case that runs fits these entries, remove them: {listed}", pytrace=False)
