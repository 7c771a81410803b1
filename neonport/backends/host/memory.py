"""Host memory as storage: aligned blocks, and the memory of arrays made elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.errors import DLPackError, OutOfDeviceMemory
from neonport.shape import Shape, span
from neonport.tensor.storage import Layout, Storage, array_over

ALIGNMENT = 128  # bytes: the pair of cache lines that processors fetch together


def allocate(nbytes: int) -> Storage:
    """Zero-filled memory that starts on a multiple of ALIGNMENT.

    Raises:
        OutOfDeviceMemory: the system has no room.
    """
    try:
        raw = np.zeros(nbytes + ALIGNMENT, np.uint8)  # calloc: pages are touched on first use
    except (MemoryError, OverflowError, ValueError) as error:
        raise OutOfDeviceMemory(
            f"cannot allocate {nbytes} bytes of host memory; use a smaller batch or model"
        ) from error
    start = -raw.ctypes.data % ALIGNMENT
    block = raw[start : start + nbytes]
    return Storage(block, nbytes, "host", block.ctypes.data)


def array_view(storage: Storage, dtype: np.dtype, layout: Layout) -> np.ndarray:
    """An ndarray over a layout of the storage."""
    out = array_over(storage.native, dtype, layout)
    if storage.readonly:
        out.flags.writeable = False
    return out


def read(storage: Storage, start: int, out: np.ndarray) -> None:
    """Copy bytes out, as `Device.read` does."""
    out[...] = storage.native[start : start + out.nbytes]


def write(storage: Storage, start: int, values: np.ndarray) -> None:
    """Copy bytes in, as `Device.write` does."""
    storage.native[start : start + values.nbytes] = values


class _Span:
    """The bytes an array touches, for NumPy's array interface; keeps the array alive."""

    def __init__(self, owner: np.ndarray, address: int, nbytes: int) -> None:
        self.owner = owner
        self.__array_interface__: dict[str, Any] = {
            "data": (address, not owner.flags.writeable),
            "shape": (nbytes,),
            "typestr": "|u1",
            "version": 3,
        }


def adopt(array: np.ndarray) -> tuple[Storage, Shape, int]:
    """Storage over the memory of an ndarray, with its strides and offset in elements.

    Raises:
        DLPackError: elements are not on multiples of the item size.
    """
    step = array.itemsize
    if array.size and (any(s % step for s in array.strides) or array.ctypes.data % step):
        raise DLPackError(
            f"from_dlpack: array of dtype {array.dtype} at {array.ctypes.data:#x} with strides "
            f"{array.strides} bytes cannot be shared: its elements are not on multiples of their "
            "size; copy it first: np.array(x)"
        )
    if not array.dtype.isnative:
        raise DLPackError(
            f"from_dlpack: array of dtype {array.dtype} cannot be shared; copy it: np.array(x)"
        )
    strides = tuple(s // step for s in array.strides)
    low, high = span(array.shape, strides, 0)
    address = array.ctypes.data + low * step
    nbytes = (high - low) * step
    block = np.asarray(_Span(array, address, nbytes)) if nbytes else np.empty(0, np.uint8)
    storage = Storage(block, nbytes, "host", address, not array.flags.writeable, array)
    return storage, strides, -low
