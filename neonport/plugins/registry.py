"""Names to backends: lazy, guarded, deterministic.

Nothing is discovered on import. A built-in name asks only the built-in plugin; any other name, or
a listing, scans the entry points of group `neonport` once.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from importlib import import_module, invalidate_caches
from typing import Any

from neonport import settings
from neonport.errors import BackendUnavailable, ConfigurationError, UnknownBackendError
from neonport.foundation.fork import call_in_child
from neonport.plugins import discovery
from neonport.plugins.discovery import Plugin, canonical
from neonport.plugins.info import PROTOCOL, BackendInfo, PluginWarning, ProbeResult
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
        """Forget what was found, so that plugins installed since then are seen."""
        with self._lock:
            self._builtin: Catalogue | None = None
            self._everything: Catalogue | None = None
            self._plugins: list[Plugin] = []
            self._ready: set[str] = set()
            self._scanning = False

    def default(self) -> str:
        """Return the name used when none is given: $NEONPORT_BACKEND or `cpu`, nothing else."""
        return settings.BACKEND.get(self._environ)

    def choices(self, aliases: bool = False) -> list[str]:
        """Return the sorted names of what is installed, usable or not, with or without aliases."""
        found = self._catalogue()
        names = [e.name for e in found.entries.values() if e.state != "not-installed"]
        if aliases:
            names += [alias for alias, name in found.aliases.items() if name in names]
        return sorted(names)

    def plugins(self) -> list[Plugin]:
        """Return every plugin found, the built-in one first, with what went wrong in it."""
        self._catalogue()
        return list(self._plugins)

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
        found = self._builtin_catalogue() if key in RESERVED else self._catalogue()
        entry = found.entries.get(found.aliases.get(key, key))
        if entry is None:
            raise UnknownBackendError(self._unknown(name, found))
        return entry

    def _unknown(self, name: str, found: Catalogue) -> str:
        """Say which names there are, in which state each of them is, and what was perhaps meant."""
        rows = [ask(entry) for entry in found.entries.values()]
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

    def _builtin_catalogue(self) -> Catalogue:
        """Return a catalogue in which at least the built-in plugin is listed."""
        with self._lock:
            if self._builtin is None:
                plugin = self._load_builtin(discovery.new_manager(self._environ))
                self._builtin = build(plugin, (), self._blocked)
            return self._builtin

    def _catalogue(self) -> Catalogue:
        """Return the catalogue of everything installed; the first call scans."""
        with self._lock:
            if self._everything is not None:
                return self._everything
            if self._scanning:
                raise RuntimeError("a plugin asks for the list of backends while it is imported")
            self._scanning = True
            try:
                found = self._everything = self._builtin = self._scan()
            finally:
                self._scanning = False
        for message in found.warnings:  # after all is stored: a warning may be made an error
            warnings.warn(message, PluginWarning, stacklevel=3)
        return found

    def _load_builtin(self, manager: Any) -> Plugin:
        """Call the built-in plugin through the hook; it needs no installed metadata."""
        from neonport import __version__

        plugin = Plugin("builtin", discovery.BUILTIN_PLUGIN, "neonport", __version__)
        trace = discovery.tracer(self._environ)
        return discovery.load(manager, plugin, lambda: import_module(plugin.value), trace)

    def _scan(self) -> Catalogue:
        """Load the built-in plugin, then those of other distributions, and settle the names."""
        manager = discovery.new_manager(self._environ)
        trace = discovery.tracer(self._environ)
        builtin = self._load_builtin(manager)
        foreign: list[Plugin] = []
        if self._disabled:
            trace("NEONPORT_DISABLE_PLUGINS is set: only the built-in backends")
        else:
            invalidate_caches()
            for plugin, point in discovery.scan(trace):
                if plugin.value == discovery.BUILTIN_PLUGIN:
                    continue
                if self._blocked & {canonical(plugin.name), canonical(plugin.distribution)}:
                    trace(f"{plugin.name} ({plugin.origin}) is blocked by NEONPORT_BLOCK")
                    plugin.state = "blocked"
                elif point is not None:
                    discovery.load(manager, plugin, point.load, trace)
                foreign.append(plugin)
        self._plugins = [builtin, *foreign]
        return build(builtin, foreign, self._blocked)


_REGISTRY = Registry()  # the one of this process; making it finds and imports nothing

reset = _REGISTRY.reset
default_backend = _REGISTRY.default
plugins = _REGISTRY.plugins
probe = _REGISTRY.probe
require = _REGISTRY.require
statuses = _REGISTRY.statuses
backend_choices = _REGISTRY.choices
create_backend = _REGISTRY.create
