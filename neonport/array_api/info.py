"""What the namespace says of itself: `__array_namespace_info__`."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.array_api.core.devices import Device, backend_of, default_float, known, storable
from neonport.array_api.core.dtypes import KINDS, int64
from neonport.errors import ConfigurationError

MAX_DIMENSIONS = 32


class Info:
    """Abilities, devices and dtypes.

    Example:
        >>> import neonport.array_api as xp
        >>> xp.__array_namespace_info__().capabilities()["boolean indexing"]
        True
    """

    def capabilities(self) -> dict[str, Any]:
        """What is optional in the standard, and whether it is here."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": MAX_DIMENSIONS,
        }

    def default_device(self) -> Device:
        """The backend of `gen_backend`, or the default one."""
        return Device(backend_of())

    def devices(self) -> list[Device]:
        """The default device, and those that were named so far; any backend's name is one."""
        return known()

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype]:
        """The dtypes of Python scalars and of indices; there are no complex ones.

        Args:
            device: None is the default device.
        """
        backend = backend_of(device)
        return {
            "real floating": default_float(backend),
            "integral": int64,
            "indexing": int64,
        }

    def dtypes(
        self, *, device: Any = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, np.dtype]:
        """The dtypes that a device stores, by name.

        Args:
            device: None is the default device.
            kind: a word of the standard such as "integral", or several; None is all.

        Raises:
            ConfigurationError: an unknown word.
        """
        words = (kind,) if isinstance(kind, str) else kind
        for word in words or ():
            if word not in KINDS:
                raise ConfigurationError(f"dtypes: kind {word!r} is none of {', '.join(KINDS)}")
        there = storable(backend_of(device))
        return {d.name: d for d in there if words is None or any(d in KINDS[w] for w in words)}


def __array_namespace_info__() -> Info:
    """What the namespace says of itself."""
    return Info()
