"""Data classes of plugins: `BackendInfo` and `ProbeResult`; plain data, without pluggy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

PROTOCOL: tuple[int, int] = (1, 0)
"""The (major, minor) version of the backend protocol that this neonport speaks."""

ProbeState = Literal["ready", "no-device", "not-installed", "broken"]
PROBE_STATES: tuple[str, ...] = ("ready", "no-device", "not-installed", "broken")

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class ProbeResult:
    """Result of a backend's probe of this machine; a probe returns it and does not raise.

    Args:
        state: `ready`, `no-device` (software fine, nothing to run on), `not-installed` (a library
            the backend needs is missing) or `broken` (it is there but does not work).
        device: the device a new backend would use, in words.
        reason: one sentence; for any state but `ready` it says why and what to do.
        count: number of devices the backend could open.
        capabilities: one number a device where the vendor counts generations (9.0), else empty.
        devices: each device the backend could open, with its driver, in words; may be empty.
    """

    state: ProbeState
    device: str = ""
    reason: str = ""
    count: int = 0
    capabilities: tuple[float, ...] = ()
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.state not in PROBE_STATES:
            raise ValueError(f"probe state {self.state!r} is none of {', '.join(PROBE_STATES)}")


@dataclass(frozen=True)
class BackendInfo:
    """One backend, as a plugin announces it; naming it imports nothing.

    Args:
        name: what users type, lower case (`[a-z][a-z0-9_-]*`).
        factory: `"module:attribute"` or a callable; called with the construction keywords of
            `gen_backend` it returns a `Backend`. A string keeps the import for later.
        protocol: the (major, minor) protocol the backend was written for. Write the numbers down:
            a reference to `PROTOCOL` would always claim to fit.
        priority: larger comes first in listings and wins over a second distribution that brings
            the same name. It never selects a backend.
        aliases: further names for the same backend.
        summary: one line for listings.
        probe: `"module:attribute"` or a callable returning `ProbeResult`; None uses the factory's
            own `probe` attribute.

    Raises:
        TypeError, ValueError: a field has the wrong type or form.
    """

    name: str
    factory: str | Callable[..., Any]
    protocol: tuple[int, int]
    priority: int = 0
    aliases: tuple[str, ...] = ()
    summary: str = ""
    probe: str | Callable[[], ProbeResult] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.aliases, str):
            raise TypeError(f"aliases must be a tuple of names, got the string {self.aliases!r}")
        object.__setattr__(self, "aliases", tuple(self.aliases))
        for name in (self.name, *self.aliases):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"backend name {name!r} must match {_NAME.pattern}")
        for field, value in (("factory", self.factory), ("probe", self.probe)):
            if isinstance(value, str):
                if not _TARGET.fullmatch(value):
                    raise ValueError(f"{field} {value!r} must read 'package.module:attribute'")
            elif not callable(value) and not (field == "probe" and value is None):
                raise TypeError(f"{field} must be 'module:attribute' or a callable, got {value!r}")
        numbers = self.protocol
        if not (isinstance(numbers, tuple) and [type(n) for n in numbers] == [int, int]):
            raise TypeError(f"protocol must be a (major, minor) pair of ints, got {numbers!r}")
        if type(self.priority) is not int:
            raise TypeError(f"priority must be an int, got {self.priority!r}")
