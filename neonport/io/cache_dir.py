"""The private cache folder of the user, and entries in it that are either right or absent.

Compiled kernels are loaded from here, so the folder belongs to the user alone and every entry
carries its length and SHA-256; what does not match is thrown away and made again.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import stat
import tempfile
import warnings
from pathlib import Path
from typing import IO

import platformdirs

from neonport import settings
from neonport.io.atomic_write import write_file

MAGIC = b"neonport cache 1\n"
_LENGTH_BYTES = 8
_HEADER_BYTES = len(MAGIC) + _LENGTH_BYTES + hashlib.sha256().digest_size
_passing: set[Path] = set()  # folders that go with this process


def cache_dir() -> Path:
    """Return the folder for cached files, made (mode 0700) when it is not there.

    It is `NEONPORT_CACHE_DIR` or the user's cache folder of the system. A folder that cannot be
    written, belongs to somebody else or can be written by others is not used: a temporary folder
    of this process takes its place, with one warning.
    """
    return _prepared(settings.CACHE_DIR.get())


def is_lasting() -> bool:
    """Whether what is cached will be there for the next process."""
    return cache_dir() not in _passing


@functools.lru_cache(maxsize=8)
def _prepared(configured: str) -> Path:
    folder = Path(configured or platformdirs.user_cache_dir("neonport")).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        trouble = _objection(folder)
    except OSError as error:
        trouble = error.strerror or str(error)
    if not trouble:
        return folder
    warnings.warn(
        f"the cache folder {folder} is not used: {trouble}. Cached files are kept in a temporary "
        f"folder for this process only; set NEONPORT_CACHE_DIR to a folder that only you can write",
        RuntimeWarning,
        stacklevel=3,
    )
    return _temporary_folder()


def _objection(folder: Path) -> str:
    """Say why code must not be cached in a folder; empty when it may."""
    status = folder.stat()
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a folder"
    if hasattr(os, "getuid"):
        if status.st_uid != os.getuid():
            return "it belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "other users can write to it"
    # Asking is better than reading permission bits: the file system may be read-only or full.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _temporary_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="neonport-")
    _passing.add(Path(folder))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked child must not take its parent's folder away
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return Path(folder)


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that readers see complete or not at all; missing folders are made.

    Args:
        path: file to write.
        data: its content.

    Raises:
        OSError: it cannot be written; an older file of that name is left as it was.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)

    def write(file: IO[bytes]) -> None:
        file.write(data)

    write_file(path, write)


def write_checked(path: str | os.PathLike[str], payload: bytes) -> bool:
    """Write a cache entry that `read_checked` can verify.

    A cache that cannot be written costs time, never a result, so trouble is only reported.

    Args:
        path: file to write; missing folders are made.
        payload: its content.

    Returns:
        Whether it was written.
    """
    length = len(payload).to_bytes(_LENGTH_BYTES, "little")
    header = MAGIC + length + hashlib.sha256(payload).digest()
    try:
        atomic_write_bytes(path, header + payload)
    except OSError:
        return False
    return True


def read_checked(path: str | os.PathLike[str]) -> bytes | None:
    """Read a cache entry written by `write_checked`.

    Args:
        path: file to read.

    Returns:
        The payload, or None when there is no such entry or it is damaged; a damaged one is removed.
    """
    try:
        content = Path(path).read_bytes()
    except OSError:
        return None
    payload = content[_HEADER_BYTES:]
    length = len(payload).to_bytes(_LENGTH_BYTES, "little")
    if content[:_HEADER_BYTES] == MAGIC + length + hashlib.sha256(payload).digest():
        return payload
    with contextlib.suppress(OSError):
        os.unlink(path)
    return None
