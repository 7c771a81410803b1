"""Records of callbacks, read with care: the file may be damaged, or made by somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from neonport.errors import NeonportError, RecordsError
from neonport.foundation.extras import need

LIMIT = 2**28  # bytes that are read of one file
NAMES = 10_000  # members of one group
Source = str | os.PathLike[str] | Any

# what h5py raises about a damaged file, depending on where the damage is
_FAULTS = (
    *(OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError),
    *(OverflowError, MemoryError, NotImplementedError),
)


@contextmanager
def opened(source: Source) -> Iterator[Records]:
    """Open an HDF5 file of callbacks, or the `callback_data` of a training.

    A file that a training still writes can be read too; it is as it was at the end of an epoch.

    Raises:
        RecordsError: (also within the block) it is missing, damaged, or not what it should be.
        ConfigurationError: h5py is missing.
    """
    if hasattr(source, "keys"):
        yield Records(source, "callback_data")
        return
    name = os.fsdecode(source)
    h5py = need("h5py", "reading the records of a training")
    if not os.path.isfile(name):
        what = "is no file" if os.path.exists(name) else "does not exist"
        raise RecordsError(f"{name!r} {what}; give the output_file of a training")
    try:
        if not h5py.is_hdf5(name):
            raise RecordsError(f"{name!r} is no HDF5 file; give the output_file of a training")
        with h5py.File(name, "r", locking=False) as file:
            yield Records(file, name)
    except NeonportError:
        raise
    except _FAULTS as error:
        words = " ".join(str(error).split())[:300]
        raise RecordsError(f"{name!r} is damaged: {type(error).__name__}: {words}") from error


class Records:
    """Groups and arrays of a file, as far as they are plain.

    Args:
        root: the file, or `callback_data`.
        name: of the file, for errors.
    """

    def __init__(self, root: Any, name: str) -> None:
        self._root = root
        self._name = name
        self._left = LIMIT

    def group(self, path: str) -> Any:
        """A group, or None where there is none.

        Raises:
            RecordsError: it is an array, a link to elsewhere, or has too many members.
        """
        found = self._root
        for part in path.split("/"):
            if part not in found:
                return None
            self._check_link(found, part, path)
            found = found[part]
            if not hasattr(found, "keys"):
                raise self.fault(f"{path!r} is no group")
        if len(found) > NAMES:
            raise self.fault(f"{path!r} has {len(found)} members, more than {NAMES}")
        return found

    def array(self, group: Any, key: str, axes: tuple[int, ...]) -> np.ndarray:
        """An array of numbers.

        Args:
            group: what `group` returned.
            key: name in it.
            axes: numbers of axes that it may have.

        Raises:
            RecordsError: it is missing, no such array, or too large.
        """
        where = f"{group.name}/{key}"
        if key not in group:
            raise self.fault(f"{where!r} is missing")
        self._check_link(group, key, where)
        data = group[key]
        shape, dtype = getattr(data, "shape", None), getattr(data, "dtype", None)
        if shape is None or dtype is None or dtype.kind not in "iuf" or len(shape) not in axes:
            wanted = " or ".join(map(str, axes))
            raise self.fault(f"{where!r} is no array of numbers with {wanted} axes")
        if getattr(data, "external", None) or getattr(data, "is_virtual", False):
            raise self.fault(f"{where!r} has its contents in other files")
        # curves are drawn as float64
        size = max(dtype.itemsize, 8) if 1 in axes else dtype.itemsize
        for length in shape:
            size *= int(length)
        if size > self._left:
            raise self.fault(
                f"{where!r} has the shape {tuple(shape)}; with it {LIMIT >> 20} MiB would be "
                "exceeded, which is what is read of one file"
            )
        self._left -= size
        return np.asarray(data[...])

    def integer(self, owner: Any, attribute: str, default: int | None = None) -> int:
        """An attribute that is a whole number.

        Raises:
            RecordsError: it is missing (and has no default) or no such number.
        """
        if attribute not in owner.attrs and default is not None:
            return default
        value = np.asarray(owner.attrs.get(attribute)).reshape(-1)
        if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value[0]):
            raise self.fault(f"attribute {attribute!r} of {owner.name!r} is no number")
        return int(value[0])

    def fault(self, words: str) -> RecordsError:
        """The error that says something about this file."""
        return RecordsError(f"{self._name!r}: {words}")

    def _check_link(self, group: Any, key: str, where: str) -> None:
        """Refuse links, which may lead to other files, or back to where they stand."""
        link = group.get(key, getlink=True) if hasattr(group, "file") else None
        if link is not None and type(link).__name__ != "HardLink":
            raise self.fault(f"{where!r} is a link")
