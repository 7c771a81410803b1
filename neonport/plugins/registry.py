"""Names to backends: lazy, guarded, deterministic.

Nothing is discovered on import. A built-in name asks only the built-in plugin. Another name reads
what is installed, and imports the plugins whose entry point has that name; all of them only where
none has. A listing of names imports nothing. What was installed or removed since is noticed.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from typing import Any

from neonport import settings
from neonport.errors import BackendUnavailable, ConfigurationError, UnknownBackendError
from neonport.foundation.fork import call_in_child
from neonport.plugins import discovery, metadata
from neonport.plugins.attribution import PluginWarning
from neonport.plugins.discovery import Plugin
from neonport.plugins.extensions import Extensions
from neonport.plugins.extensions import build as build_extensions
from neonport.plugins.info import PROTOCOL, BackendInfo, ProbeResult
from neonport.plugins.metadata import canonical
from neonport.plugins.names import NEON_NAMES, RESERVED, Catalogue, Entry, build
from neonport.plugins.probing import ask, construct
from neonport.plugins.status import Status, explain

__all__ = [
    "NEON_NAMES",
    "PROTOCOL",
    "RESERVED",
    "BackendInfo",
    "PluginWarning",
    "ProbeResult",
    "Registry",
    "Status",
    "backend_choices",
    "create_backend",
    "default_backend",
    "examine",
    "extensions",
    "plugins",
    "probe",
    "require",
    "reset",
    "statuses",
]


class Registry:
    """Everything known about backends in this process.

    Args:
        environ: where NEONPORT_BACKEND, NEONPORT_BLOCK, NEONPORT_DISABLE_PLUGINS and
            NEONPORT_TRACE_PLUGINS are read, the last three once, at discovery.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._renew_lock()
        self.reset()
        call_in_child(self, Registry._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()
        self._scanning = False

    def reset(self) -> None:
        """Forget all that is known, imported plugins included."""
        with self._lock:
            self._manager: Any = None
            self._builtin_plugin: Plugin | None = None
            self._builtin: Catalogue | None = None
            self._seen: tuple[metadata.Installed, ...] | None = None
            self._said: set[str] = set()
            self._import_afresh = False
            self._scanning = False
            self._forget_foreign()

    def _forget_foreign(self) -> None:
        self._foreign: list[Plugin] = []
        self._partial: dict[str, Catalogue] = {}
        self._everything: Catalogue | None = None
        self._surveyed: tuple[Catalogue, list[Status]] | None = None
        self._ready: set[str] = set()

    def default(self) -> str:
        """Return the name used when none is given: $NEONPORT_BACKEND or `cpu`, nothing else."""
        return settings.BACKEND.get(self._environ)

    def choices(self, aliases: bool = False) -> list[str]:
        """Return the sorted names of what is installed, usable or not; imports nothing.

        A plugin that was not imported yet is listed by the name of its entry point.

        Args:
            aliases: also list aliases, for which every plugin is imported.
        """
        if aliases:
            found = self._catalogue()
            names = [e.name for e in found.entries.values() if e.state != "not-installed"]
            return sorted([*names, *(a for a, name in found.aliases.items() if name in names)])
        with self._lock:
            foreign = self._installed()
            if self._everything is not None:
                entries = self._everything.entries.values()
                return sorted(e.name for e in entries if e.state != "not-installed")
            return sorted({*RESERVED, *(p.name for p in foreign if p.name not in NEON_NAMES)})

    def plugins(self) -> list[Plugin]:
        """Return every plugin found, the built-in one first, with what went wrong in it."""
        self._catalogue()
        return [self._own_plugin(), *self._foreign]

    def probe(self, name: str) -> Status:
        """Ask a backend what it finds on this machine; a failure is an answer too.

        Raises:
            UnknownBackendError: nothing of that name is known.
        """
        return ask(self._resolve(name))

    def statuses(self, try_out: bool = False) -> list[Status]:
        """Probe everything: one row a backend, in the order of listings, rejected ones last.

        Args:
            try_out: also construct and close what says it is ready.
        """
        found = self._catalogue()
        return [ask(entry, try_out) for entry in (*found.entries.values(), *found.rejected)]

    def examine(self) -> tuple[list[Status], list[Plugin]]:
        """Try out everything, each plugin of another distribution in a process of its own.

        Whatever a plugin does (it hangs, ends the process, changes what is everybody's), this
        process is untouched, and the answer names the plugin. What `NEONPORT_PLUGIN_TIMEOUT` says
        is how long each may take.

        Returns:
            A row for each backend as `statuses` has them, and all plugins.
        """
        found, foreign, rows = self._examined(try_out=True)
        self._warn(found)
        return rows, [self._own_plugin(), *foreign]

    def _examined(self, try_out: bool) -> tuple[Catalogue, list[Plugin], list[Status]]:
        """Ask everything, as `examine` says; return names, plugins of others, and rows."""
        from neonport.plugins import isolation

        with self._lock:
            if self._scanning:
                raise RuntimeError("a plugin asks for the list of backends while it is imported")
            builtin = self._own_plugin()
            foreign = [discovery.afresh(plugin) for plugin in self._installed()]
        rows = isolation.examine([p for p in foreign if p.state == "loaded"], try_out)
        found = build(builtin, foreign, self._blocked)
        entries = (*found.entries.values(), *found.rejected)
        answers = [
            ask(entry, try_out) if entry.plugin is builtin else isolation.row(entry, rows)
            for entry in entries
        ]
        return found, foreign, answers

    def _survey(self) -> tuple[Catalogue, list[Status]]:
        """Say which names and aliases everything installed brings, without importing it here."""
        if not sys.executable:  # Python is a part of another program, and starts no processes
            found = self._catalogue()
            return found, self.statuses()
        with self._lock:
            if self._everything is None:
                self._installed()
            known = self._surveyed
        if known is None:
            found, _, rows = self._examined(try_out=False)
            self._surveyed = known = (found, rows)
        return known

    def extensions(self, package: str | None = None) -> Extensions:
        """Return what plugins bring beside backends; nothing while one of them is imported.

        Args:
            package: ask only the plugins whose module is in this package; None asks all.
        """
        with self._lock:
            if self._scanning:
                return Extensions()
            asked = [
                plugin
                for plugin in self._installed()
                if package is None or re.split(r"\W", plugin.value, maxsplit=1)[0] == package
            ]
            with self._alone():
                for plugin in asked:
                    self._load(plugin)
            found = build_extensions(asked)
        self._warn(found)
        return found

    def require(self, name: str) -> Entry:
        """Return the entry of a backend that can be constructed here.

        Raises:
            UnknownBackendError: nothing of that name is known.
            BackendUnavailable: it cannot be used; the message says why and what to do.
        """
        entry = self._resolve(name)
        if entry.name not in self._ready:
            row = ask(entry)
            if row.state != "ready":
                raise BackendUnavailable(explain(row, self._source(name))) from row.error
            self._ready.add(entry.name)
        return entry

    def create(self, name: str, **keywords: Any) -> Any:
        """Construct a backend.

        Args:
            name: its name or an alias.
            keywords: rng_seed, default_dtype, stochastic_round, device_id, num_devices,
                compat_mode, deterministic.

        Raises:
            UnknownBackendError, BackendUnavailable: see `require`. Complaints about the arguments
                (ValueError, TypeError, ...) come through as the constructor raised them.
        """
        return construct(self.require(name), keywords)

    def _resolve(self, name: str) -> Entry:
        """Return the entry of a name; built-in names do not cause a scan."""
        if not isinstance(name, str):
            raise ConfigurationError(
                f"a backend is named by a string, such as 'cpu', not by a {type(name).__name__}"
            )
        key = NEON_NAMES.get(name, name)
        if key in RESERVED:
            return self._builtin_catalogue().entries[key]
        entry = self._announced(key) or self._claimed(key)
        if entry is None:
            raise UnknownBackendError(self._unknown(name))
        return entry

    def _unknown(self, name: str) -> str:
        """Say which names there are, in which state each of them is, and what was perhaps meant."""
        found, rows = self._survey()
        rows = rows[: len(found.entries)]  # without those that were refused a name
        ready = ", ".join(row.name for row in rows if row.state == "ready") or "none"
        others = "; ".join(
            f"{row.name} ({row.state}{f': {row.reason}' if row.reason else ''})"
            for row in rows
            if row.state != "ready"
        )
        aliases = ", ".join(f"{a} means {n}" for a, n in sorted(found.aliases.items()))
        import difflib  # for a mistake only

        close = difflib.get_close_matches(name, [*found.entries, *found.aliases], 1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        off = " Plugins are switched off by NEONPORT_DISABLE_PLUGINS." if self._disabled else ""
        rest = f" Known, but not ready: {others}." if others else ""
        return (
            f"unknown backend {name!r}{self._source(name)}.{guess} Ready: {ready}; {aliases}."
            f"{rest}{off}"
        )

    def _source(self, name: str) -> str:
        """Where a name may come from, if not from the caller."""
        set_to = settings.BACKEND.text(self._environ)
        return " (NEONPORT_BACKEND is set to it)" if name == set_to else ""

    @property
    def _disabled(self) -> bool:
        return settings.DISABLE_PLUGINS.get(self._environ)

    @property
    def _blocked(self) -> frozenset[str]:
        return frozenset(canonical(name) for name in settings.BLOCK.get(self._environ))

    # ---- finding and loading, each under the lock ----------------------------------------------

    def _own_plugin(self) -> Plugin:
        """Return the built-in plugin, called through the hook; it needs no installed metadata."""
        if self._builtin_plugin is None:
            from neonport import __version__

            plugin = Plugin("builtin", discovery.BUILTIN_PLUGIN, "neonport", __version__)
            self._load(plugin)
            self._builtin_plugin = plugin
        return self._builtin_plugin

    def _load(self, plugin: Plugin) -> None:
        """Import a plugin and call its hooks, once."""
        if plugin.tried or plugin.state != "loaded":
            return
        if self._manager is None:
            self._manager = discovery.new_manager(self._environ)
        plugin.tried = True
        if self._import_afresh:  # not where names are listed: it imports importlib.metadata
            self._import_afresh = False
            invalidate_caches()
        trace = discovery.tracer(self._environ)
        discovery.load(self._manager, plugin, lambda: discovery.import_plugin(plugin), trace)

    def _builtin_catalogue(self) -> Catalogue:
        """Return the catalogue of the built-in backends."""
        if self._builtin is None:  # else no thread waits for a plugin that is being imported
            with self._lock:
                self._builtin = build(self._own_plugin(), (), self._blocked)
        return self._builtin

    def _installed(self) -> list[Plugin]:
        """Return the plugins of other distributions as they are installed now, not yet imported.

        Those that were seen before stay the same objects.
        """
        trace = discovery.tracer(self._environ)
        if self._disabled:
            if self._seen is None:
                self._seen = ()
                trace("NEONPORT_DISABLE_PLUGINS is set: only the built-in backends")
            return self._foreign
        if self._scanning:
            return self._foreign
        seen = metadata.installed()
        if seen == self._seen:
            return self._foreign
        self._import_afresh = True
        known = {self._identity(plugin): plugin for plugin in self._foreign}
        self._forget_foreign()
        self._seen = seen
        for plugin in discovery.scan(seen, trace):
            if plugin.value == discovery.BUILTIN_PLUGIN:
                continue
            before = known.get(self._identity(plugin))
            if before is not None:
                plugin = before
            elif self._blocked & {canonical(plugin.name), canonical(plugin.distribution)}:
                trace(f"{plugin.name} ({plugin.origin}) is blocked by NEONPORT_BLOCK")
                plugin.state = "blocked"
            self._foreign.append(plugin)
        return self._foreign

    def _announced(self, name: str) -> Entry | None:
        """Return the entry of a name that an entry point has; only such plugins are imported."""
        with self._lock:
            foreign = self._installed()
            if self._everything is not None:
                return self._everything.entries.get(name)
            if name not in self._partial:
                fits = [p for p in foreign if p.name == name and p.state != "blocked"]
                with self._alone():
                    for plugin in fits:
                        self._load(plugin)
                self._partial[name] = build(self._own_plugin(), fits, self._blocked)
            found = self._partial[name]
        self._warn(found)
        return found.entries.get(name)

    def _claimed(self, name: str) -> Entry | None:
        """Return the entry of a name that is no entry point's: an alias, or what only a hook says.

        Other processes find out whose it is; only that plugin is imported here.
        """
        with self._lock:
            if not self._installed() or self._everything is not None:
                found = self._catalogue()
                return found.entries.get(found.aliases.get(name, name))
        found, _ = self._survey()
        entry = found.entries.get(found.aliases.get(name, name))
        if entry is None or entry.state != "installed" or entry.plugin.name == "builtin":
            return entry
        with self._lock:
            wanted = self._identity(entry.plugin)
            fits = [p for p in self._installed() if self._identity(p) == wanted]
            with self._alone():
                for plugin in fits:
                    self._load(plugin)
            return build(self._own_plugin(), fits, self._blocked).entries.get(entry.name)

    def _catalogue(self) -> Catalogue:
        """Return the catalogue of everything installed; every plugin is imported."""
        with self._lock:
            foreign = self._installed()
            if self._everything is None:
                with self._alone():
                    for plugin in foreign:
                        self._load(plugin)
                self._everything = build(self._own_plugin(), foreign, self._blocked)
            found = self._everything
        self._warn(found)
        return found

    @staticmethod
    def _identity(plugin: Plugin) -> tuple[str, ...]:
        return plugin.name, plugin.value, plugin.distribution, plugin.version

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse what a plugin asks while it is imported: the answer depends on it."""
        if self._scanning:
            raise RuntimeError("a plugin asks for the list of backends while it is imported")
        self._scanning = True
        try:
            yield
        finally:
            self._scanning = False

    def _warn(self, found: Catalogue | Extensions) -> None:
        """Say once what is wrong with names; after all is stored: a warning may be an error."""
        for message in found.warnings:
            if message not in self._said:
                self._said.add(message)
                warnings.warn(message, PluginWarning, stacklevel=4)


_REGISTRY = Registry()  # the one of this process; making it finds and imports nothing

reset = _REGISTRY.reset
default_backend = _REGISTRY.default
plugins = _REGISTRY.plugins
probe = _REGISTRY.probe
require = _REGISTRY.require
statuses = _REGISTRY.statuses
examine = _REGISTRY.examine
extensions = _REGISTRY.extensions
backend_choices = _REGISTRY.choices
create_backend = _REGISTRY.create
