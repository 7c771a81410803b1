"""Foreign code run under guard for one backend: its probe and its factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from neonport.errors import BackendUnavailable, NeonportError
from neonport.plugins.discovery import Failure, guarded, load_target
from neonport.plugins.info import BackendInfo, ProbeResult
from neonport.plugins.names import Entry
from neonport.plugins.status import Status, explain, status

# What a constructor raises to say that the *arguments* are wrong: handed on as it is.
_ARGUMENT_ERRORS = (NeonportError, ValueError, TypeError, MemoryError)
_NEEDED_METHODS = ("empty", "cleanup_backend")


def ask(entry: Entry) -> Status:
    """Run the probe of an entry; whatever goes wrong becomes its state."""
    info = entry.info
    if entry.state != "installed" or info is None:
        return status(entry)
    result, failure = guarded("probing it", _probe, info)
    return status(entry, result, failure)


def construct(entry: Entry, keywords: Mapping[str, Any]) -> Any:
    """Call the factory of an entry.

    Raises:
        BackendUnavailable: from whatever else than a complaint about the arguments came up.
    """
    assert entry.info is not None  # only an announced backend can be asked for
    target = entry.info.factory
    factory, failure = guarded("importing it", load_target, target)
    if not failure:
        be, failure = guarded("constructing it", lambda: factory(**keywords))  # type: ignore[misc]
        if failure and isinstance(failure.error, _ARGUMENT_ERRORS):
            raise failure.error
    if not failure:
        missing = [m for m in _NEEDED_METHODS if not callable(getattr(be, m, None))]
        if not missing:
            return be
        text = f"the factory made a {type(be).__name__}, which has no {' and no '.join(missing)}"
        failure = Failure("checking its type", TypeError(text))
    raise BackendUnavailable(explain(status(entry, failure=failure))) from failure.error


def _probe(info: BackendInfo) -> ProbeResult:
    """Ask the backend's own probe, or its factory's; one without either counts as ready."""
    probe: Callable[[], Any] | None = load_target(info.probe)
    if probe is None:
        factory = load_target(info.factory)
        if not callable(factory):
            raise TypeError(f"{info.factory} is a {type(factory).__name__}, not a factory")
        probe = getattr(factory, "probe", None)
    result = probe() if probe else ProbeResult("ready", reason="it has no probe")
    if not isinstance(result, ProbeResult):
        raise TypeError(f"the probe must return a ProbeResult, got a {type(result).__name__}")
    return result
