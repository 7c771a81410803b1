"""Foreign code run under guard for one backend: its probe and its factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from neonport.errors import BackendUnavailable, NeonportError
from neonport.plugins.attribution import attributed
from neonport.plugins.discovery import BUILTIN_PLUGIN, Plugin, load_target
from neonport.plugins.info import BackendInfo, ProbeResult
from neonport.plugins.names import Entry
from neonport.plugins.status import Status, explain, status
from neonport.plugins.text import Failure, guarded, printable
from neonport.plugins.trial import abilities, try_statements

# What a constructor raises to say that the *arguments* are wrong: handed on as it is.
_ARGUMENT_ERRORS = (NeonportError, ValueError, TypeError, MemoryError)
_NEEDED = ("array", "cleanup_backend", "device", "empty", "executor")


def ask(entry: Entry, try_out: bool = False) -> Status:
    """Run the probe of an entry; whatever goes wrong becomes its state.

    Args:
        entry: what a plugin announced.
        try_out: also construct a backend that says it is ready, run a few statements on it, and
            close it again.
    """
    info = entry.info
    if entry.state != "installed" or info is None:
        return status(entry)
    failure = _imported(info, entry.plugin)
    result = None
    if not failure:
        result, failure = guarded("probing it", _probe, info)
    able: Mapping[str, Any] | None = None
    if result and result.state == "ready":
        _, failure = guarded("checking its type", _check_factory, info)
        if try_out and not failure:
            able, failure = _try_out(info)
    return status(entry, result, failure, able)


def _imported(info: BackendInfo, plugin: Plugin) -> Failure | None:
    """Import the probe, or else the backend; what it prints carries the plugin's name."""
    target = info.factory if info.probe is None else info.probe
    if plugin.value == BUILTIN_PLUGIN or not isinstance(target, str):
        return None
    stage = f"importing {target.partition(':')[0]}"
    with attributed(plugin.words, plugin.remarks, stage):
        return guarded(stage, load_target, target)[1]


def _try_out(info: BackendInfo) -> tuple[Mapping[str, Any] | None, Failure | None]:
    """Construct a backend, use it and close it."""
    be, failure = _made(info, {})
    if failure:
        return None, failure
    able, failure = guarded("asking its device", abilities, be)
    if not failure:
        _, failure = guarded("running statements on it", try_statements, be)
    _, failed = guarded("closing it", be.cleanup_backend)
    return able, failure or failed


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
    return replace(
        result,
        device=printable(result.device),
        reason=printable(result.reason),
        capabilities=tuple(float(number) for number in result.capabilities),
        devices=tuple(printable(device) for device in result.devices),
    )
