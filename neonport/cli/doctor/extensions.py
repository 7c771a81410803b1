"""What plugins bring beside backends, as `neonport doctor` shows it."""

from __future__ import annotations

from typing import Any

from neonport.cli.output import show
from neonport.plugins.discovery import Plugin
from neonport.plugins.extensions import Extension, build
from neonport.plugins.kinds import KINDS

COLUMNS = ("kind", "name", "distribution", "version", "protocol", "state", "found in", "reason")
STYLES = {"ready": "green", "broken": "red", "incompatible": "red", "refused": "red"}
STYLES |= {"shadowed": "yellow"}


def extensions(plugins: list[Plugin]) -> list[Extension]:
    """Everything that plugins bring, in the order of kinds and names, rejected ones last."""
    found = build(plugins)
    for extension in found.entries.values():
        tried = extension.plugin.tried_extensions.get((extension.kind, extension.info.name))
        if tried is not None:
            extension.state, extension.reason = tried
    return [*found.entries.values(), *found.rejected]


def rows(plugins: list[Plugin]) -> list[dict[str, str]]:
    """A row for each, as JSON has it."""
    return [
        {
            "kind": extension.kind,
            "name": extension.info.name,
            "distribution": extension.plugin.distribution,
            "version": extension.plugin.version,
            "protocol": ".".join(map(str, extension.info.protocol)),
            "state": extension.state,
            "found in": KINDS[extension.kind].module or "be",
            "reason": extension.reason,
            "summary": extension.info.summary,
        }
        for extension in extensions(plugins)
    ]


def table(plugins: list[Plugin]) -> bool:
    """Print a row for each; False: there is none."""
    found: list[dict[str, Any]] = rows(plugins)
    if found:
        cells = [[str(row[column]) for column in COLUMNS] for row in found]
        show(COLUMNS, cells, STYLES, whole=("kind", "name", "state"))
    return bool(found)
