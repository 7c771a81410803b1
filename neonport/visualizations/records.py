"""What is checked before a group or an array of a file is read; it may be somebody else's."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.errors import RecordsError

LIMIT = 2**29  # bytes that are read of one file
NAMES = 10_000  # members of one group

# what h5py raises about a damaged file, depending on where the damage is
FAULTS = (
    *(OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError),
    *(OverflowError, MemoryError, NotImplementedError),
)


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
            self.check_link(found, part, path)
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
        self.check_link(group, key, where)
        data = group[key]
        shape, dtype = getattr(data, "shape", None), getattr(data, "dtype", None)
        if shape is None or dtype is None or dtype.kind not in "iuf" or len(shape) not in axes:
            wanted = " or ".join(map(str, axes))
            raise self.fault(f"{where!r} is no array of numbers with {wanted} axes")
        if getattr(data, "external", None) or getattr(data, "is_virtual", False):
            raise self.fault(f"{where!r} has its contents in other files")
        # curves are drawn as float64
        size = max(dtype.itemsize, 8) if len(shape) <= 2 else dtype.itemsize
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

    def check_link(self, group: Any, key: str, where: str) -> None:
        """Refuse a link, which may lead to another file, or back to where it stands."""
        link = group.get(key, getlink=True) if hasattr(group, "file") else None
        if link is not None and type(link).__name__ != "HardLink":
            raise self.fault(f"{where!r} is a link")
