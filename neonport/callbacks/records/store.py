"""`callback_data`: where callbacks keep what they record.

With an output file it is an HDF5 file (extra `hdf5`); without one it is `MemoryStore`, which has
the part of h5py's interface that callbacks use: groups, datasets, `attrs`, paths with slashes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.foundation.extras import need
from neonport.io.atomic_write import check_target
from neonport.log import logger


class MemoryDataset:
    """An array with attributes; indexing copies, as h5py does."""

    def __init__(self, array: np.ndarray, name: str) -> None:
        self.name = name
        self.attrs: dict[str, Any] = {}
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self._array.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._array.size

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> Any:
        value = self._array[key]
        return value.copy() if isinstance(value, np.ndarray) else value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._array[key] = value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._array, dtype=dtype)


class MemoryGroup:
    """A folder of datasets and groups; a name may be a path `a/b`."""

    def __init__(self, name: str = "/") -> None:
        self.name = name
        self.attrs: dict[str, Any] = {}
        self._members: dict[str, MemoryGroup | MemoryDataset] = {}

    def _parent(self, path: str, create: bool) -> tuple[MemoryGroup, str]:
        """Walk to the group that holds the last part of `path`."""
        *folders, last = [part for part in path.split("/") if part]
        group = self
        for folder in folders:
            if create and folder not in group._members:
                group._members[folder] = MemoryGroup(f"{group.name.rstrip('/')}/{folder}")
            member = group._members[folder]
            if not isinstance(member, MemoryGroup):
                raise KeyError(f"{member.name} is a dataset, not a group")
            group = member
        return group, last

    def _place(self, path: str) -> tuple[MemoryGroup, str, str]:
        group, last = self._parent(path, create=True)
        if last in group._members:
            raise ValueError(f"{path!r} exists already in {self.name}")
        return group, last, f"{group.name.rstrip('/')}/{last}"

    def create_group(self, name: str) -> MemoryGroup:
        """Make a new group."""
        parent, last, full = self._place(name)
        group = parent._members[last] = MemoryGroup(full)
        return group

    def require_group(self, name: str) -> MemoryGroup:
        """Return the group of that name, made if missing."""
        if name not in self:
            return self.create_group(name)
        member = self[name]
        if not isinstance(member, MemoryGroup):
            raise TypeError(f"{member.name} is a dataset, not a group")
        return member

    def create_dataset(
        self, name: str, shape: Any = None, dtype: Any = None, data: Any = None, **storage: Any
    ) -> MemoryDataset:
        """Make a new dataset of zeros (float32) or of `data`; storage options mean nothing here."""
        if data is None:
            array = np.zeros(shape, dtype or np.float32)
        else:
            array = np.array(data, dtype=dtype)
            array = array if shape is None else array.reshape(shape)
        parent, last, full = self._place(name)
        dataset = parent._members[last] = MemoryDataset(array, full)
        return dataset

    def __getitem__(self, path: str) -> Any:
        group, last = self._parent(path, create=False)
        return group._members[last]

    def __delitem__(self, path: str) -> None:
        group, last = self._parent(path, create=False)
        del group._members[last]

    def __contains__(self, path: str) -> bool:
        try:
            group, last = self._parent(path, create=False)
        except KeyError:
            return False
        return last in group._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def get(self, path: str, default: Any = None) -> Any:
        """Return the member at `path`, or `default`."""
        try:
            return self[path]
        except KeyError:
            return default

    def keys(self) -> list[str]:
        """Names of the members."""
        return list(self._members)

    def values(self) -> list[Any]:
        """The members."""
        return list(self._members.values())

    def items(self) -> list[tuple[str, Any]]:
        """Names and members."""
        return list(self._members.items())


class MemoryStore(MemoryGroup):
    """The root group; `close` keeps the contents readable."""

    filename: str | None = None  # of what it is a copy of

    def flush(self) -> None:
        """Nothing to write."""

    def close(self) -> None:
        """Nothing to release."""


def open_store(output_file: str | os.PathLike[str] | None) -> Any:
    """Return an HDF5 file made afresh, or an in-memory store when `output_file` is None.

    A file of an earlier training is replaced, with a warning in the log; no other file is. It stays
    as it was if the new one cannot be made.

    Raises:
        ConfigurationError: h5py is missing, the folder is, or a file of that name is none that
            callbacks wrote, is damaged, or is in use.
    """
    if output_file is None:
        return MemoryStore()
    name = os.path.realpath(os.fsdecode(output_file))
    h5py = need("h5py", f"output_file={name!r}, unlike records that stay in memory,")
    aside = None
    try:
        if os.path.exists(name):
            _check_ours(h5py, name)
            logger.warning("overwriting the existing file %s", name)
            aside = f"{name}.{secrets.token_hex(4)}.old"
            os.rename(name, aside)
        store = _make(h5py, name)
    except (OSError, RuntimeError) as error:
        if aside is not None and os.path.exists(aside):
            os.replace(aside, name)
        raise ConfigurationError(f"output_file={name!r} cannot be made: {error}") from error
    if aside is not None:
        os.remove(aside)
    return store


def _make(h5py: Any, name: str) -> Any:
    store = h5py.File(name, "x")
    try:
        store.attrs[_MARK] = 1
        store.flush()  # a training that is killed leaves a file that the next one knows
    except BaseException:
        with contextlib.suppress(OSError, RuntimeError):
            store.close()
        os.remove(name)
        raise
    return store


def reserve(store: Any) -> None:
    """Take the room on the disk that the datasets of a store will need.

    So a full disk ends a training before it has begun, and not in the middle.

    Raises:
        ConfigurationError: there is not enough room.
    """
    if isinstance(store, MemoryStore):
        return
    datasets: list[Any] = []
    store.visititems(lambda _, member: datasets.append(member))
    try:
        for dataset in datasets:
            plain = hasattr(dataset, "shape") and dataset.chunks is None and dataset.size
            if plain and not dataset.id.get_storage_size():
                dataset[...] = dataset.fillvalue
        store.flush()
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"output_file={store.filename!r} has no room for what this training records: {error}"
        ) from error


def create_late(group: Any, name: str, data: np.ndarray, **storage: Any) -> Any:
    """Make a dataset in the course of a training, whole or not at all.

    Args:
        group: store or group.
        name: of the dataset.
        data: its contents.
        storage: compression and the like.

    Raises:
        ConfigurationError: the disk is full; what was recorded before is not harmed.
    """
    try:
        return group.create_dataset(name, data=data, **storage)
    except OSError as error:
        # without its room a file that has the dataset would be truncated, and unreadable
        if name in group:
            del group[name]
        raise ConfigurationError(
            f"output_file={group.file.filename!r} cannot take {name!r}, "
            f"{np.asarray(data).nbytes} bytes: {error}"
        ) from error


_MARK = "neonport_callbacks"  # attribute of the root of files that `open_store` made
_GROUPS = {"config", "cost", "metrics", "time", "time_markers"}  # of files from before it did


def _check_ours(h5py: Any, name: str) -> None:
    """Refuse to replace what callbacks did not write.

    Raises:
        ConfigurationError: saying what the file is.
    """
    found = ""
    try:
        check_target(name)
        if not os.stat(name).st_mode & 0o222:
            found = "is read-only"
        elif not h5py.is_hdf5(name):
            found = "is no file of a training"
        else:
            with h5py.File(name, "r") as file:
                known = _MARK in file.attrs or (len(file) > 0 and set(file) <= _GROUPS)
                found = "" if known else "is an HDF5 file, but none of a training"
    except OSError as error:
        found = f"cannot be replaced: {error.strerror or error}"
    if found:
        raise ConfigurationError(
            f"output_file={name!r} exists and {found}; name another file, or remove it"
        )
