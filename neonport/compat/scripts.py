"""Running a script of neon's: `import neon` works, and names that are gone work within the script.

A module finds its built-in functions in `__builtins__` of its own namespace. The script, and what
it imports from its own folder, get a copy there whose `__import__` hands out stand-ins; every other
module, this library's included, imports as ever.
"""

from __future__ import annotations

import builtins
import os
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any

from neonport.compat import neon_alias
from neonport.compat.dropped_names import DROPPED, GONE, RENAMED, stand_in
from neonport.errors import ConfigurationError

_one_at_a_time = RLock()  # arguments, search path and `import neon` are those of the process


class _Imports:
    """`__import__` for scripts."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self}

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Import a module as `__import__` does, or give its stand-in."""
        if level == 0:
            top = name.partition(".")[0]
            if self._missing(top):
                return self._stand_in(name if fromlist else top)
            module = builtins.__import__(name, globals, locals, fromlist or (), level)
            wanted = name if fromlist else top
            return self._stand_in(wanted, module) if wanted in DROPPED else module
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _missing(self, top: str) -> bool:
        """Whether a module of former times is not there, so that there must be a stand-in."""
        known = top in RENAMED or top in GONE
        return known and top not in sys.modules and find_spec(top) is None

    def _stand_in(self, name: str, real: ModuleType | None = None) -> ModuleType:
        module = self.modules.get(name)
        if module is None:
            module = stand_in(name, lambda: real)
            if module is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            self.modules[name] = module
        return module


class _FolderLoader(SourceFileLoader):
    """Loads a module of the script's folder, with the script's `__builtins__`."""

    def __init__(self, name: str, path: str, imports: _Imports) -> None:
        super().__init__(name, path)
        self.imports = imports

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module."""
        module.__dict__["__builtins__"] = self.imports.builtins
        super().exec_module(module)


class _FolderFinder(MetaPathFinder):
    """Finds the modules and packages that stand beside the script."""

    def __init__(self, folder: str, imports: _Imports) -> None:
        self.folder = folder
        self.imports = imports
        self.found: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for a module of the folder, or None."""
        parent = fullname.rpartition(".")[0]
        if parent and parent not in self.found:
            return None
        spec = PathFinder.find_spec(fullname, path if parent else [self.folder])
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None
        self.found.add(fullname)
        spec.loader = _FolderLoader(fullname, spec.origin, self.imports)
        return spec


@contextmanager
def _script_at(path: str, arguments: Sequence[str], finder: _FolderFinder) -> Iterator[None]:
    """What Python sets up for a script, taken back afterwards."""
    before = sys.argv, list(sys.path)
    was_installed = neon_alias.installed()
    neon_alias.install()
    sys.argv = [path, *arguments]
    sys.path.insert(0, finder.folder)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before
        sys.meta_path.remove(finder)
        for name in finder.found:
            sys.modules.pop(name, None)
        if not was_installed:
            neon_alias.uninstall()


def run_script(path: str | os.PathLike[str], arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Run a script that was written for neon, unchanged.

    `import neon` means neonport in it. In the script, and in modules of its folder, names work that
    Python and NumPy have dropped since (`np.float`, `collections.Iterable`, `inspect.getargspec`)
    and packages that are not installed (`past`, `future`, `nose`). Afterwards all is as it was. A
    script has the arguments and the search path of the process, so that one of another thread
    waits until it ends.

    Args:
        path: of the script.
        arguments: its command line, `sys.argv[1:]`.

    Returns:
        The script's global names.

    Raises:
        ConfigurationError: there is no such file.
        SystemExit: the script ends that way.

    Example:
        from neonport.compat import run_script

        names = run_script("train.py", ["-b", "cpu", "-e", "10"])  # doctest: +SKIP
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ConfigurationError(f"run: there is no script {path!r}")
    imports = _Imports()
    finder = _FolderFinder(os.path.dirname(os.path.realpath(path)), imports)
    with _one_at_a_time, _script_at(path, arguments, finder):
        return runpy.run_path(path, {"__builtins__": imports.builtins}, run_name="__main__")
