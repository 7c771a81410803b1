"""Find plugins through entry points, load each one under guard, keep what went wrong as data."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from neonport import settings
from neonport.plugins.info import BackendInfo

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from pluggy import PluginManager

GROUP = "neonport"
MOST_FAILURES = 20  # of one plugin; what follows is not read
REASON_LENGTH, TRACEBACK_LENGTH = 1_000, 50_000  # characters
BUILTIN_PLUGIN = "neonport.backends.builtin"
_T = TypeVar("_T")


def printable(value: Any, length: int = REASON_LENGTH, lines: bool = False) -> str:
    """What foreign code says of itself, as text that any terminal and any JSON reader takes.

    Args:
        value: a string, or anything that `str` describes; "" if it cannot.
        length: characters that are kept; the middle is left out.
        lines: whether line breaks are kept.
    """
    try:
        text = str(value)
    except Exception:  # an object of a foreign class may fail to describe itself
        return ""
    if len(text) > length:
        cut = f" [... {len(text) - length} characters left out ...] "
        text = text[: length // 2] + cut + text[-(length // 2) :]
    if not lines:
        text = " ".join(text.split())
    # no lone surrogates, which have no UTF-8; no bytes that move a terminal's cursor
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if c.isprintable() or (lines and c in "\n\t") else f"\\x{ord(c):02x}" for c in text
    )


@dataclass(frozen=True)
class Failure:
    """One thing a plugin did wrong, and when."""

    stage: str
    error: BaseException

    @property
    def reason(self) -> str:
        """Stage, class and message of the error in one line that can be printed."""
        text = printable(self.error)
        return f"{self.stage}: {printable(type(self.error).__name__)}{': ' if text else ''}{text}"

    @property
    def traceback(self) -> str:
        """The traceback as text that can be printed."""
        try:
            text = "".join(traceback.format_exception(self.error))
        except Exception:  # it describes the error, which may be unable to
            return self.reason
        return printable(text, TRACEBACK_LENGTH, lines=True)


@dataclass
class Plugin:
    """One entry point: where it comes from and what came of it.

    `state` is `loaded`, `broken` (see `failures`) or `blocked`; a plugin that gave good and bad
    backends is broken and still lists the good ones.
    """

    name: str
    value: str
    distribution: str
    version: str
    state: str = "loaded"
    backends: list[BackendInfo] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """Distribution and version in words."""
        return f"{self.distribution} {self.version}"

    def fail(self, failure: Failure) -> None:
        """Remember a failure."""
        self.state = "broken"
        self.failures.append(failure)


def guarded(
    stage: str, call: Callable[..., _T], *arguments: Any
) -> tuple[_T | None, Failure | None]:
    """Run foreign code; anything it raises, `sys.exit` included, comes back as data."""
    try:
        return call(*arguments), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit is not an Exception, and must not end the host
        return None, Failure(stage, error)


def load_target(target: Any) -> Any:
    """Return what `"module:attribute"` names; anything else is returned as it is."""
    if not isinstance(target, str):
        return target
    module, _, path = target.partition(":")
    value: Any = import_module(module)
    for attribute in path.split("."):
        value = getattr(value, attribute)
    return value


def canonical(name: str) -> str:
    """Spell a distribution or entry-point name the way packaging compares them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def tracer(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return a function that writes a line to stderr if NEONPORT_TRACE_PLUGINS=1."""
    if not settings.TRACE_PLUGINS.get(environ):
        return lambda message: None
    return lambda message: print(f"neonport plugins: {message}", file=sys.stderr)


def _entry_points(distribution: Any) -> list[EntryPoint]:
    """Return a distribution's entry points of our group, or nothing without parsing the others."""
    text = distribution.read_text("entry_points.txt") or ""
    if not re.search(rf"^\s*\[\s*{GROUP}\s*\]", text, re.MULTILINE):
        return []
    return [point for point in distribution.entry_points if point.group == GROUP]


def scan(trace: Callable[[str], None]) -> list[tuple[Plugin, EntryPoint | None]]:
    """Read the metadata of everything installed; import none of it.

    Unlike `importlib.metadata.entry_points`, one damaged metadata folder spoils only itself.
    """
    from importlib.metadata import distributions

    found: dict[str, list[tuple[Plugin, EntryPoint | None]]] = {}
    listed: list[Any] | None
    listed, failure = guarded("listing what is installed", list, distributions())
    if failure:
        return [(Plugin("?", "?", "?", "?", "broken", failures=[failure]), None)]
    for distribution in listed or []:
        points, failure = guarded("reading entry_points.txt", _entry_points, distribution)
        if not points and not failure:
            continue
        name, _ = guarded("reading its name", getattr, distribution, "name")
        version, _ = guarded("reading its version", getattr, distribution, "version")
        origin = (printable(name or "unnamed distribution"), printable(version or "?"))
        key = canonical(origin[0])
        if key in found:  # the first one on sys.path is the one that gets imported
            continue
        if failure:
            found[key] = [(Plugin("?", "?", *origin, "broken", failures=[failure]), None)]
        else:
            found[key] = [
                (Plugin(printable(p.name), printable(p.value), *origin), p)
                for p in sorted(points or [], key=lambda p: (p.name, p.value))
            ]
    plugins = [pair for key in sorted(found) for pair in found[key]]
    for plugin, _ in plugins:
        trace(f"found {plugin.name} = {plugin.value} ({plugin.origin})")
    return plugins


def new_manager(environ: Mapping[str, str]) -> PluginManager:
    """Return a pluggy manager that knows neonport's hooks."""
    import pluggy

    from neonport.plugins import hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    if settings.TRACE_PLUGINS.get(environ):
        manager.trace.root.setwriter(lambda text: sys.stderr.write(f"neonport plugins: {text}"))
        manager.enable_tracing()
    return manager


def load(
    manager: PluginManager,
    plugin: Plugin,
    loader: Callable[[], Any],
    trace: Callable[[str], None],
) -> Plugin:
    """Import one plugin, call its hook, check what it returns; `plugin` keeps all of it.

    Each plugin is called alone, because one that raises would take the others' answers with it.
    """
    trace(f"importing {plugin.value} ({plugin.origin})")
    module, failure = guarded(f"importing {plugin.value}", loader)
    if not failure:
        unique = f"{plugin.distribution}:{plugin.name}"
        _, failure = guarded("registering its hooks", _register, manager, module, unique, plugin)
    if not failure:
        others = [p for p in manager.get_plugins() if p is not module]
        caller = manager.subset_hook_caller("register_backends", others)
        answers, failure = guarded("calling register_backends", caller)
    if not failure:
        for answer in answers or []:
            for item in _flatten(answer, plugin):
                plugin.backends.append(item)
    if failure:
        plugin.fail(failure)
    names = ", ".join(info.name for info in plugin.backends) or "no backend"
    trace(f"{plugin.name} ({plugin.origin}) brings {names}; {plugin.state}")
    for problem in plugin.failures:
        trace(f"{plugin.name} ({plugin.origin}) failed {problem.reason}")
    return plugin


def _register(manager: PluginManager, module: Any, name: str, plugin: Plugin) -> None:
    """Hand a plugin to pluggy; what neonport would never call is an error, or it would be silent.

    A hook of a later neonport is none, as long as its name is not nearly that of a hook of today.
    """
    manager.register(module, name)
    callers = manager.get_hookcallers(module) or []
    known = {caller.name for caller in callers if caller.spec is not None}
    for unknown in sorted({caller.name for caller in callers} - known):
        import difflib  # for a mistake only

        close = difflib.get_close_matches(unknown, _hooks(manager), 1, cutoff=0.8)
        if close:
            plugin.fail(
                Failure(
                    "registering its hooks",
                    TypeError(f"there is no hook {unknown}; did you mean {close[0]}?"),
                )
            )
    if not known and not plugin.failures:
        hooks, strange = " or ".join(_hooks(manager)), ", ".join(c.name for c in callers)
        raise TypeError(
            f"{_words(module)} implements no neonport hook{f' ({strange} is none)' * bool(strange)}"
            f"; mark {hooks} with @neonport.plugins.hookspecs.hookimpl"
        )


def _words(module: Any) -> str:
    """A plugin's module in words."""
    name = getattr(module, "__name__", None)
    return f"module {printable(name)}" if name else f"a {printable(type(module).__name__)}"


def _hooks(manager: PluginManager) -> list[str]:
    """Names of the hooks that there are."""
    from neonport.plugins import hookspecs

    return sorted(name for name in vars(hookspecs) if manager.parse_hookspec_opts(hookspecs, name))


def _flatten(answer: Any, plugin: Plugin) -> Iterable[BackendInfo]:
    """Return the BackendInfo entries of a hook's answer; others become failures of the plugin.

    Entries that came before an error count.
    """
    stage = "reading what register_backends returned"
    if isinstance(answer, BackendInfo):
        answer = (answer,)
    good: list[BackendInfo] = []
    remaining, failure = guarded(stage, iter, answer)
    while remaining is not None:
        item, failure = guarded(stage, next, remaining, remaining)
        if failure or item is remaining:
            break
        if isinstance(item, BackendInfo):
            good.append(item)
        elif len(plugin.failures) < MOST_FAILURES:
            kind = printable(type(item).__name__)
            plugin.fail(Failure(stage, TypeError(f"expected BackendInfo entries, got a {kind}")))
        else:
            break
    if failure:
        plugin.fail(failure)
    return good
