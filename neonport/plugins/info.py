"""Data classes of plugins: `BackendInfo` and `ProbeResult`; plain data, without pluggy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

PROTOCOL: tuple[int, int] = (1, 1)
"""The (major, minor) version of the backend protocol that this neonport speaks."""

ProbeState = Literal["ready", "no-device", "not-installed", "broken"]
PROBE_STATES: tuple[str, ...] = ("ready", "no-device", "not-installed", "broken")

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_OP_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CLASS_NAME = re.compile(r"[A-Z]\w*")
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
        _check_protocol(self.protocol)
        if type(self.priority) is not int:
            raise TypeError(f"priority must be an int, got {self.priority!r}")


@dataclass(frozen=True)
class ClassInfo:
    """A layer, data set, callback or optimizer, as a plugin announces it; it imports nothing.

    Args:
        name: the class's name, which begins with a capital letter; users find it in neonport's
            module of this kind.
        target: `"module:Class"`, the module being the one in which the class is defined.
        protocol: as in `BackendInfo`.
        summary: one line for listings.

    Raises:
        TypeError, ValueError: a field has the wrong type or form.
    """

    name: str
    target: str
    protocol: tuple[int, int]
    summary: str = ""

    def __post_init__(self) -> None:
        _check_text("class name", self.name, _CLASS_NAME)
        _check_text("target", self.target, _TARGET, "'package.module:Class'")
        if self.target.rpartition(":")[2] != self.name:
            raise ValueError(f"target {self.target!r} must end in the name {self.name!r}")
        _check_protocol(self.protocol)


@dataclass(frozen=True)
class OpInfo:
    """An op, as a plugin announces it; naming it imports nothing.

    Args:
        name: the op's name, lower case; users call it as a method of a backend.
        row: `"module:attribute"`, a `neonport.ops.op.Op` of this name.
        protocol: as in `BackendInfo`.
        derivative: `"module:function"`, its derivative row (see `neonport.autodiff.vjps`); None:
            it has none.
        expression: C expression of an element-wise op, with `{0}`, `{1}` for its operands and `{t}`
            for the compute type (see `neonport.compiler.codegen.dialect.register`).
        summary: one line for listings.

    Raises:
        TypeError, ValueError: a field has the wrong type or form.
    """

    name: str
    row: str
    protocol: tuple[int, int]
    derivative: str | None = None
    expression: str = ""
    summary: str = ""

    def __post_init__(self) -> None:
        _check_text("op name", self.name, _OP_NAME)
        _check_text("row", self.row, _TARGET, "'package.module:attribute'")
        if self.derivative is not None:
            _check_text("derivative", self.derivative, _TARGET, "'package.module:function'")
        if not isinstance(self.expression, str):
            raise TypeError(f"expression must be a string, got {self.expression!r}")
        _check_protocol(self.protocol)


def _check_text(what: str, value: Any, form: re.Pattern[str], example: str = "") -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, got {value!r}")
    if not form.fullmatch(value):
        raise ValueError(f"{what} {value!r} must read {example or form.pattern}")


def _check_protocol(numbers: Any) -> None:
    if not (isinstance(numbers, tuple) and [type(n) for n in numbers] == [int, int]):
        raise TypeError(f"protocol must be a (major, minor) pair of ints, got {numbers!r}")
