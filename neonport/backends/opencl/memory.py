"""Memory of a device: blocks that are used again; the host sees them where it is the device."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from contextlib import suppress
from typing import Any

import numpy as np

from neonport.backends.opencl.discovery import Device
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.errors import OutOfDeviceMemory
from neonport.tensor.storage import Storage

SMALLEST = 256
PAGE = 4096


# blocks of pools that went without being closed, with the queue whose work may still use them
_orphans: deque[tuple[Any, Any, deque[Block]]] = deque()


class Block:
    """A buffer; `host` is its memory as bytes where the host shares it, else None."""

    __slots__ = ("buffer", "host", "nbytes", "used")

    def __init__(self, buffer: Any, host: np.ndarray | None, nbytes: int) -> None:
        self.buffer = buffer
        self.host = host
        self.nbytes = nbytes
        self.used = False


class Hold:
    """Keeps a block from being handed out again: the end of every chain of views of its memory.

    NumPy makes an array of it, of which all arrays over the block are views; so whoever has one (a
    tensor, another library by DLPack, the user) keeps the block. The last one to let go may do so
    in the middle of anything, a garbage collection under the lock of the pool included: nothing is
    done then but to queue the block.
    """

    __slots__ = ("__array_interface__", "_block", "_pool")

    def __init__(self, block: Block, pool: Pool) -> None:
        self._block = block
        self._pool = pool
        if block.host is not None:
            self.__array_interface__ = block.host.__array_interface__

    def __del__(self) -> None:
        self._pool.returned.append(self._block)


class Lease:
    """A block as a storage has it.

    Attributes:
        buffer: PyOpenCL's; to have it does not keep the block from being handed out again.
        host: the memory as bytes, whose views do; None where the host does not share it.
        nbytes: of the block.
        hold: what does.
    """

    __slots__ = ("buffer", "hold", "host", "nbytes")

    def __init__(self, block: Block, pool: Pool) -> None:
        self.buffer = block.buffer
        self.nbytes = block.nbytes
        self.hold: Any = Hold(block, pool)
        self.host = None if block.host is None else np.asarray(self.hold)


class Pool:
    """Hands out blocks and takes them back; the queue is in order, so pending work is no matter.

    Args:
        context, queue: PyOpenCL's.
        device: the device.
        shared: whether the host reads and writes buffers in place.

    Attributes:
        returned: blocks that nobody uses any more, for the next allocation to sort in.
        peak: most bytes that were in use.
    """

    def __init__(self, context: Any, queue: Any, device: Device, shared: bool) -> None:
        self.context = context
        self.queue = queue
        self.device = device
        self.shared = shared
        self.returned: deque[Block] = deque()
        self.peak = self._in_use = self._held = 0
        self._free: dict[int, list[Block]] = defaultdict(list)
        # a finalizer of the user's may allocate while a garbage collection interrupts us
        self._lock = threading.RLock()
        self._orphans = _orphans  # at the end of the interpreter the module may be gone before

    def __del__(self) -> None:
        # the queue may have work on the memory; to wait for it is not for a finalizer. Of what goes
        # with the pool in one garbage collection, some may be given back only after this
        if self.returned.maxlen is None:
            self._orphans.append((self.queue, self._free, self.returned))

    @property
    def in_use(self) -> int:
        """Bytes handed out and not let go."""
        self._sort_in()
        return self._in_use

    @property
    def held(self) -> int:
        """Bytes kept for later."""
        self._sort_in()
        return self._held

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
        with self._lock:
            self._in_use += size
            self.peak = max(self.peak, self._in_use)
        return Storage(Lease(block, self), nbytes, ("opencl", block.buffer.int_ptr), 0)

    def _sort_in(self) -> None:
        """Take blocks back that were let go."""
        with self._lock, suppress(IndexError):
            while True:
                block = self.returned.popleft()
                self._in_use -= block.nbytes
                self._held += block.nbytes
                self._free[block.nbytes].append(block)

    def _take(self, size: int) -> Block:
        self._sort_in()
        with self._lock, suppress(IndexError):
            block = self._free[size].pop()
            self._held -= size
            return block
        release_orphans()
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

    def release(self) -> None:
        """Give all blocks that are not in use back to the driver."""
        self._sort_in()
        with self._lock:
            free, self._free = self._free, defaultdict(list)
            self._held = 0
        _finish(self.queue)
        free.clear()

    def close(self) -> None:
        """Release, and from now on let go of each block as soon as nobody uses it."""
        before, self.returned = self.returned, deque(maxlen=0)
        with self._lock, suppress(IndexError):
            while True:
                self._in_use -= before.popleft().nbytes
        self.release()


def _finish(queue: Any) -> None:
    """Wait, since pending work may touch the host's memory; a queue that failed has none."""
    with suppress(load_pyopencl().Error):
        queue.finish()


def release_orphans() -> None:
    """Give back what pools had that were not closed."""
    with suppress(IndexError):
        while True:
            queue, free, returned = _orphans.popleft()
            _finish(queue)
            free.clear()
            returned.clear()


def _rounded(nbytes: int) -> int:
    """Size of the block for a request: eight sizes to a power of two."""
    if nbytes <= SMALLEST:
        return SMALLEST
    step = max(SMALLEST, 1 << ((nbytes - 1).bit_length() - 4))
    return -(-nbytes // step) * step


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
