"""Devices of the namespace: a backend each, named as `str(backend)` says, such as `cpu:0`."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport import backends
from neonport.array_api.core.dtypes import ALL, FLOATING, float32
from neonport.backends.placement import named
from neonport.base import PLACE, NervanaObject
from neonport.errors import ConfigurationError
from neonport.plugins import registry


class Device:
    """Where an array lives: a backend.

    Compares equal to devices of the same backend and to its name.

    Attributes:
        backend: what `gen_backend` returns.
    """

    __slots__ = ("backend",)

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        return isinstance(other, Device) and self.backend is other.backend

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return str(self.backend)

    def __repr__(self) -> str:
        return f"Device({str(self)!r})"


def backend_of(device: Any = None) -> Any:
    """The backend that a device names.

    Args:
        device: None for the backend of `gen_backend` (in a block of `neonport.on`: of that), or the
            default one if none was made; a `Device`, a backend, or a name such as "opencl" or
            "opencl:1". A backend that is named for the first time is made here; it does not become
            that of `gen_backend`.

    Raises:
        UnknownBackendError, BackendUnavailable: there is no such backend, or it cannot be used.
        ConfigurationError: `device` is something else.
    """
    if device is None:
        current = _current()
        return _named(registry.default_backend()) if current is None else current
    if isinstance(device, Device):
        return device.backend
    if isinstance(device, str):
        return _named(device)
    if hasattr(device, "leaf_signature"):  # a backend
        return device
    raise ConfigurationError(
        f"device {device!r} is none; use None, the device of an array, or a name such as 'cpu'"
    )


def _current() -> Any:
    current: Any = PLACE.get() or NervanaObject.be
    return None if current is None or current.closed else current


def _named(text: str) -> Any:
    """The backend of a name: one that is there, whatever its batch size, or a new one."""
    name, colon, number = text.partition(":")
    if colon and not number.isdecimal():
        raise ConfigurationError(f"device {text!r}: write the number as in 'opencl:1'")
    label = f"{registry.require(name).name}:{number or 0}"
    current = _current()
    there = [be for be in (current, NervanaObject.be, *backends.others.values()) if be is not None]
    found = next((be for be in there if str(be) == label and not be.closed), None)
    return found or named("device", text)


def known() -> list[Device]:
    """The default device first, then those that were named so far.

    Nothing else is looked for: a backend is imported when it is named, never before.
    """
    first = backend_of()
    found = {str(first): Device(first)}
    for backend in backends.others.values():
        if not backend.closed:
            found.setdefault(str(backend), Device(backend))
    return list(found.values())


def default_float(backend: Any) -> np.dtype:
    """The dtype of Python floats on a backend: its default one, where the standard has that."""
    dtype: np.dtype = backend.default_dtype
    return dtype if dtype in FLOATING else float32


def storable(backend: Any) -> tuple[np.dtype, ...]:
    """The dtypes of the standard that the device of a backend stores."""
    return tuple(d for d in ALL if d.kind != "f" or d.name in backend.default_dtypes)
