"""A copy in memory of what a file holds, made by a process of its own.

HDF5's library ends the process at some damaged files. So a child opens the file, checks sizes and
links, and hands over arrays, numbers and texts; a child that dies is an error like others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from neonport.callbacks.records.store import MemoryStore
from neonport.errors import RecordsError
from neonport.foundation.extras import need

SECONDS = 300  # that a child may take
WORDS = 200  # characters of what it says

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
_CHILD += "from neonport.visualizations.child import child; child(*sys.argv[2:])"


def copy_of(name: str, groups: tuple[str, ...]) -> MemoryStore:
    """Copy groups of an HDF5 file into memory.

    Args:
        name: of the file.
        groups: outermost groups; those that are missing are left out.

    Raises:
        RecordsError: it is missing, damaged, too large, or not what it should be.
        ConfigurationError: h5py is missing.
    """
    need("h5py", "reading the records of a training")
    if not os.path.isfile(name):
        what = "is no file" if os.path.exists(name) else "does not exist"
        raise RecordsError(f"{name!r} {what}; give the output_file of a training")
    with tempfile.TemporaryDirectory(prefix="neonport-records-") as folder:
        out = os.path.join(folder, "copy.npz")
        command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), name, out, *groups]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=SECONDS, check=False)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise RecordsError(f"{name!r} takes more than {SECONDS} s to read") from error
        if done.returncode == 1 and done.stdout:
            raise RecordsError(done.stdout.decode("utf-8", "replace"))
        if done.returncode or not os.path.exists(out):
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise RecordsError(
                f"{name!r} is damaged: reading it ended with status {done.returncode} "
                f"{' '.join(words)[:WORDS]}"
            )
        with np.load(out, allow_pickle=False) as copied:
            store = _unpack(copied)
    store.filename = name
    return store


def _unpack(copied: Any) -> MemoryStore:
    store = MemoryStore()
    for number, (path, attributes) in enumerate(json.loads(bytes(copied["index"]))):
        key = f"array {number}"
        if key in copied:
            member: Any = store.create_dataset(path, data=copied[key])
        else:
            member = store.require_group(path)
        member.attrs.update(attributes)
    return store
