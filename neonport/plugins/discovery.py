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
BUILTIN_PLUGIN = "neonport.backends.builtin"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Failure:
    """One thing a plugin did wrong, and when."""

    stage: str
    error: BaseException

    @property
    def reason(self) -> str:
        """Stage, class and message of the error in one line."""
        try:
            text = " ".join(str(self.error).split())
        except Exception:  # an error of a foreign class may fail to describe itself
            text = ""
        return f"{self.stage}: {type(self.error).__name__}{': ' if text else ''}{text}"

    @property
    def traceback(self) -> str:
        """The whole traceback as text."""
        return "".join(traceback.format_exception(self.error))


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
        origin = (str(name or "unnamed distribution"), str(version or "?"))
        key = canonical(origin[0])
        if key in found:  # the first one on sys.path is the one that gets imported
            continue
        if failure:
            found[key] = [(Plugin("?", "?", *origin, "broken", failures=[failure]), None)]
        else:
            found[key] = [
                (Plugin(p.name, p.value, *origin), p)
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
        _, failure = guarded("registering its hooks", _register, manager, module, unique)
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


def _register(manager: PluginManager, module: Any, name: str) -> None:
    """Hand a plugin to pluggy; a thing without any hook is an error, or it would be silent."""
    manager.register(module, name)
    if not manager.get_hookcallers(module):
        raise TypeError(
            f"{module!r} implements no neonport hook; mark register_backends with "
            "@neonport.plugins.hookspecs.hookimpl"
        )


def _flatten(answer: Any, plugin: Plugin) -> Iterable[BackendInfo]:
    """Return the BackendInfo entries of a hook's answer; others become failures of the plugin."""
    stage = "reading what register_backends returned"
    if isinstance(answer, BackendInfo):
        answer = (answer,)
    items: list[Any] | None
    items, failure = guarded(stage, list, answer)
    if failure:
        plugin.fail(failure)
    good = []
    for item in items or []:
        if isinstance(item, BackendInfo):
            good.append(item)
        else:
            kind = type(item).__name__
            plugin.fail(Failure(stage, TypeError(f"expected BackendInfo entries, got a {kind}")))
    return good
