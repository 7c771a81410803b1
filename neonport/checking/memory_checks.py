"""Whether memory is new, and copies arrive: what a device promises besides kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from neonport.dtypes import as_dtype
from neonport.tensor.tensor import Tensor

PART = 1 << 25  # bytes of each end of a large block that are read


def bytes_of(be: Any, storage: Any, start: int = 0, size: int | None = None) -> Tensor:
    """A block of memory, or a part of it, as a row of bytes."""
    size = storage.nbytes if size is None else size
    return Tensor(be, storage, as_dtype("uint8"), ((1, size), (size, 1), start))


def new_memory(be: Any, storage: Any, nbytes: int, others: Iterable[Any]) -> Iterator[str]:
    """What is wrong with a block that was just allocated, in words.

    Args:
        be: the backend.
        storage: the block.
        nbytes: what was asked for.
        others: blocks that are in use.
    """
    end = storage.address + nbytes
    for other in list(others):
        apart = other.address >= end or storage.address >= other.address + other.nbytes
        if other.space == storage.space and other.nbytes and not apart:
            yield f"allocate({nbytes}) gives memory at an address that is in use"
            break
    if storage.nbytes != nbytes:
        yield f"allocate({nbytes}) gives a block of {storage.nbytes} bytes"
    for start in sorted({0, max(nbytes - PART, 0)}):
        size = min(PART, nbytes - start)
        try:
            found = be.device.copy_out(bytes_of(be, storage, start, size))
        except Exception as error:
            yield f"allocate({nbytes}) gives memory that cannot be read: {error}"
            return
        if found.any():
            at = start + int(np.argmax(found))
            yield f"allocate({nbytes}) gives memory that is not zero, first at byte {at}"
            return


def copy_in(
    be: Any, copy: Callable[[Any, Any], None], target: Any, values: np.ndarray
) -> Iterator[str]:
    """Copy host values in, and say in words what is wrong with that.

    Args:
        be: the backend.
        copy: the device's method.
        target: the tensor.
        values: of its shape and dtype.
    """
    handed = np.array(values)
    copy(target, handed)
    raw = np.array(values).reshape(-1).view(np.uint8)
    handed.reshape(-1).view(np.uint8)[...] = ~raw  # read later, it shows
    got = be.device.copy_out(target)
    if got.tobytes() != values.tobytes():
        copy(target, values)
        yield (
            f"copy_in of an array of shape {values.shape} and dtype {values.dtype} does not arrive "
            "as it is, or is read after it has returned"
        )
