"""Find plugins through entry points, load each one under guard, keep what went wrong as data."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from neonport import settings
from neonport.plugins.attribution import attributed
from neonport.plugins.info import BackendInfo, ClassInfo, OpInfo
from neonport.plugins.kinds import KINDS
from neonport.plugins.metadata import Installed
from neonport.plugins.text import Failure, guarded, printable

if TYPE_CHECKING:
    from pluggy import PluginManager

MOST_FAILURES, MOST_BACKENDS = 20, 200  # of one plugin; what follows is not read
_Info = TypeVar("_Info")
BUILTIN_PLUGIN = "neonport.backends.builtin"
_VALUE = re.compile(r"[\w.]+(:[\w.]+)?(\s*\[.*\])?")


@dataclass
class Plugin:
    """One entry point: where it comes from and what came of it.

    `extensions` are what it brings beside backends: a kind (see `kinds`) and a description each.
    `state` is `loaded`, `broken` (see `failures`) or `blocked`; a plugin that gave good and bad
    backends is broken and still lists the good ones. `remarks` are lines on what it printed and
    warned while it was imported, and what it changed for everybody; `tried` says that it was.
    `tried_extensions` holds state and reason of each extension that was tried out.
    """

    name: str
    value: str
    distribution: str
    version: str
    state: str = "loaded"
    backends: list[BackendInfo] = field(default_factory=list)
    extensions: list[tuple[str, ClassInfo | OpInfo]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    tried: bool = False
    tried_extensions: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Distribution and version in words."""
        return f"{self.distribution} {self.version}"

    @property
    def words(self) -> str:
        """Name, distribution and version, for people."""
        return f"{self.name} ({self.origin})"

    def fail(self, failure: Failure) -> None:
        """Remember a failure."""
        self.state = "broken"
        self.failures.append(failure)


def afresh(plugin: Plugin) -> Plugin:
    """Return a plugin as it was before it was imported."""
    new = Plugin(plugin.name, plugin.value, plugin.distribution, plugin.version)
    if plugin.state == "blocked":
        new.state = "blocked"
    elif not plugin.tried:  # what its metadata is like
        new.state, new.failures = plugin.state, list(plugin.failures)
    return new


def load_target(target: Any) -> Any:
    """Return what `"module:attribute"` names; anything else is returned as it is."""
    if not isinstance(target, str):
        return target
    module, _, path = target.partition(":")
    value: Any = import_module(module)
    for attribute in path.split("."):
        value = getattr(value, attribute)
    return value


def tracer(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return a function that writes a line to stderr if NEONPORT_TRACE_PLUGINS=1."""
    if not settings.TRACE_PLUGINS.get(environ):
        return lambda message: None
    return lambda message: print(f"neonport plugins: {message}", file=sys.stderr)


def scan(seen: Iterable[Installed], trace: Callable[[str], None]) -> list[Plugin]:
    """Return the plugins that metadata announces; import none of them."""
    plugins = []
    for found in seen:
        origin = (found.distribution, found.version)
        plugins += [Plugin(name, value, *origin) for name, value in found.points]
        if found.failure:
            plugins.append(Plugin("?", "?", *origin, "broken", failures=[found.failure]))
    for plugin in plugins:
        trace(f"found {plugin.name} = {plugin.value} ({plugin.origin})")
    return plugins


def import_plugin(plugin: Plugin) -> Any:
    """Import what an entry point names.

    Raises:
        ValueError: its value names no module.
    """
    if not _VALUE.fullmatch(plugin.value):
        raise ValueError(
            f"the entry point {plugin.name} = {plugin.value} does not read 'module' or "
            "'module:attribute'"
        )
    target = plugin.value.partition("[")[0].strip()
    return load_target(target) if ":" in target else import_module(target)


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
    stage = f"importing {plugin.value}"
    trace(f"{stage} ({plugin.origin})")
    with attributed(plugin.words, plugin.remarks, stage):
        module, failure = guarded(stage, loader)
    with attributed(plugin.words, plugin.remarks, "calling its hooks"):
        if not failure:
            failure = _call_hooks(manager, module, plugin)
    if failure:
        plugin.fail(failure)
    brought = [*plugin.backends, *(info for _, info in plugin.extensions)]
    names = ", ".join(info.name for info in brought) or "nothing"
    trace(f"{plugin.name} ({plugin.origin}) brings {names}; {plugin.state}")
    for problem in plugin.failures:
        trace(f"{plugin.name} ({plugin.origin}) failed {problem.reason}")
    return plugin


def _call_hooks(manager: PluginManager, module: Any, plugin: Plugin) -> Failure | None:
    """Register a plugin and collect what its hook returns."""
    unique = f"{plugin.distribution}:{plugin.name}"
    _, failure = guarded("registering its hooks", _register, manager, module, unique, plugin)
    if failure:
        return failure
    plugin.backends += _answers(manager, "register_backends", BackendInfo, plugin, module)
    for row in KINDS.values():
        found: list[Any] = _answers(manager, row.hook, row.info, plugin, module)
        plugin.extensions += [(row.name, info) for info in found]
    return None


def _answers(
    manager: PluginManager, hook: str, info: type[_Info], plugin: Plugin, module: Any
) -> list[_Info]:
    """What one hook of a plugin returns; what is wrong with it becomes failures of the plugin."""
    stage, before = f"calling {hook}", len(plugin.failures)
    if not any(caller.name == hook for caller in manager.get_hookcallers(module) or ()):
        return []
    caller = manager.subset_hook_caller(hook, [p for p in manager.get_plugins() if p is not module])
    answers, failure = guarded(stage, caller)
    if not failure and not answers:
        failure = Failure(stage, TypeError(f"expected {info.__name__} entries, got None"))
    if failure:
        plugin.fail(failure)
    good = [item for answer in answers or [] for item in _flatten(answer, info, hook, plugin)]
    if not good and len(plugin.failures) == before:
        what = hook.partition("_")[2].removesuffix("s")
        plugin.remarks.append(f"{stage}: it brings no {what}")
    return good


def _register(manager: PluginManager, module: Any, name: str, plugin: Plugin) -> None:
    """Hand a plugin to pluggy; what neonport would never call is an error, or it would be silent.

    A hook of a later neonport is none, as long as its name is not nearly that of a hook of today.
    """
    if manager.is_registered(module):  # another entry point of its names it too
        return
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
    name, file = getattr(module, "__name__", None), getattr(module, "__file__", None)
    if not name:
        return f"a {printable(type(module).__name__)}"
    return f"module {printable(name)}" + (f" (from {printable(file)})" if file else "")


def _hooks(manager: PluginManager) -> list[str]:
    """Names of the hooks that there are."""
    from neonport.plugins import hookspecs

    return sorted(name for name in vars(hookspecs) if manager.parse_hookspec_opts(hookspecs, name))


def _flatten(answer: Any, info: type[_Info], hook: str, plugin: Plugin) -> list[_Info]:
    """Return the descriptions in a hook's answer; others become failures of the plugin.

    Entries that came before an error count.
    """
    stage = f"reading what {hook} returned"
    if isinstance(answer, info):
        answer = (answer,)
    good: list[_Info] = []
    remaining, failure = guarded(stage, iter, answer)
    while remaining is not None:
        item, failure = guarded(stage, next, remaining, remaining)
        if failure or item is remaining:
            break
        if len(good) == MOST_BACKENDS:
            what = hook.partition("_")[2]
            failure = Failure(stage, ValueError(f"more than {MOST_BACKENDS} {what}"))
            break
        if isinstance(item, info):
            good.append(item)
        elif len(plugin.failures) < MOST_FAILURES:
            kind = printable(type(item).__name__)
            plugin.fail(
                Failure(stage, TypeError(f"expected {info.__name__} entries, got a {kind}"))
            )
        else:
            break
    if failure:
        plugin.fail(failure)
    return good
