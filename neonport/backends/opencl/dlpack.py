"""DLPack of device memory: `data` is the cl_mem handle, `byte_offset` locates the first element.

The protocol names the device type (kDLOpenCL) and not what `data` is, so a producer says it: an
attribute `__dlpack_data__` that reads "cl_mem". A stream is the consumer's in-order command queue.
"""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

import numpy as np

from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.errors import DLPackError
from neonport.shape import Shape, span
from neonport.tensor.dlpack import Foreign, handle_capsule, read_handle
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor

OPENCL = 4  # kDLOpenCL
DATA = "cl_mem"  # value of the attribute __dlpack_data__
NO_SYNCHRONISATION = -1


class Home(Protocol):
    """Where exported memory comes from and imported memory goes to.

    Attributes:
        context, queue: of OpenCL.
        info: of the device: its number, `index`, and its name in messages, `words`.
        executor: whose owner makes tensors.
    """

    context: Any
    queue: Any
    info: Any
    executor: Any

    def synchronize(self) -> None:
        """Wait until all work given to the queue is done."""

    def adopted(
        self, storage: Storage, dtype: np.dtype, shape: Shape, strides: Shape, offset: int
    ) -> Tensor:
        """Make a tensor over existing memory."""

    def dlpack_device(self) -> tuple[int, int]:
        """DLPack device type and ordinal of the memory."""


class Imported:
    """The memory of a storage that somebody else made; in the place of a pool's lease.

    Args:
        buffer: PyOpenCL's.
        hold: what keeps the memory alive.
    """

    __slots__ = ("buffer", "hold", "host", "nbytes")

    def __init__(self, buffer: Any, hold: Any = None) -> None:
        self.buffer = buffer
        self.hold = hold
        self.host = None
        self.nbytes = int(buffer.size)


def capsule(be: Home, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None) -> Any:
    """A capsule of device memory, its values ordered before the consumer's work.

    Raises:
        DLPackError: `stream` is no queue that can be waited with.
    """
    if copy:
        twin = be.executor.owner.empty(tensor.shape, dtype=tensor.dtype)
        twin[:] = tensor
        tensor = twin
    _order(be, stream)
    return handle_capsule(
        tensor,
        tensor.storage.native.buffer.int_ptr,
        0,
        (OPENCL, be.info.index),
        max_version=max_version,
        copied=bool(copy),
    )


def _order(be: Home, stream: Any) -> None:
    """See to it that the consumer's work comes after ours."""
    if stream is None:
        be.synchronize()
        return
    if stream is NO_SYNCHRONISATION or (type(stream) is int and stream == NO_SYNCHRONISATION):
        return
    cl = load_pyopencl()
    if not isinstance(stream, cl.CommandQueue):
        raise DLPackError(
            f"dlpack: stream={stream!r} is no OpenCL queue; pass a pyopencl.CommandQueue of the "
            "tensor's context, None (waits) or -1 (no synchronisation)"
        )
    unordered = cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE
    try:
        fits = stream.context == be.context and not stream.properties & unordered
    except cl.Error:  # its context is gone
        fits = False
    if not fits:
        raise DLPackError(
            f"dlpack: the stream must be an in-order queue of the context of {be.info.words}; "
            "pass None, which waits"
        )
    event = cl.enqueue_marker(be.queue)
    be.queue.flush()
    cl.enqueue_barrier(stream, wait_for=[event])


def adopt(be: Home, x: Any, trust_cl_mem: bool = False) -> Tensor:
    """A tensor over the cl_mem of a producer.

    Args:
        x: the producer, on the device of `be`.
        trust_cl_mem: take its word although it does not say what its `data` is. A handle that is
            none ends the process.

    Raises:
        DLPackError: it does not follow the convention, or its memory cannot be used.
    """
    if not trust_cl_mem and getattr(x, "__dlpack_data__", None) != DATA:
        raise DLPackError(
            f"from_dlpack: {type(x).__name__} does not say what its OpenCL data is (no attribute "
            f"__dlpack_data__ = {DATA!r}); if it is a cl_mem: from_dlpack(x, trust_cl_mem=True), "
            "else copy it: from_dlpack(x, copy=True)"
        )
    return adopt_handle(be, read_handle(x, be.dlpack_device()))


def adopt_handle(be: Home, found: Foreign) -> Tensor:
    """A tensor over memory that is described.

    Raises:
        DLPackError: it cannot be used.
    """
    if 0 in found.shape:
        return be.executor.owner.empty(found.shape, dtype=found.dtype)
    buffer, flags, root, start = _checked(be, found)
    readonly = found.readonly or bool(flags & load_pyopencl().mem_flags.READ_ONLY)
    storage = Storage(
        Imported(buffer, found.owner), buffer.size, ("opencl", root), start, readonly, found.owner
    )  # fmt: skip
    offset = found.first // found.dtype.itemsize
    return be.adopted(storage, found.dtype, found.shape, found.strides, offset)


def _checked(be: Home, found: Foreign) -> tuple[Any, int, int, int]:
    """(buffer, its flags, the handle its addresses count in, where it begins there)."""
    cl = load_pyopencl()
    try:
        buffer = cl.MemoryObject.from_int_ptr(found.handle, retain=True)
        kind, context = buffer.get_info(cl.mem_info.TYPE), buffer.get_info(cl.mem_info.CONTEXT)
        size, flags = buffer.get_info(cl.mem_info.SIZE), buffer.get_info(cl.mem_info.FLAGS)
        parent = buffer.get_info(cl.mem_info.ASSOCIATED_MEMOBJECT)
        start = int(buffer.get_info(cl.mem_info.OFFSET)) if parent is not None else 0
    except (cl.Error, RuntimeError) as error:
        raise DLPackError(
            f"from_dlpack: the capsule's handle is no memory of {be.info.words}: {error}"
        ) from error
    way_out = "copy it: from_dlpack(x, copy=True)"
    if kind != cl.mem_object_type.BUFFER:
        raise DLPackError(f"from_dlpack: an OpenCL image cannot be a tensor; {way_out}")
    if context != be.context:
        raise DLPackError(
            f"from_dlpack: the memory belongs to another OpenCL context than {be} uses; {way_out}"
        )
    step = found.dtype.itemsize
    low, high = span(found.shape, found.strides, found.first // step)
    if found.first % step or low < 0 or high * step > size:
        raise DLPackError(
            f"from_dlpack: shape {found.shape} of {found.dtype} at byte {found.first} does not lie "
            f"within the {size} bytes of the memory, or is not aligned; {way_out}"
        )
    assert prod(found.shape)
    root = found.handle if parent is None else parent.int_ptr
    return buffer, flags, root, start
