"""Folders that no other user of the machine can have a hand in, held open.

Code is loaded from such folders. Whoever can write to a folder can exchange what lies in it, so
each level down to it is looked at: its owner is this user or root, and others cannot write to it
(or only as in /tmp, where nobody can rename what is not his). From then on the folder is held open
and its files are found from there, whatever becomes of its path.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
    import grp
    import pwd
except ImportError:  # Windows: folders of users are private there by their access lists
    fcntl = grp = pwd = None  # type: ignore[assignment]

POSIX = hasattr(os, "getuid") and os.open in os.supports_dir_fd
PREFIX = "neonport-private-"  # of temporary folders
ABANDONED = 600.0  # seconds after which a temporary folder without an owner is swept
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_READ = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)  # fmt: skip
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class UnsafeError(OSError):
    """Something in the file system that another user may have a hand in."""


class PrivateFolder:
    """A folder that only this user can write, held open.

    Args:
        path: where it lies.

    Raises:
        UnsafeError: another user can write to it or exchange it, or it is no folder.
        OSError: it cannot be opened.

    Example:
        with PrivateFolder.make(Path.home() / ".cache" / "neonport") as folder:
            folder.write("entry", b"data")
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None
        if POSIX:
            self._hold(os.open(path, _FOLDER))
        else:
            self._identity = _identity(os.stat(path))
            self._open_to_others = False

    def _hold(self, descriptor: int) -> None:
        self._held = descriptor
        status = os.fstat(descriptor)
        self._identity = _identity(status)
        self._open_to_others = bool(status.st_mode & (stat.S_IXGRP | stat.S_IXOTH))
        objection = _objection(status, self.path, last=True)
        if objection:
            self.close()
            raise UnsafeError(objection)

    @classmethod
    def make(cls, path: Path) -> PrivateFolder:
        """Open a folder after a look at each level above it; missing levels are made (mode 0700).

        Symbolic links on the way are followed before the look, so what counts is where they lead.

        Raises:
            UnsafeError, OSError: see the class.
        """
        real = Path(os.path.realpath(path))
        for level in (*reversed(real.parents), real):
            try:
                status = os.lstat(level)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(level, 0o700)
                status = os.lstat(level)
            objection = _objection(status, level, last=level == real)
            if objection:
                raise UnsafeError(objection)
        return cls(real)

    @classmethod
    def temporary(cls) -> PrivateFolder:
        """Make a folder in the system's folder for temporary files.

        It is locked for as long as this object lives, so that `sweep_temporary` leaves it alone.
        """
        folder = cls(Path(tempfile.mkdtemp(prefix=PREFIX)))
        folder._lock()
        return folder

    def folder(self, name: str) -> PrivateFolder:
        """Open a folder in this one, which is made (mode 0700) when it is not there."""
        if self._held is None:
            os.makedirs(self.path / name, exist_ok=True)
            return PrivateFolder(self.path / name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self._held)
        inner = object.__new__(PrivateFolder)
        inner.path = self.path / name
        try:
            inner._hold(os.open(name, _FOLDER, dir_fd=self._held))
        except NotADirectoryError as error:
            raise UnsafeError(f"{inner.path} is not a folder") from error
        return inner

    # ---- files -------------------------------------------------------------------------------

    def read(self, name: str) -> bytes:
        """Return the content of a file, which only this user can have written.

        Raises:
            UnsafeError: another user may have written it, or it is no plain file.
            OSError: it is not there or cannot be read.
        """
        place, where = self._at(name)
        with os.fdopen(os.open(place, _READ, dir_fd=where), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnsafeError(f"{self.path / name} is not a plain file")
            writable = self._open_to_others and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if POSIX and (status.st_uid != os.getuid() or writable):
                raise UnsafeError(f"{self.path / name} may be of another user")
            content = file.read()
            if time.time() - status.st_mtime > 86400 and os.utime in os.supports_fd:
                with contextlib.suppress(OSError):  # the last use, for who sweeps by age
                    os.utime(file.fileno())
        return content

    def create(self, name: str, data: bytes) -> None:
        """Write a new file.

        Raises:
            OSError: there is one of that name, or it cannot be written; nothing is left.
        """
        place, where = self._at(name)
        descriptor = os.open(place, _CREATE, 0o600, dir_fd=where)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except BaseException:
            self.remove(name)
            raise

    def write(self, name: str, data: bytes) -> None:
        """Write a file that readers see complete or not at all; an older one is replaced.

        Raises:
            OSError: it cannot be written; an older file of that name is left as it was.
        """
        temporary = f".{secrets.token_hex(8)}.tmp"
        self.create(temporary, data)
        (source, where), (target, _) = self._at(temporary), self._at(name)
        try:
            os.replace(source, target, src_dir_fd=where, dst_dir_fd=where)
        except BaseException:
            self.remove(temporary)
            raise

    def remove(self, name: str) -> None:
        """Remove a file if it is there and can be removed."""
        place, where = self._at(name)
        with contextlib.suppress(OSError):
            os.unlink(place, dir_fd=where)

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Name and status of each plain file."""
        with os.scandir(self.path if self._held is None else self._held) as found:
            for entry in found:
                with contextlib.suppress(OSError):  # it may have gone meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield entry.name, status

    def location(self, name: str) -> str:
        """Return a path of a file for functions that open it themselves, in this process."""
        way = f"/proc/self/fd/{self._held}"
        if self._held is not None and os.path.isdir(way):
            return f"{way}/{name}"
        return str(self.path / name)

    def _at(self, name: str) -> tuple[str, int | None]:
        return (name, self._held) if self._held is not None else (str(self.path / name), None)

    # ---- life --------------------------------------------------------------------------------

    def is_sound(self) -> bool:
        """Whether the folder is there, and still this user's alone."""
        try:
            status = os.stat(self.path) if self._held is None else os.fstat(self._held)
        except OSError:
            return False
        same = _identity(status) == self._identity  # not if somebody closed all descriptors
        return same and status.st_nlink > 0 and not _objection(status, self.path, last=True)

    def is_at_path(self) -> bool:
        """Whether the path leads to the folder that is held."""
        try:
            return self.is_sound() and _identity(os.lstat(self.path)) == self._identity
        except OSError:
            return False

    def _lock(self) -> bool:
        """Take the folder's lock; the system frees it when the process ends, also when killed."""
        if fcntl is None or self._held is None:
            return False
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def discard(self) -> None:
        """Remove the folder with all that is in it, and close it."""
        if self.is_at_path():
            shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        held, self._held = self._held, None
        if held is not None:
            with contextlib.suppress(OSError):
                if _identity(os.fstat(held)) == self._identity:
                    os.close(held)

    def __enter__(self) -> PrivateFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_held", None) is not None:
            self.close()


def sweep_temporary() -> None:
    """Remove this user's temporary folders whose processes were killed."""
    if fcntl is None or not POSIX:
        return
    with contextlib.suppress(OSError):
        for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                if time.time() - os.lstat(path).st_mtime < ABANDONED:
                    continue  # it may not be locked yet
                with PrivateFolder(path) as folder:
                    if folder._lock():
                        folder.discard()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _objection(status: os.stat_result, path: Path, last: bool) -> str:
    """Say why a level is not safe; empty when it is.

    Args:
        last: whether it is the folder itself, not one above it.
    """
    if not stat.S_ISDIR(status.st_mode):
        return f"{path} is not a folder"
    if not POSIX:
        return ""
    me = os.getuid()
    if status.st_uid != me and (last or status.st_uid not in _roots()):
        return f"{path} belongs to another user"
    others = status.st_mode & stat.S_IWOTH
    if status.st_mode & stat.S_IWGRP and (last or not _is_private(status.st_gid)):
        others = True
    if others and (last or not status.st_mode & stat.S_ISVTX):
        return f"other users can write to {path}"
    return ""


@functools.lru_cache(maxsize=1)
def _roots() -> frozenset[int]:
    """Users that can do everything anyhow.

    In a namespace of users that does not know the machine's root, his files show the number of
    unknown users.
    """
    found = {0}
    with contextlib.suppress(OSError, ValueError):
        known = Path("/proc/self/uid_map").read_text("ascii").split()
        if known != ["0", "0", "4294967295"]:
            found.add(int(Path("/proc/sys/kernel/overflowuid").read_text("ascii")))
    return frozenset(found)


@functools.lru_cache(maxsize=64)
def _is_private(group: int) -> bool:
    """Whether nobody but this user (or root) is in a group, as where each user has his own."""
    try:
        row, name = grp.getgrgid(group), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return row.gr_name in (name, "root") and set(row.gr_mem) <= {name, "root"}
