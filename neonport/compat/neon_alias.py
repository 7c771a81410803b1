"""`import neon.x.y` gives the module `neonport.x.y` itself: classes are the same under both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from threading import Lock
from types import ModuleType

from neonport.errors import ConfigurationError

NEON, OURS = "neon", "neonport"


class _AliasLoader(Loader):
    """Hands out a module of ours under neon's name."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of ours, with its own spec put aside: the import machinery replaces it."""
        module = import_module(self.real)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed: the module is there. It stays what it was."""
        module.__spec__ = self.spec


class _AliasFinder(MetaPathFinder):
    """Finds `neon` and all below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for a module of neon's that this library has.

        Raises:
            ModuleNotFoundError: it has none; the message says so.
        """
        if fullname != NEON and not fullname.startswith(f"{NEON}."):
            return None
        real = OURS + fullname[len(NEON) :]
        try:
            found = find_spec(real)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise ModuleNotFoundError(
                f"{fullname}: this library has no module {real}; the page 'from neon' of its "
                "documentation lists what is there",
                name=fullname,
            )
        # the module is ours and in sys.modules twice; `is_package` lets modules below it be found
        return ModuleSpec(
            fullname,
            _AliasLoader(real),
            origin=found.origin,
            is_package=found.submodule_search_locations is not None,
        )


_finder = _AliasFinder()
_lock = Lock()  # of what is installed


def installed() -> bool:
    """Whether `import neon` means this library now.

    Example:
        from neonport import compat

        assert not compat.installed()
    """
    return _finder in sys.meta_path


def install() -> None:
    """Let `import neon` and `import neon.layers` mean neonport, in this process.

    Modules are the same under both names, and so are their classes. Nothing else changes, and
    `uninstall` takes it back. Calling it twice is as calling it once.

    Raises:
        ConfigurationError: neon itself has been imported.

    Example:
        from neonport import compat

        compat.install()
        from neon.layers import Affine

        compat.uninstall()
        assert Affine.__module__ == "neonport.layers.compound"
    """
    with _lock:
        if installed():
            return
        foreign = sys.modules.get(NEON)
        if foreign is not None:
            raise ConfigurationError(
                "compat.install: another neon has been imported, "
                f"{getattr(foreign, '__file__', '?')}; call install before that, or leave it out"
            )
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Take back what `install` did; names that were imported stay what they are.

    Example:
        from neonport import compat

        compat.uninstall()  # does nothing if it is not installed
    """
    with _lock:
        if not installed():
            return
        sys.meta_path.remove(_finder)
        for name in [name for name in list(sys.modules) if name.partition(".")[0] == NEON]:
            del sys.modules[name]
