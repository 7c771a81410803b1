"""The process that reads a file for `copying.py`; it imports little, to be quick."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

import numpy as np

from neonport.errors import NeonportError, RecordsError
from neonport.visualizations.records import FAULTS, LIMIT, NAMES, Records

DEPTH = 5  # of groups in groups
MEMORY = 16 * LIMIT  # bytes of this process
TEXT = 200  # characters of an attribute


def child(name: str, out: str, *groups: str) -> None:
    """Write the copy; end with status 1 and the words of a RecordsError on standard output."""
    _limit_memory()
    try:
        index, arrays = _read(name, groups)
    except NeonportError as error:
        words = str(error)
    except FAULTS as error:
        reason = " ".join(str(error).split())[:300]
        words = f"{name!r} is damaged: {type(error).__name__}: {reason}"
    else:
        encoded = np.frombuffer(json.dumps(index).encode("utf-8"), np.uint8)
        save: Any = np.savez
        save(out, index=encoded, **arrays)
        return
    sys.stdout.buffer.write(words.encode("utf-8", "replace"))
    sys.stdout.flush()
    os._exit(1)  # what the library kept of a damaged file is not closed


def _limit_memory() -> None:
    """Let a file that makes the library ask for too much end this process, and leave no dump."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, size in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):  # the system sets another one
            resource.setrlimit(kind, (size, resource.getrlimit(kind)[1]))


def _read(name: str, groups: tuple[str, ...]) -> tuple[list[Any], dict[str, np.ndarray]]:
    import h5py

    if not h5py.is_hdf5(name):
        raise RecordsError(f"{name!r} is no HDF5 file; give the output_file of a training")
    # without a lock: a training may be at work
    with h5py.File(name, "r", locking=False) as file:
        walk = _Walk(Records(file, name))
        for group in groups:
            found = walk.records.group(group)
            if found is not None:
                walk.take(found, group, 1)
        return walk.index, walk.arrays


class _Walk:
    """Takes groups with all that is in them."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.index: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def take(self, group: Any, path: str, depth: int) -> None:
        self._note(path, group)
        if depth > DEPTH:
            raise self.records.fault(f"{path!r} is nested too deeply")
        if len(group) > NAMES:
            raise self.records.fault(f"{path!r} has {len(group)} members, more than {NAMES}")
        for key in group:
            self.records.check_link(group, key, f"{path}/{key}")
            if hasattr(group[key], "keys"):
                self.take(group[key], f"{path}/{key}", depth + 1)
            else:
                self.arrays[f"array {len(self.index)}"] = self.records.array(
                    group, key, (1, 2, 3, 4)
                )
                self._note(f"{path}/{key}", group[key])

    def _note(self, path: str, member: Any) -> None:
        if len(self.index) > NAMES or len(member.attrs) > NAMES:
            raise self.records.fault(f"there are more than {NAMES} members or attributes")
        attributes = {str(key): _plain(member.attrs[key]) for key in member.attrs}
        self.index.append([path, attributes])


def _plain(value: Any) -> Any:
    """An attribute as JSON can hold it; what is no number becomes a text."""
    array = np.asarray(value)
    if array.dtype.kind in "iuf" and array.size <= NAMES:
        return array.tolist()
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text[:TEXT]
