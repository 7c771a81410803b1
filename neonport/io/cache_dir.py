"""The private cache folder of the user, and entries in it that are either right or absent.

Compiled kernels are loaded from here, so the folder belongs to the user alone and every entry
carries its length and SHA-256; what does not match is thrown away and made again.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import tempfile
import threading
import time
import warnings
from pathlib import Path

from neonport import settings
from neonport.io.private_folder import PrivateFolder

MAGIC = b"neonport cache 1\n"
_LENGTH_BYTES = 8
_HEADER_BYTES = len(MAGIC) + _LENGTH_BYTES + hashlib.sha256().digest_size
CODE_FOLDERS = ("jit", "opencl", "cuda")  # what the limit of the size is for
LEFT_BEHIND = 3600.0  # seconds after which a file that is being written never will be
SWEEP_BYTES = 32 << 20  # written by this process between two looks at the size
MAX_HELD = 8  # folders held open, where NEONPORT_CACHE_DIR changes


class _State:
    """What this process knows about its cache folders.

    Attributes:
        roots: the folder in use, by the value of NEONPORT_CACHE_DIR.
        passing: the temporary folder of this process.
        said: what was warned of.
        unswept: bytes written since the size was looked at; None before the first look.
    """

    def __init__(self) -> None:
        self.roots: dict[str, PrivateFolder] = {}
        self.passing: PrivateFolder | None = None
        self.said: set[str] = set()
        self.unswept: int | None = None
        self.lock = threading.RLock()


_state = _State()


def cache_dir() -> Path:
    """Return the folder for cached files, made (mode 0700) when it is not there.

    It is `NEONPORT_CACHE_DIR` or the user's cache folder of the system. A folder that cannot be
    written, belongs to somebody else or can be written or exchanged by others, itself or a level
    above it, is not used: a temporary folder of this process takes its place, with one warning.
    """
    return _root().path


def is_lasting() -> bool:
    """Whether what is cached will be there for the next process."""
    return _root() is not _state.passing


def cache_folder(name: str) -> PrivateFolder:
    """Open a folder of the cache; close it after use.

    Args:
        name: of the folder, which is made when it is not there. One that others can write gets no
            trust: the temporary folder of this process takes its place, with one warning.

    Raises:
        OSError: not even that one can be made.

    Example:
        with cache_folder("jit") as folder:
            folder.write("entry", b"data")
    """
    try:
        return _root().folder(name)
    except OSError as error:
        _warn(_root().path / name, error.strerror or str(error))
    return temporary_folder(name)


def temporary_folder(name: str) -> PrivateFolder:
    """Open a folder of that name in the temporary folder of this process; close it after use.

    Raises:
        OSError: it cannot be made.
    """
    return _temporary().folder(name)


def _root() -> PrivateFolder:
    configured = settings.CACHE_DIR.get()
    held = _state.roots.get(configured)
    if held is None or not held.is_sound():  # also if it was removed: it is made anew
        with _state.lock:
            held = _state.roots.get(configured)
            if held is None or not held.is_sound():
                while len(_state.roots) >= MAX_HELD:
                    del _state.roots[next(iter(_state.roots))]
                held = _state.roots[configured] = _prepared(configured)
    return held


def _prepared(configured: str) -> PrivateFolder:
    folder = Path(configured).absolute() if configured else _of_the_system()
    if folder is None:
        _warn(Path("~"), "this user has no home folder")
        return _temporary()
    try:
        found = PrivateFolder.make(folder)
        # Asking is better than reading permission bits: the file system may be read-only or full.
        with tempfile.TemporaryFile(dir=found.path):
            return found
    except OSError as error:
        _warn(folder, error.strerror or str(error))
    return _temporary()


def _of_the_system() -> Path | None:
    """The user's cache folder; None where the user has no home."""
    import platformdirs  # slow to import, and not needed where NEONPORT_CACHE_DIR is set

    try:
        folder = platformdirs.user_cache_dir("neonport")
    except (RuntimeError, KeyError, OSError):
        return None
    return None if folder.startswith("~") else Path(folder).absolute()


def _warn(folder: Path, trouble: str) -> None:
    if f"{folder} {trouble}" in _state.said:
        return
    _state.said.add(f"{folder} {trouble}")
    warnings.warn(
        f"the cache folder {folder} is not used: {trouble}. Cached files are kept in a temporary "
        f"folder for this process only; set NEONPORT_CACHE_DIR to a folder that only you can write",
        RuntimeWarning,
        stacklevel=5,
    )


def _temporary() -> PrivateFolder:
    """The temporary folder of this process, made anew if somebody removed it."""
    with _state.lock:
        folder = _state.passing
        if folder is None or not folder.is_sound():
            folder = _state.passing = PrivateFolder.temporary()
            atexit.register(_discard, folder, os.getpid())
        return folder


def _discard(folder: PrivateFolder, owner: int) -> None:
    if os.getpid() == owner:  # a forked child must not take its parent's folder away
        folder.discard()


# ---- entries -----------------------------------------------------------------------------------


def write_checked(folder: str, name: str, payload: bytes) -> bool:
    """Write a cache entry that `read_checked` can verify.

    A cache that cannot be written costs time, never a result, so trouble is only reported.

    Args:
        folder: name of the folder within the cache.
        name: name of the entry.
        payload: its content.

    Returns:
        Whether it was written.
    """
    try:
        with cache_folder(folder) as place:
            place.write(name, _header(payload) + payload)
    except OSError:
        return False
    if folder in CODE_FOLDERS:
        _note(len(payload))
    return True


def read_checked(folder: str, name: str) -> bytes | None:
    """Read a cache entry written by `write_checked`.

    Args:
        folder: name of the folder within the cache.
        name: name of the entry.

    Returns:
        The payload, or None when there is no such entry or it is damaged; a damaged one is removed.
    """
    try:
        with cache_folder(folder) as place:
            try:
                content = place.read(name)
            except FileNotFoundError:
                return None
            except OSError:  # of another user, a link, a folder
                content = b""
            payload = content[_HEADER_BYTES:]
            if content[:_HEADER_BYTES] == _header(payload):
                return payload
            place.remove(name)
    except OSError:
        pass
    return None


def _header(payload: bytes) -> bytes:
    length = len(payload).to_bytes(_LENGTH_BYTES, "little")
    return MAGIC + length + hashlib.sha256(payload).digest()


# ---- size --------------------------------------------------------------------------------------


def _note(written: int) -> None:
    """Look at the size of the cache at the first entry, and after many."""
    with _state.lock:
        due = _state.unswept is None or _state.unswept > SWEEP_BYTES
        _state.unswept = 0 if due else (_state.unswept or 0) + written
    if due:
        sweep(settings.CACHE_SIZE.get() << 20)


def sweep(limit: int) -> None:
    """Remove compiled code that was not used for the longest time, and what killed writers left.

    Args:
        limit: bytes; if there are more, a quarter less than that is kept. 0: no limit.
    """
    now, found = time.time(), []
    for folder in CODE_FOLDERS:
        if not os.path.isdir(_root().path / folder):
            continue
        try:
            with cache_folder(folder) as place:
                for name, status in place.files():
                    if name.startswith(".") and now - status.st_mtime > LEFT_BEHIND:
                        place.remove(name)
                    else:
                        found.append((status.st_mtime, status.st_size, folder, name))
        except OSError:
            continue
    total = sum(size for _, size, _, _ in found)
    if not limit or total <= limit:
        return
    old: dict[str, list[str]] = {}
    for _, size, folder, name in sorted(found):
        if total <= limit * 3 // 4:
            break
        total -= size
        old.setdefault(folder, []).append(name)
    for folder, names in old.items():
        with cache_folder(folder) as place:
            for name in names:
                place.remove(name)


def _after_fork_in_child() -> None:
    _state.lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
