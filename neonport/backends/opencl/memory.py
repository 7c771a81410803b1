"""Memory of a device: blocks that are used again; the host sees them where it is the device."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from contextlib import suppress
from typing import Any

import numpy as np

from neonport.backends.opencl.discovery import Device
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.errors import OutOfDeviceMemory
from neonport.tensor.storage import Layout, Storage

SMALLEST = 256
PAGE = 4096


class Block:
    """A buffer; `host` is its memory as bytes where the host shares it, else None."""

    __slots__ = ("buffer", "host", "nbytes", "used")

    def __init__(self, buffer: Any, host: np.ndarray | None, nbytes: int) -> None:
        self.buffer = buffer
        self.host = host
        self.nbytes = nbytes
        self.used = False


class Pool:
    """Hands out blocks and takes them back; the queue is in order, so pending work is no matter.

    Args:
        context, queue: PyOpenCL's.
        device: the device.
        shared: whether the host reads and writes buffers in place.
    """

    def __init__(self, context: Any, queue: Any, device: Device, shared: bool) -> None:
        self.context = context
        self.queue = queue
        self.device = device
        self.shared = shared
        self.in_use = self.peak = self.held = 0
        self._free: dict[int, list[Block]] = defaultdict(list)
        self._lock = threading.Lock()

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory.

        Raises:
            OutOfDeviceMemory: no room, even after held blocks were given back.
        """
        size = _rounded(nbytes)
        block = self._take(size)
        if block.used:
            self._clear(block)
        block.used = True
        storage = Storage(block, nbytes, ("opencl", block.buffer.int_ptr), 0)
        weakref.finalize(storage, self._give, block).atexit = False
        with self._lock:
            self.in_use += size
            self.peak = max(self.peak, self.in_use)
        return storage

    def _take(self, size: int) -> Block:
        with self._lock:
            if self._free[size]:
                self.held -= size
                return self._free[size].pop()
        try:
            return self._new(size)
        except OutOfDeviceMemory:
            self.release()
            return self._new(size)

    def _new(self, size: int) -> Block:
        cl = load_pyopencl()
        handle = self.device.handle
        largest = int(handle.max_mem_alloc_size)
        free = int(handle.global_mem_size) - self.in_use - self.held
        if size > largest or size > free:
            raise OutOfDeviceMemory(
                f"opencl: {size} bytes do not fit on {self.device.words}: {max(free, 0)} of "
                f"{handle.global_mem_size} are free, and one block has at most {largest}; use a "
                "smaller batch or model"
            )
        flags = cl.mem_flags.READ_WRITE
        try:
            if self.shared:
                raw = np.zeros(size + PAGE, np.uint8)
                start = -raw.ctypes.data % PAGE
                host = raw[start : start + size]
                flags |= cl.mem_flags.USE_HOST_PTR
                return Block(cl.Buffer(self.context, flags, hostbuf=host), host, size)
            block = Block(cl.Buffer(self.context, flags, size), None, size)
            self._clear(block)  # some drivers take the memory only now
            return block
        except (cl.Error, MemoryError) as error:
            raise OutOfDeviceMemory(
                f"opencl: {self.device.words} has no room for {size} bytes ({error}); "
                f"{self.in_use} are in use; use a smaller batch or model"
            ) from error

    def _clear(self, block: Block) -> None:
        cl = load_pyopencl()
        if block.host is not None:
            self.queue.finish()
            block.host[...] = 0
        else:
            cl.enqueue_fill_buffer(self.queue, block.buffer, np.uint8(0), 0, block.nbytes)

    def _give(self, block: Block) -> None:
        with self._lock:
            self.in_use -= block.nbytes
            self.held += block.nbytes
            self._free[block.nbytes].append(block)

    def release(self) -> None:
        """Give all blocks that are not in use back to the driver."""
        # pending work may still touch the host memory; if the queue failed, nothing is pending
        with suppress(load_pyopencl().Error):
            self.queue.finish()
        with self._lock:
            self._free.clear()
            self.held = 0


def _rounded(nbytes: int) -> int:
    """Size of the block for a request: eight sizes to a power of two."""
    if nbytes <= SMALLEST:
        return SMALLEST
    step = max(SMALLEST, 1 << ((nbytes - 1).bit_length() - 4))
    return -(-nbytes // step) * step


def bytes_view(block: np.ndarray, dtype: np.dtype, layout: Layout) -> np.ndarray:
    """An array over a layout of some bytes."""
    shape, strides, offset = layout
    if 0 in shape:
        return np.empty(shape, dtype)
    step = dtype.itemsize
    steps = tuple(s * step for s in strides)
    return np.ndarray(shape, dtype, block, offset * step, steps)


def is_shared(context: Any, queue: Any, device: Device) -> bool:
    """Whether the host sees what kernels write, and they what it writes, without a copy: tried."""
    if not device.cpu:
        return False
    cl = load_pyopencl()
    raw = np.zeros(4 * PAGE, np.uint8)
    start = -raw.ctypes.data % PAGE
    host = raw[start : start + PAGE].view(np.uint32)
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR
    try:
        buffer = cl.Buffer(context, flags, hostbuf=host)
        other = cl.Buffer(context, cl.mem_flags.READ_WRITE, PAGE)
        cl.enqueue_fill_buffer(queue, buffer, np.uint32(7), 0, PAGE)
        queue.finish()
        seen = bool((host == 7).all())
        host[...] = 9
        cl.enqueue_copy(queue, other, buffer, byte_count=PAGE)
        back = np.zeros_like(host)
        cl.enqueue_copy(queue, back, other, is_blocking=True)
    except cl.Error:
        return False
    return seen and bool((back == 9).all())
