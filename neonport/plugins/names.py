"""Resolve backend names: reserved names, duplicates, protocol versions, aliases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from neonport.plugins.discovery import Plugin
from neonport.plugins.info import PROTOCOL, BackendInfo
from neonport.plugins.metadata import canonical

RESERVED = ("cpu", "cuda", "opencl", "null")
"""The names of the built-in backends; no other distribution may use them."""

NEON_NAMES = {"gpu": "cuda", "mkl": "cpu"}
"""Names that neon scripts use, and what they mean here."""


@dataclass
class Entry:
    """One backend name.

    `state` is `installed`, or why it can never be used: `not-installed`, `broken`, `incompatible`
    (protocol), `blocked` (NEONPORT_BLOCK), `refused` (reserved name), `shadowed` (duplicate).
    """

    name: str
    info: BackendInfo | None
    plugin: Plugin
    state: str = "installed"
    reason: str = ""
    error: BaseException | None = None

    @property
    def priority(self) -> int:
        """The priority the plugin gave."""
        return self.info.priority if self.info else 0


@dataclass
class Catalogue:
    """Everything known about names; `entries` is in the order of listings."""

    entries: dict[str, Entry] = field(default_factory=dict)
    rejected: list[Entry] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=lambda: dict(NEON_NAMES))
    warnings: list[str] = field(default_factory=list)


def version_text(protocol: tuple[int, int]) -> str:
    """Write a protocol version the way people read it."""
    return f"{protocol[0]}.{protocol[1]}"


def build(builtin: Plugin, foreign: Iterable[Plugin], blocked: frozenset[str]) -> Catalogue:
    """Decide what every name means.

    Args:
        builtin: neonport's own plugin; it alone may use the reserved names.
        foreign: the plugins of other distributions.
        blocked: names the user wants kept out, as `canonical` spells them.
    """
    out = Catalogue()
    own = {info.name: info for info in builtin.backends}
    for name in RESERVED:
        out.entries[name] = _builtin_entry(name, own.get(name), builtin)
    plugins = list(foreign)
    announced, claimed = _offers(plugins)
    for entry in announced:
        _place(entry, out)
    for plugin in plugins:
        if plugin.state == "broken":
            _place_silent(plugin, out)
    for entry in claimed:
        _place(entry, out)
    for plugin in plugins:
        if plugin.state == "blocked":
            _place_silent(plugin, out)
    for entry in out.entries.values():
        if canonical(entry.name) in blocked:
            entry.state, entry.reason = "blocked", "NEONPORT_BLOCK names it"
    out.entries = {e.name: e for e in sorted(out.entries.values(), key=_order)}
    _add_aliases(out)
    return out


def _offers(plugins: Iterable[Plugin]) -> tuple[list[Entry], list[Entry]]:
    """Backends named like their entry point, and the others, each in the order of their claims.

    The former come first, so that a name means the same whether only the plugins with such an entry
    point were imported, or all of them. Several entry points may lead to one module.
    """
    offers = [offer(info, plugin) for plugin in plugins for info in plugin.backends]
    offers.sort(key=lambda e: (e.state == "incompatible", -e.priority, e.name, _source(e)))
    announced = [e for e in offers if e.name == e.plugin.name]
    seen = {_module(e) for e in announced}
    claimed = []
    for entry in offers:
        if entry.name != entry.plugin.name and _module(entry) not in seen:
            claimed.append(entry)
    return announced, claimed


def _module(entry: Entry) -> tuple[str, str, str]:
    """What tells apart the same backend of two entry points from two backends of one name."""
    return entry.name, canonical(entry.plugin.distribution), entry.plugin.value


def _order(entry: Entry) -> tuple[int, str]:
    """Sort key of listings."""
    return (-entry.priority, entry.name)


def _source(entry: Entry) -> tuple[str, str]:
    """Sort key that tells apart two plugins with the same backend name and priority."""
    return (canonical(entry.plugin.distribution), entry.plugin.name)


def _builtin_entry(name: str, info: BackendInfo | None, builtin: Plugin) -> Entry:
    """Return the entry of a reserved name."""
    if info is not None:
        return Entry(name, info, builtin)
    if builtin.failures:
        failure = builtin.failures[0]
        return Entry(name, None, builtin, "broken", failure.reason, failure.error)
    return Entry(name, None, builtin, "not-installed", "this neonport comes without it, update it")


def offer(info: BackendInfo, plugin: Plugin) -> Entry:
    """Return the entry of a foreign backend, after comparing protocol versions."""
    theirs, ours = version_text(info.protocol), version_text(PROTOCOL)
    if info.protocol[0] != PROTOCOL[0]:
        reason = f"it speaks backend protocol {theirs}, this neonport speaks {ours}"
        return Entry(info.name, info, plugin, "incompatible", reason)
    newer = info.protocol > PROTOCOL
    note = f"written for the newer protocol {theirs}; this neonport speaks {ours}" if newer else ""
    return Entry(info.name, info, plugin, reason=note)


def _place(entry: Entry, out: Catalogue) -> None:
    """Give an offer its name, unless the name is reserved or taken."""
    if entry.name in RESERVED or entry.name in NEON_NAMES:
        entry.state = "refused"
        entry.reason = f"the name {entry.name!r} is reserved for neonport's own backend"
        out.rejected.append(entry)
        out.warnings.append(f"backend of {entry.plugin.origin} ignored: {entry.reason}")
        return
    first = out.entries.setdefault(entry.name, entry)
    if first is not entry:
        entry.state = "shadowed"
        entry.reason = f"{first.plugin.origin} brings {entry.name!r} too and comes first"
        out.rejected.append(entry)
        out.warnings.append(
            f"backend {entry.name!r} comes from {first.plugin.origin} and from "
            f"{entry.plugin.origin}; the first one is used. Uninstall one of them, or name its "
            "distribution in NEONPORT_BLOCK"
        )


def _place_silent(plugin: Plugin, out: Catalogue) -> None:
    """List a blocked or broken plugin under its entry point's name: that is what users will type.

    A plugin that never got to say its backends' names is otherwise "unknown", without a reason.
    """
    if plugin.state == "loaded":
        return
    entry = Entry(plugin.name, None, plugin, plugin.state)
    if plugin.failures:
        entry.reason, entry.error = plugin.failures[0].reason, plugin.failures[0].error
    else:
        entry.reason = "NEONPORT_BLOCK names it"
    if plugin.name in NEON_NAMES or plugin.name in out.entries:
        out.rejected.append(entry)
    else:
        out.entries[plugin.name] = entry


def _add_aliases(out: Catalogue) -> None:
    """Add the aliases that clash with nothing, in the order of listings."""
    for entry in out.entries.values():
        for alias in entry.info.aliases if entry.info else ():
            holder = out.entries[alias].name if alias in out.entries else out.aliases.get(alias)
            if holder is None:
                out.aliases[alias] = entry.name
            elif holder != entry.name:
                out.warnings.append(
                    f"alias {alias!r} of backend {entry.name!r} ({entry.plugin.origin}) ignored: "
                    f"it means backend {holder!r}"
                )
