"""What is installed: the entry points of group `neonport`, read from metadata; nothing is imported.

A folder of `sys.path` is read once and again when it, or the `entry_points.txt` of a plugin in it,
has changed. What is kept is text in the memory of this process; no file is written. Reading the
files ourselves costs a tenth of what `importlib.metadata` takes to be imported, and one damaged
metadata folder spoils only itself.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from neonport.plugins.text import Failure, guarded, printable

GROUP = "neonport"
METADATA_FOLDERS = (".dist-info", ".egg-info")
LARGEST = 1 << 20  # bytes that are read of a file
SETTLED = 2_000_000_000  # ns after which a change has another time stamp on any file system
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_HEADER = re.compile(rb"^(Name|Version):[ \t]*([^\r\n]*)", re.MULTILINE)
_SECTION = re.compile(rf"^[ \t]*\[[ \t]*{GROUP}[ \t]*\][ \t]*$", re.MULTILINE)
Stamp = tuple[int, int] | None  # time of the last change and size of a file


@dataclass(frozen=True)
class Installed:
    """The entry points of one distribution, or why they cannot be read.

    Attributes:
        distribution, version: as the metadata names it.
        points: names and values, sorted.
        failure: what went wrong.
    """

    distribution: str
    version: str
    points: tuple[tuple[str, str], ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True)
class _Folder:
    """What was found in a folder of `sys.path`, and the time stamps it depends on."""

    changed: int
    settled: bool
    files: tuple[tuple[str, Stamp], ...]
    found: tuple[Installed, ...]


_folders: dict[str, _Folder] = {}


def canonical(name: str) -> str:
    """Spell a distribution or entry-point name the way packaging compares them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> tuple[Installed, ...]:
    """Return the distributions with entry points of our group, sorted by name.

    Of several with one name the first on `sys.path` counts: that is the one that gets imported.
    """
    found: dict[str, Installed] = {}
    for item in _everything():
        found.setdefault(canonical(item.distribution), item)
    return tuple(found[key] for key in sorted(found))


def _everything() -> Iterator[Installed]:
    paths = list(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))
    for path in paths:
        yield from _in_folder(path)
    for known in set(_folders).difference(paths):
        del _folders[known]
    strange = [f for f in sys.meta_path if _finds_distributions(f)]
    archives = [path for path in paths if os.path.isfile(path)]
    if strange or archives:
        yield from _by_importlib(strange, archives)


def _in_folder(path: str) -> tuple[Installed, ...]:
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError:
        return ()
    known = _folders.get(path)
    if known and known.settled and known.changed == changed and _as_before(known):
        return known.found
    settled = time.time_ns() - changed > SETTLED
    files, found = [], []
    try:
        names = sorted(entry.name for entry in os.scandir(path) if _is_metadata(path, entry.name))
    except OSError:  # a file, or nothing that may be listed
        names = []
    for name in names:
        file = os.path.join(path, name, "entry_points.txt")
        stamp = _stamp(file)
        item = _read(os.path.join(path, name), file)
        if item:
            files.append((file, stamp))
            found.append(item)
    _folders[path] = _Folder(changed, settled, tuple(files), tuple(found))
    return _folders[path].found


def _as_before(known: _Folder) -> bool:
    return all(_stamp(file) == stamp for file, stamp in known.files)


def _is_metadata(path: str, name: str) -> bool:
    low = name.lower()
    return low.endswith(METADATA_FOLDERS) or (low == "egg-info" and path.lower().endswith(".egg"))


def _stamp(file: str) -> Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(folder: str, file: str) -> Installed | None:
    """The entry points of one metadata folder, or None where there is none of ours."""
    try:
        raw = _content(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Installed(*_name(folder), failure=Failure("reading entry_points.txt", error))
    if GROUP.encode() not in raw:
        return None
    points, failure = guarded("reading entry_points.txt", _parse, raw)
    if not points and not failure:
        return None
    return Installed(*_name(folder), points or (), failure)


def _content(file: str) -> bytes:
    """The bytes of a file; none of a pipe, which is not waited for. Half the calls of `open`."""
    descriptor = os.open(file, _READ)
    try:
        return os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)


def _parse(raw: bytes) -> tuple[tuple[str, str], ...]:
    """Names and values of our group.

    Raises:
        ValueError: the text is no UTF-8, or a line of the group reads otherwise.
    """
    text = raw.decode("utf-8")
    points = []
    for section in _SECTION.split(text)[1:]:
        for line in section.splitlines():
            line = line.strip()
            if line.startswith("["):
                break
            if not line or line.startswith(("#", ";")):
                continue
            name, equals, value = (part.strip() for part in line.partition("="))
            if not (name and equals and value):
                raise ValueError(f"the line {line!r} does not read 'name = module'")
            points.append((printable(name), printable(value)))
    return tuple(sorted(points))


def _name(folder: str) -> tuple[str, str]:
    """Name and version in the metadata; where they are missing, what the folder is called."""
    for file in ("METADATA", "PKG-INFO"):
        try:
            head = re.split(rb"\r?\n\r?\n", _content(os.path.join(folder, file)), maxsplit=1)[0]
        except OSError:
            continue
        fields = {key: value.decode("utf-8", "replace") for key, value in _HEADER.findall(head)}
        if fields.get(b"Name", "").strip():
            return printable(fields[b"Name"]), printable(fields.get(b"Version", "")) or "?"
    name, _, version = os.path.splitext(os.path.basename(folder))[0].partition("-")
    return printable(name) or "unnamed distribution", printable(version) or "?"


# ---- what is no folder -------------------------------------------------------------------------


def _finds_distributions(finder: Any) -> bool:
    """Whether an import hook, other than that for folders, may know of installed packages."""
    from importlib.machinery import PathFinder

    return finder is not PathFinder and hasattr(finder, "find_distributions")


def _by_importlib(finders: list[Any], archives: list[str]) -> Iterator[Installed]:
    """Packages in archives, and those that import hooks know of."""
    from importlib.metadata import Distribution, DistributionFinder

    asked: list[Any] = []
    for finder in finders:
        found, failure = guarded(
            "listing what is installed",
            lambda finder=finder: list(finder.find_distributions(DistributionFinder.Context())),
        )
        asked += found or []
        if failure:
            yield Installed(printable(type(finder).__name__), "?", failure=failure)
    if archives:
        asked += guarded("", lambda: list(Distribution.discover(path=archives)))[0] or []
    for distribution in asked:
        raw, failure = guarded("reading entry_points.txt", _entry_points, distribution)
        points: Any = ()
        if raw and not failure:
            points, failure = guarded("reading entry_points.txt", _parse, raw)
        if not points and not failure:
            continue
        name, _ = guarded("", lambda d=distribution: d.metadata["Name"])
        version, _ = guarded("", lambda d=distribution: d.version)
        yield Installed(
            printable(name or "unnamed distribution"), printable(version or "?"), points or (),
            failure,
        )  # fmt: skip


def _entry_points(distribution: Any) -> bytes:
    return (distribution.read_text("entry_points.txt") or "").encode()
