"""Names to what plugins bring beside backends; asked only for names that neonport does not have."""

from __future__ import annotations

from neonport.plugins import registry
from neonport.plugins.extensions import Extension, load_class
from neonport.plugins.kinds import KINDS


def find(kind: str, name: str, package: str | None = None) -> Extension | None:
    """What plugins bring under a name.

    Args:
        kind: key of `KINDS`.
        name: of the op or class.
        package: ask only plugins of this package; None asks all.
    """
    return registry.extensions(package).entries.get((kind, name))


def find_class(kind: str, name: str) -> type | None:
    """The class of a plugin that users find as an attribute of neonport's module; None: no such.

    Raises:
        ExtensionUnavailable: a plugin announces it, but it cannot be used.
    """
    if not name[:1].isupper():  # the names of modules and functions are looked up often
        return None
    found = find(kind, name)
    return None if found is None else load_class(found)


def described_class(path: str, place: str | None) -> type | None:
    """The class of an installed plugin that a description's `type` names; None: no such.

    Only a plugin of the package that the path begins with is imported, and only a class that its
    hook announced is found.

    Args:
        path: dotted path of a class.
        place: what it has to be; None for anything but a callback.

    Raises:
        ExtensionUnavailable: it is announced, but cannot be used.
    """
    module, _, name = path.rpartition(".")
    kinds = [place] if place is not None else [k for k in KINDS if k != "callback"]
    for kind in kinds:
        if module and kind in KINDS and KINDS[kind].base:
            found = find(kind, name, path.partition(".")[0])
            if found is not None and getattr(found.info, "target", "") == f"{module}:{name}":
                return load_class(found)
    return None
