"""The status of a backend: a row for listings and one sentence for errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neonport.plugins.info import PROTOCOL, ProbeResult
from neonport.plugins.names import Entry, version_text
from neonport.plugins.text import Failure, printable


@dataclass(frozen=True)
class Status:
    """One row of `neonport doctor`.

    `state` is a probe's state, or one of a name that cannot be used (see `catalogue.Entry`), or
    `installed` when nobody has probed it. `abilities` are those of a device that was tried out.
    """

    name: str
    distribution: str
    version: str
    protocol: str
    state: str
    device: str = ""
    reason: str = ""
    summary: str = ""
    count: int = 0
    capabilities: tuple[float, ...] = ()
    devices: tuple[str, ...] = ()
    abilities: Mapping[str, Any] = field(default_factory=dict)
    error: BaseException | None = None

    @property
    def traceback(self) -> str:
        """The traceback behind a broken state, or the empty string."""
        return Failure("", self.error).traceback if self.error else ""


def status(
    entry: Entry,
    result: ProbeResult | None = None,
    failure: Failure | None = None,
    abilities: Mapping[str, Any] | None = None,
) -> Status:
    """Combine an entry with what its probe said, if it was asked."""
    state, reason, error = entry.state, entry.reason, entry.error
    if failure:
        state, error = "broken", failure.error
        reason = f"{failure.reason}; {reason}" if reason else failure.reason
    elif result:
        state, reason = result.state, result.reason or reason
    return Status(
        name=entry.name,
        distribution=entry.plugin.distribution,
        version=entry.plugin.version,
        protocol=version_text(entry.info.protocol) if entry.info else "-",
        state=state,
        device=result.device if result else "",
        reason=reason,
        summary=printable(entry.info.summary) if entry.info else "",
        count=result.count if result else 0,
        capabilities=result.capabilities if result else (),
        devices=result.devices if result else (),
        abilities=abilities or {},
        error=error,
    )


def explain(row: Status, source: str = "") -> str:
    """Say in one line why a backend cannot be used, whose it is and what to do.

    Args:
        row: what is known about it.
        source: where its name comes from, with a space in front.
    """
    name, origin = f"{row.name!r}{source}", f"{row.distribution} {row.version}"
    reason = (row.reason or "no reason given").rstrip(". ")
    if row.state == "not-installed":
        return f"backend {name} ({origin}) is not installed: {reason}"
    if row.state == "no-device":
        return (
            f"backend {name} ({origin}) is installed and works, but found no device: {reason}. "
            "Way out: choose another backend, or see `neonport doctor`"
        )
    if row.state == "incompatible":
        return (
            f"backend {name} ({origin}) does not fit: {reason}. Way out: install a version of "
            f"{row.distribution} for protocol {PROTOCOL[0]}, or the neonport it was written for"
        )
    if row.state == "blocked":
        return f"backend {name} ({origin}) is blocked. Way out: take it out of NEONPORT_BLOCK"
    return (
        f"backend {name} ({origin}) is installed but broken: {reason}. Way out: repair or update "
        f"{row.distribution}; `neonport doctor --json` has the traceback"
    )
