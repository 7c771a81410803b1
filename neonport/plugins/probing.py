"""Foreign code run under guard for one backend: its probe and its factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from neonport.errors import BackendUnavailable, NeonportError
from neonport.plugins.discovery import Failure, guarded, load_target, printable
from neonport.plugins.info import BackendInfo, ProbeResult
from neonport.plugins.names import Entry
from neonport.plugins.status import Status, explain, status

# What a constructor raises to say that the *arguments* are wrong: handed on as it is.
_ARGUMENT_ERRORS = (NeonportError, ValueError, TypeError, MemoryError)
_NEEDED = ("array", "cleanup_backend", "device", "empty", "executor")


def ask(entry: Entry, try_out: bool = False) -> Status:
    """Run the probe of an entry; whatever goes wrong becomes its state.

    Args:
        entry: what a plugin announced.
        try_out: also construct a backend that says it is ready, and close it again.
    """
    info = entry.info
    if entry.state != "installed" or info is None:
        return status(entry)
    result, failure = guarded("probing it", _probe, info)
    if result and result.state == "ready":
        _, failure = guarded("checking its type", _check_factory, info)
        if try_out and not failure:
            failure = _try_out(info)
    return status(entry, result, failure)


def _try_out(info: BackendInfo) -> Failure | None:
    """Construct a backend and close it."""
    be, failure = _made(info, {})
    if not failure:
        _, failure = guarded("closing it", be.cleanup_backend)
    return failure


def _made(info: BackendInfo, keywords: Mapping[str, Any]) -> tuple[Any, Failure | None]:
    """What the factory makes, or why that is no backend."""
    factory, failure = guarded("importing it", load_target, info.factory)
    if not failure:
        be, failure = guarded("constructing it", lambda: factory(**keywords))  # type: ignore[misc]
    if failure:
        return None, failure
    missing = [name for name in _NEEDED if not hasattr(be, name)]
    if missing:
        text = (
            f"the factory made a {printable(type(be).__name__)}, which has no "
            f"{' and no '.join(missing)}; a backend derives from neonport.backends.backend.Backend"
        )
        return None, Failure("checking its type", TypeError(text))
    return be, None


def _check_factory(info: BackendInfo) -> None:
    """Say what a class lacks before anybody constructs it."""
    factory = load_target(info.factory)
    if not callable(factory):
        raise TypeError(f"{info.factory} is a {type(factory).__name__}, not a factory")
    for part in (factory, getattr(factory, "device_class", None)):
        missing = sorted(getattr(part, "__abstractmethods__", None) or ())
        if missing:
            name = printable(getattr(part, "__name__", part))
            raise TypeError(f"{name} does not define {', '.join(missing)}")


def construct(entry: Entry, keywords: Mapping[str, Any]) -> Any:
    """Call the factory of an entry.

    Raises:
        BackendUnavailable: from whatever else than a complaint about the arguments came up.
    """
    assert entry.info is not None  # only an announced backend can be asked for
    be, failure = _made(entry.info, keywords)
    if not failure:
        return be
    if failure.stage == "constructing it" and isinstance(failure.error, _ARGUMENT_ERRORS):
        raise failure.error
    raise BackendUnavailable(explain(status(entry, failure=failure))) from failure.error


def _probe(info: BackendInfo) -> ProbeResult:
    """Ask the backend's own probe, or its factory's; one without either counts as ready."""
    probe: Callable[[], Any] | None = load_target(info.probe)
    if probe is None:
        probe = getattr(load_target(info.factory), "probe", None)
    result = probe() if probe else ProbeResult("ready", reason="it has no probe")
    if not isinstance(result, ProbeResult):
        raise TypeError(f"the probe must return a ProbeResult, got a {type(result).__name__}")
    return replace(result, device=printable(result.device), reason=printable(result.reason))
