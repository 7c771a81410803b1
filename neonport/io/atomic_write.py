"""Files that are either the old version or the new one, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be deleted there, which serves as the lock
    fcntl = None  # type: ignore[assignment]

_NAME_BYTES = 200  # of a target in temporary names: with the random part below the usual 255
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def kind_of_file(mode: int) -> str:
    """What `st_mode` says a path is, in words."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "a file")


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse to replace what is no file: a folder, a device, a pipe or a socket.

    Raises:
        OSError: it is one of these; IsADirectoryError or FileExistsError.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EEXIST
        raise OSError(number, f"it is {kind_of_file(mode)}, which is not replaced", os.fspath(path))


def _short_name(target: str) -> str:
    """The file's name, or as much of it as fits into temporary names, with a hash of the rest."""
    name = os.fsencode(os.path.basename(target))
    if len(name) > _NAME_BYTES:
        rest = hashlib.sha256(name).hexdigest()[:16]
        name = name[: _NAME_BYTES - len(rest) - 1] + b"~" + rest.encode()
    return os.fsdecode(name)


def _temporary_prefix(target: str) -> str:
    return f".{_short_name(target)}."


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Take the file's lock; the system frees it when the process ends, also when it is killed."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return wait  # a file system without locks: write anyway, but never clean up there
    return True


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Delete temporary files of writers of `path` that were killed; leave those at work alone."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    pattern = re.compile(re.escape(_temporary_prefix(target)) + r"[0-9a-f]{16}\.tmp")
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if pattern.fullmatch(name):
                _remove_if_dead(os.path.join(folder, name))


def _remove_if_dead(path: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR)
        try:
            if _lock(descriptor, wait=False) and fcntl is not None:
                os.unlink(path)
        finally:
            os.close(descriptor)
        if fcntl is None:
            os.unlink(path)


def _open_temporary(target: str) -> tuple[int, str]:
    """Create and lock a new file beside `target`."""
    while True:
        path = os.path.join(
            os.path.dirname(target), f"{_temporary_prefix(target)}{secrets.token_hex(8)}.tmp"
        )
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags, 0o666)
        _lock(descriptor, wait=True)
        # Between creation and lock another process may have taken it for a leftover.
        if os.path.exists(path):
            return descriptor, path
        os.close(descriptor)


def _keep_mode(target: str, descriptor: int) -> None:
    """Give the new file the permissions of the one it replaces."""
    if hasattr(os, "fchmod"):
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, stat.S_IMODE(os.stat(target).st_mode))


def sync_folder(folder: str) -> None:
    """Make a rename in `folder` survive a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Let an OSError say which file it is about."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), path) from error


def write_file(path: str | os.PathLike[str], write: Callable[[IO[bytes]], None]) -> None:
    """Write a file so that readers see the old one or the complete new one, nothing between.

    The bytes go to a temporary file in the same folder, are synchronised to the disk, and take the
    place of `path` by one rename. A symbolic link is followed, as `open` does.

    Args:
        path: file to write; its folder must exist.
        write: called with the open binary file.

    Raises:
        OSError: the disk is full, the folder is missing, `path` is a folder, device or pipe, ...;
            `path` still holds what it held.
    """
    target = os.path.realpath(path)
    check_target(path)
    remove_leftovers(target)
    with _naming(os.fspath(path)):
        descriptor, temporary = _open_temporary(target)
    try:
        with _naming(os.fspath(path)), os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            _keep_mode(target, file.fileno())
            if fcntl is not None:
                os.replace(temporary, target)  # still locked, so no cleaner can take it away
        if fcntl is None:
            with _naming(os.fspath(path)):
                os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(target))


def point_link(link: str | os.PathLike[str], target: str) -> None:
    """Make `link` a symbolic link to `target` in one step; a file of that name is replaced.

    Raises:
        OSError: there are no links on this file system, or `link` is a folder, device or pipe.
    """
    check_target(link)
    link = os.path.abspath(link)
    temporary = os.path.join(
        os.path.dirname(link), f"{_temporary_prefix(link)}{secrets.token_hex(8)}.link"
    )
    os.symlink(target, temporary)
    try:
        os.replace(temporary, link)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(link))
