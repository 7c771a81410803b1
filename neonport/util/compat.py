"""neon's helpers for two versions of Python, of which one is left."""

from __future__ import annotations

import pickle
from typing import IO, Any

from neonport.io.pickle_reader import read_pickle

PY3 = True
xrange = range

__all__ = ["PY3", "pickle", "pickle_load", "xrange"]


def pickle_load(file: IO[bytes]) -> Any:
    """Read the pickle in an open file as data; nothing in it is executed.

    Args:
        file: open for reading bytes.

    Returns:
        What it describes: dicts, lists, tuples, text, numbers and arrays. Byte strings of Python 2
        become text, as Latin-1.

    Raises:
        CheckpointError: it is damaged, or holds more than plain data.

    Example:
        from neonport.util.compat import pickle_load

        with open("words.pkl", "rb") as file:  # doctest: +SKIP
            words = pickle_load(file)
    """
    return read_pickle(file.read(), str(getattr(file, "name", "the file")))
