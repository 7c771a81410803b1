"""Find the OpenBLAS of the `scipy-openblas32` wheel and load it for ourselves alone.

The wheel is never imported: importing it loads the library for the whole process, with the core
type and thread count of the environment. We load it with local symbols, and set the variables it
reads only while it loads. It starts no threads: each call runs on the thread that makes it, and
products are cut into calls by `pieces.py`.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from neonport.io.cache_dir import cache_folder
from neonport.io.shared_library import load_shared_library

WHEEL = "scipy-openblas32"

_load_lock = threading.Lock()


def find_library() -> Path | None:
    """Return the library file of the installed wheel, or None."""
    try:
        spec = importlib.util.find_spec("scipy_openblas32")
    except (ImportError, ValueError):
        return None
    for package in (spec and spec.submodule_search_locations) or ():
        for pattern in ("libscipy_openblas*.so", "libscipy_openblas*.dylib", "*openblas*.dll"):
            for path in sorted(Path(package, "lib").glob(pattern)):
                return path
    return None


def wheel_version() -> str:
    """Return the version of the installed wheel; empty when there is none."""
    from importlib import metadata  # slow to import, and asked for rarely

    try:
        return metadata.version(WHEEL)
    except metadata.PackageNotFoundError:
        return ""


class OpenBlas:
    """A private OpenBLAS.

    Args:
        handle: the loaded library.
        path: the file it came from.
    """

    def __init__(self, handle: ctypes.CDLL, path: Path) -> None:
        self._handle = handle
        self.path = path
        self.core = self._text("openblas_get_corename")
        self.config = self._text("openblas_get_config")
        self._take_memory()

    def function(self, name: str) -> Callable[..., None]:
        """Return a function that returns nothing, without argument types."""
        found = getattr(self._handle, "scipy_" + name)
        found.restype = None
        return found

    def _take_memory(self) -> None:
        """Multiply once, too much for kernels without copies: the memory of copies stays."""
        size = 128
        block = (ctypes.c_float * (3 * size * size))()
        a, b, c = (ctypes.byref(block, i * ctypes.sizeof(block) // 3) for i in range(3))
        row_major, plain, one = 101, 111, ctypes.c_float(1.0)
        self.function("cblas_sgemm")(
            row_major, plain, plain, size, size, size, one, a, size, b, size, one, c, size
        )

    def _text(self, name: str) -> str:
        function = getattr(self._handle, "scipy_" + name, None)
        if function is None:
            return ""
        function.restype = ctypes.c_char_p
        return (function() or b"").decode("ascii", "replace")


def load_openblas(path: Path, core: str | None) -> OpenBlas:
    """Load a library file with a core type of our choice.

    Args:
        path: the file, as `find_library` gives it.
        core: a name for OPENBLAS_CORETYPE that this CPU can run (a wrong one crashes the process
            at the first product), or None for the one OpenBLAS detects.

    Raises:
        OSError: the file cannot be loaded.
    """
    settings = {
        "OPENBLAS_CORETYPE": core,
        "OPENBLAS_NUM_THREADS": "1",
    }
    with _load_lock:
        if _is_loaded(path):
            path = _private_copy(path)
        with _environment(settings):
            handle = load_shared_library(path, _private_mode())
    return OpenBlas(handle, path)


def _private_mode() -> int:
    # With "deep binding" the library finds its own functions before those of a second OpenBLAS
    # that somebody has loaded for the whole process.
    names = ("RTLD_NOW", "RTLD_LOCAL", "RTLD_DEEPBIND")
    return sum(getattr(os, name, 0) for name in names)


def _is_loaded(path: Path) -> bool:
    """Whether the file is in the process already: its core type is then settled."""
    if not hasattr(os, "RTLD_NOLOAD"):
        return False
    try:
        load_shared_library(path, os.RTLD_NOW | os.RTLD_NOLOAD)
    except OSError:
        return False
    return True


def _private_copy(path: Path) -> Path:
    """Return a copy that is not loaded yet: a second file is a second library."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).digest()
    with cache_folder("blas") as folder:
        for number in range(100):
            name = f"{path.stem}-{digest.hex()[:16]}-{number}{path.suffix}"
            copy = folder.path / name
            if _is_loaded(copy):
                continue
            try:
                whole = hashlib.sha256(folder.read(name)).digest() == digest
            except OSError:
                whole = False
            if not whole:
                folder.write(name, content)
            return copy
    raise OSError(f"100 copies of {path} are loaded in this process")


@contextlib.contextmanager
def _environment(settings: dict[str, str | None]) -> Iterator[None]:
    """Set environment variables (None: unset) and restore them."""
    before = {name: os.environ.get(name) for name in settings}
    try:
        _apply(settings)
        yield
    finally:
        _apply(before)


def _apply(settings: dict[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _reset_lock_after_fork() -> None:
    global _load_lock
    _load_lock = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_lock_after_fork)
