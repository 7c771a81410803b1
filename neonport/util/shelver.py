"""A dict in a file, which one process at a time changes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, MutableMapping
from typing import Any

from neonport.errors import CheckpointError, ConfigurationError
from neonport.io.file_lock import file_lock
from neonport.util.persist import load_obj, save_obj


class _Shelf(MutableMapping[str, Any]):
    """Plain data by name; remembers whether something changed."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self.entries = entries
        self.changed = False

    def __getitem__(self, key: str) -> Any:
        return self.entries[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise ConfigurationError(f"atomic_shelve: the key {key!r} must be text")
        self.entries[key] = value
        self.changed = True

    def __delitem__(self, key: str) -> None:
        del self.entries[key]
        self.changed = True

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


@contextlib.contextmanager
def atomic_shelve(filename: str) -> Iterator[MutableMapping[str, Any]]:
    """Open a dict that is kept in a file; others who want it wait until the block is left.

    neon uses Python's `shelve`, whose files may run code when they are read. This file is read as
    data, and written when the block is left: whole, or not at all if the block raises. What was
    changed within a value is kept if the value is assigned again, as with `shelve`.

    Args:
        filename: the file; it is made when something is stored. `<filename>.lock` is made beside
            it, and stays.

    Raises:
        CheckpointError: the file is damaged, or one of Python's `shelve`.
        ConfigurationError: a key that is no text, or a value that is no plain data (dicts, lists,
            tuples, text, numbers, arrays): nothing was written then.
        OSError: the files cannot be made.

    Example:
        from neonport.util.shelver import atomic_shelve

        with atomic_shelve("runs") as shelf:  # doctest: +SKIP
            shelf["first"] = {"cost": 0.5, "epochs": 10}
    """
    path = os.path.expanduser(os.path.expandvars(filename))
    with file_lock(f"{path}.lock"):
        shelf = _Shelf(_read(path))
        yield shelf
        if shelf.changed:
            save_obj(shelf.entries, path)


def _read(path: str) -> dict[str, Any]:
    """What a file holds, {} if there is none.

    Raises:
        CheckpointError: it is damaged, or holds something else.
    """
    if not os.path.exists(path):
        others = [
            path + end for end in (".db", ".dat", ".dir", ".pag") if os.path.exists(path + end)
        ]
        if others:
            raise _foreign(others[0])
        return {}
    try:
        found = load_obj(path)
    except CheckpointError as error:
        raise _foreign(path) from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise _foreign(path)
    return found


def _foreign(path: str) -> CheckpointError:
    return CheckpointError(
        f"atomic_shelve: {path!r} is damaged, or a file of Python's shelve, which may run code "
        "when it is read; read it with shelve where you trust it, and store its values in a new one"
    )
