"""Whether memory is new, and copies arrive: what a device promises besides kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from random import Random
from typing import Any

import numpy as np

from neonport.dtypes import as_dtype
from neonport.shape import Shape
from neonport.tensor.tensor import Tensor

ENDS = 1 << 25  # bytes of each end of a large block that are read
PART = 1 << 14  # bytes of each end, and of a place that is drawn, where parts are looked at
BLOCK = 1 << 12  # elements of an array of which parts are looked at


def bytes_of(be: Any, storage: Any, start: int = 0, size: int | None = None) -> Tensor:
    """A block of memory, or a part of it, as a row of bytes."""
    size = storage.nbytes if size is None else size
    return Tensor(be, storage, as_dtype("uint8"), ((1, size), (size, 1), start))


def new_memory(
    be: Any, storage: Any, nbytes: int, others: Iterable[Any], random: Random | None = None
) -> Iterator[str]:
    """What is wrong with a block that was just allocated, in words.

    Args:
        be: the backend.
        storage: the block.
        nbytes: what was asked for.
        others: blocks that are in use.
        random: draws what is read of it; None: all of it is, or its ends.
    """
    end = storage.address + nbytes
    for other in list(others):
        apart = other.address >= end or storage.address >= other.address + other.nbytes
        if other.space == storage.space and other.nbytes and not apart:
            yield f"allocate({nbytes}) gives memory at an address that is in use"
            break
    if storage.nbytes != nbytes:
        yield f"allocate({nbytes}) gives a block of {storage.nbytes} bytes"
    part = ENDS if random is None else PART
    starts = {0, max(nbytes - part, 0)}
    if random is not None and nbytes > 2 * part:
        starts.add(random.randrange(nbytes // part) * part)
    for start in sorted(starts):
        size = min(part, nbytes - start)
        try:
            found = be.device.copy_out(bytes_of(be, storage, start, size))
        except Exception as error:
            yield f"allocate({nbytes}) gives memory that cannot be read: {error}"
            return
        if found.any():
            at = start + int(np.argmax(found))
            yield f"allocate({nbytes}) gives memory that is not zero, first at byte {at}"
            return


def block(shape: Shape, random: Random) -> tuple[Shape, Shape]:
    """Where a block of an array begins, and its shape: its longest axes are halved."""
    sizes = list(shape)
    while prod(sizes) > BLOCK:
        a = sizes.index(max(sizes))
        sizes[a] = (sizes[a] + 1) // 2
    starts = (draw_start(random, n, m) for n, m in zip(shape, sizes, strict=True))
    return tuple(starts), tuple(sizes)


def draw_start(random: Random, size: int, length: int) -> int:
    """Where a part of an axis begins: parts lie one after the other, the last at the end."""
    return min(random.randrange(-(-size // length)) * length, size - length)


def copy_in(
    be: Any,
    copy: Callable[[Any, Any], None],
    target: Any,
    values: np.ndarray,
    random: Random | None = None,
) -> Iterator[str]:
    """Copy host values in, and say in words what is wrong with that.

    Args:
        be: the backend.
        copy: the device's method.
        target: the tensor.
        values: of its shape and dtype.
        random: draws a block of it that is compared; None: all of it is.
    """
    handed = np.array(values)
    copy(target, handed)
    start, shape = (
        ((0,) * values.ndim, values.shape) if random is None else block(values.shape, random)
    )
    at = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    want = np.array(values[at], order="C")
    # read later, it shows
    handed[at] = (~want.reshape(-1).view(np.uint8)).view(want.dtype).reshape(shape)
    offset = target.offset + sum(a * s for a, s in zip(start, target.strides, strict=True))
    view = Tensor(be, target.storage, target.dtype, (shape, target.strides, offset))
    if be.device.copy_out(view).tobytes() != want.tobytes():
        copy(target, values)
        yield (
            f"copy_in of an array of shape {values.shape} and dtype {values.dtype} does not arrive "
            "as it is, or is read after it has returned"
        )
