"""How much processor time the system grants this process: the quota of its control groups.

A container with a quota of two of 64 cores sees all 64; a thread for each of them would spend most
of its time waiting for the next period.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CONTROLLER = "cpu"  # of control groups


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the cores that the control groups grant; None where there is no limit.

    The least of all groups from the one of this process up, of version 1 and 2.

    Args:
        root: of the file system.
    """
    quotas = [quota for folder in _folders(root) if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _folders(root: Path) -> Iterator[Path]:
    """Folders of the groups that this process is in and that limit processors."""
    groups = dict(_groups(root))
    for version, mounted, place in _mounts(root):
        group = groups.get(version)
        if group is None:
            continue
        try:
            inside = PurePosixPath(group).relative_to(mounted)
        except ValueError:  # a container that sees its own group as the root of all
            inside = PurePosixPath()
        folder = root / place.lstrip("/")
        yield folder
        for part in inside.parts:
            if part == "..":
                break
            folder /= part
            yield folder


def _groups(root: Path) -> Iterator[tuple[int, str]]:
    """Version of control groups, and the group of this process."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield 2, group
        elif CONTROLLER in controllers.split(","):
            yield 1, group


def _mounts(root: Path) -> Iterator[tuple[int, str, str]]:
    """Version of control groups, the group that is mounted, and where."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        mounted, place = before.split()[3:5]
        kind, _, options = (after.split(" ", 2) + [""] * 3)[:3]
        if kind == "cgroup2":
            yield 2, mounted, place
        elif kind == "cgroup" and CONTROLLER in options.split(","):
            yield 1, mounted, place


def _quota_of(folder: Path) -> float | None:
    """Cores that a group grants: of `cpu.max`, or of its two predecessors."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    if not words:
        words = _lines(folder / "cpu.cfs_quota_us") + _lines(folder / "cpu.cfs_period_us")
    try:
        quota, period = (int(word) for word in words)
    except ValueError:  # "max", or there is no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
