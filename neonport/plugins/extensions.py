"""What plugins bring beside backends: ops, layers, data sets, callbacks, optimizers.

Neonport's own names always win; of two plugins with one name the first in alphabetical order is
used, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from neonport.errors import ExtensionUnavailable
from neonport.plugins.discovery import Plugin, load_target
from neonport.plugins.info import PROTOCOL, ClassInfo, OpInfo
from neonport.plugins.kinds import KINDS
from neonport.plugins.metadata import canonical
from neonport.plugins.text import guarded, printable

Key = tuple[str, str]


@dataclass
class Extension:
    """One thing that a plugin brings.

    `state` is `installed`, `ready` (it was tried out) or why it cannot be used: `broken`,
    `incompatible` (protocol), `refused` (neonport has the name), `shadowed` (duplicate).
    """

    kind: str
    info: ClassInfo | OpInfo
    plugin: Plugin
    state: str = "installed"
    reason: str = ""

    @property
    def words(self) -> str:
        """Kind, name and distribution, for people."""
        return f"{self.kind} {self.info.name!r} of {self.plugin.origin}"


@dataclass
class Extensions:
    """Everything that plugins bring; `entries` are those that have their names."""

    entries: dict[Key, Extension] = field(default_factory=dict)
    rejected: list[Extension] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def build(plugins: Iterable[Plugin]) -> Extensions:
    """Decide what every name means, whatever order the plugins came in."""
    out = Extensions()
    offers = [Extension(kind, info, p) for p in plugins for kind, info in p.extensions]
    offers.sort(
        key=lambda e: (e.kind, e.info.name, canonical(e.plugin.distribution), e.plugin.name)
    )
    for offer in offers:
        if offer.info.protocol[0] != PROTOCOL[0]:
            theirs, ours = (".".join(map(str, v)) for v in (offer.info.protocol, PROTOCOL))
            offer.state = "incompatible"
            offer.reason = f"it speaks plugin protocol {theirs}, this neonport speaks {ours}"
            out.rejected.append(offer)
            continue
        first = out.entries.setdefault((offer.kind, offer.info.name), offer)
        same = first.info == offer.info and first.plugin.origin == offer.plugin.origin
        if first is offer or same:  # several entry points may lead to one module
            continue
        offer.state = "shadowed"
        offer.reason = f"{first.plugin.origin} brings {offer.kind} {offer.info.name!r} too"
        out.rejected.append(offer)
        out.warnings.append(
            f"{offer.kind} {offer.info.name!r} comes from {first.plugin.origin} and from "
            f"{offer.plugin.origin}; the first one is used. Uninstall one of them, or name its "
            "distribution in NEONPORT_BLOCK"
        )
    return out


def load_class(extension: Extension) -> type:
    """Import what a plugin announced.

    Raises:
        ExtensionUnavailable: it cannot be imported, or is no class of its kind.
    """
    assert isinstance(extension.info, ClassInfo)
    cls = load(extension, extension.info.target)
    module, _, name = KINDS[extension.kind].base.partition(":")
    base = getattr(import_module(module), name)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise unavailable(extension, TypeError(f"{extension.info.target} is no {base.__name__}"))
    path = f"{cls.__module__}:{cls.__qualname__}"
    if path != extension.info.target:  # descriptions would name it by another path
        raise unavailable(extension, ValueError(f"announce it where it is defined, as {path!r}"))
    return cls


def try_out(extension: Extension) -> tuple[str, str]:
    """State and reason of an extension after all of it was imported."""
    if extension.info.protocol[0] != PROTOCOL[0]:
        return "incompatible", ""
    if neonport_has(extension):
        return "refused", "the name is neonport's own"
    call = load_class
    if extension.kind == "op":  # its checks stand where ops are built, above this room
        call = import_module("neonport.backends.api.plugin_ops").check_op
    _, failure = guarded(f"importing {extension.words}", call, extension)
    return ("broken", failure.reason) if failure else ("ready", "")


def neonport_has(extension: Extension) -> bool:
    """Whether neonport itself has the name, which then means that."""
    name = extension.info.name
    if KINDS[extension.kind].module:
        return name in vars(import_module(KINDS[extension.kind].module))
    backend = import_module("neonport.backends.backend").Backend
    ops = import_module("neonport.ops.op").OPS
    return hasattr(backend, name) or name in ops


def load(extension: Extension, target: str) -> Any:
    """Import a part of what a plugin brings.

    Raises:
        ExtensionUnavailable: that fails.
    """
    value, failure = guarded(f"importing {target}", load_target, target)
    if failure:
        raise unavailable(extension, failure.error)
    return value


def unavailable(extension: Extension, error: BaseException) -> ExtensionUnavailable:
    """The error that says why something a plugin brings cannot be used, with its cause."""
    made = ExtensionUnavailable(
        f"{extension.words} is installed but broken: {printable(type(error).__name__)}: "
        f"{printable(error)}. Way out: repair or update {extension.plugin.distribution}, or name "
        "it in NEONPORT_BLOCK"
    )
    made.__cause__ = error
    return made
