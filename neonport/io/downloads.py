"""Files from the network: complete or not there, continued where a download broke off; archives."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import lzma
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import IO, Any

from neonport.errors import ConfigurationError
from neonport.io.atomic_write import write_file

try:
    import fcntl
except ImportError:  # Windows: two downloads of one file at once are not kept apart there
    fcntl = None  # type: ignore[assignment]

DATA_CACHE_VARIABLE = "NEON_DATA_CACHE_DIR"
PIECE = 1 << 20  # bytes that are read at once
TIMEOUT = 30  # seconds without an answer
LARGEST_RATIO = 200  # bytes that an archive may unpack to, for each byte of it
SMALLEST_LIMIT = 1 << 24  # bytes that any archive may unpack to

_DAMAGED = (  # what the readers of archives raise; RuntimeError asks for a password
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    RuntimeError,
    ValueError,
)


class MissingData(ConfigurationError, OSError):
    """A data file is not there and cannot be had."""


def download(
    url: str, path: str | os.PathLike[str], size: int | None = None, checksum: str | None = None
) -> None:
    """Fetch a file, with a progress bar on a terminal.

    What arrives is kept in `<path>.part` until it is complete; after an interruption the next call
    asks for the rest only.

    Args:
        url: `http://` or `https://`.
        path: where the file is to be; its folder must exist.
        size: bytes that it must have; None or 0 takes what the server says.
        checksum: `"sha256:..."`, or another hash that Python knows, of what arrives; None for one
            that is not known.

    Raises:
        MissingData: no network, no such file there, or one of another size or checksum. What is
            said is also where to put a copy by hand.
    """
    target = os.path.realpath(path)
    size = size or None
    if not url.startswith(("http://", "https://")):
        raise MissingData(f"{url!r} is no address of the web: it begins with http:// or https://")
    part = target + ".part"
    try:
        with open(part, "ab") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.exists(target):  # another process was faster
                return
            total = _receive(url, file, size)
            file.flush()
            os.fsync(file.fileno())
            found = file.tell()
            if total is not None and found < total:
                raise ConnectionError(f"the connection ended after {found} of {total} bytes")
            if size is not None and found != size:
                file.truncate(0)
                raise MissingData(
                    f"{url} has {found} bytes, not the {size} of the file that is wanted; put a "
                    f"copy of it at {target!r}"
                )
        if checksum and not has_checksum(part, checksum):
            os.unlink(part)
            raise MissingData(
                f"{url} has another content than the file that is wanted ({checksum}): it was "
                f"damaged on its way, or replaced; put a copy of it at {target!r}"
            )
        os.replace(part, target)
    except (HTTPException, urllib.error.URLError, ConnectionError, TimeoutError) as error:
        wanted = f" ({size} bytes)" if size else ""
        raise MissingData(
            f"{url} cannot be downloaded: {error}. Try again, or fetch it on another machine and "
            f"put it at {target!r}{wanted}"
        ) from error


def has_checksum(path: str | os.PathLike[str], checksum: str) -> bool:
    """Whether a file has a checksum.

    Args:
        path: the file.
        checksum: `"sha256:..."`, or another hash that Python knows.

    Raises:
        ConfigurationError: the hash is not known.
    """
    kind, _, wanted = checksum.partition(":")
    try:
        found = hashlib.new(kind, usedforsecurity=False)
    except ValueError as error:
        raise ConfigurationError(
            f"{checksum!r} is no checksum: it is the name of a hash, a colon and hexadecimal digits"
        ) from error
    with open(path, "rb") as file:
        while data := file.read(PIECE):
            found.update(data)
    return found.hexdigest() == wanted.strip().lower()


def _receive(url: str, file: IO[bytes], size: int | None) -> int | None:
    """Append what is missing in a file; returns how many bytes it should have, if that is known."""
    done = file.seek(0, os.SEEK_END)
    if size is not None and done >= size:  # of something else
        done = 0
        file.truncate(0)
    headers = {"User-Agent": "neonport", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416 or not done:
                raise
        file.truncate(0)  # there is no rest: what we have is of an older file
        return _receive(url, file, size)
    with answer:
        begins = (answer.headers.get("Content-Range") or "").startswith(f"bytes {done}-")
        if done and not (answer.status == 206 and begins):
            done = 0
            file.truncate(0)
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else size
        with _progress(os.path.basename(url), done, total) as advance:
            while data := answer.read(PIECE):
                file.write(data)
                done += len(data)
                if size is not None and done > size:
                    return total  # it is refused; why read more
                advance(len(data))
    return total


@contextlib.contextmanager
def _progress(name: str, done: int, total: int | None) -> Iterator[Callable[[int], Any]]:
    """A bar on standard error, if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn()]
    with Progress(
        *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task(name, total=total, completed=done)
        yield lambda count: bar.advance(task, count)


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Unpack the files of a zip or tar archive; each is written whole or not at all.

    Args:
        archive: its path; tar may be compressed.
        folder: where they go; folders are made.

    Raises:
        ConfigurationError: it is damaged or no archive, unpacks to far more than its size, or has a
            member that would be outside of the folder or is no file: nothing was unpacked then.
    """
    archive = os.fspath(archive)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as package:
                infos = [info for info in package.infolist() if not info.is_dir()]
                named = [(info.filename, info.file_size, (info.external_attr >> 28) == 0o12)
                         for info in infos]  # fmt: skip
                _check_members(archive, named)
                for info in infos:
                    with package.open(info) as source:
                        _write_member(source, os.path.join(folder, info.filename))
            return
        with tarfile.open(archive) as package:
            members = [member for member in package.getmembers() if not member.isdir()]
            _check_members(archive, [(m.name, m.size, not m.isreg()) for m in members])
            for member in members:
                content = package.extractfile(member)
                assert content is not None  # it is a regular file
                with content:
                    _write_member(content, os.path.join(folder, member.name))
    except ConfigurationError:
        raise
    except _DAMAGED as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the start of the archive
            raise
        raise _damaged(archive, error) from error


def _damaged(archive: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{archive!r} is damaged or no archive ({error}); delete it, and it is fetched again"
    )


def _check_members(archive: str, members: list[tuple[str, int, bool]]) -> None:
    """Refuse members outside of the folder, links and devices, and far too many bytes."""
    for name, _, special in members:
        parts = name.replace("\\", "/").split("/")
        if special or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise ConfigurationError(
                f"{archive!r} has a member {name[:200]!r} that is no file within its folder; "
                "nothing was unpacked. Fetch it from another place"
            )
    total = sum(size for _, size, _ in members)
    limit = max(SMALLEST_LIMIT, LARGEST_RATIO * os.path.getsize(archive))
    if total > limit:
        raise ConfigurationError(
            f"{archive!r} would unpack to {total} bytes, more than {limit}; unpack it yourself if "
            "you know where it comes from"
        )


def _write_member(source: IO[bytes], path: str) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    write_file(path, lambda file: shutil.copyfileobj(source, file, PIECE))
