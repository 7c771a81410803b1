"""Memory of a device through CuPy's pool, and copies between it and the host."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from neonport.backends.cuda.discovery import load_cupy
from neonport.backends.cuda.stream import Queue, failed
from neonport.engine.host_buffer import HostBuffer
from neonport.errors import OutOfDeviceMemory
from neonport.shape import Shape, span
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor

ALIGNED = 16  # bytes of the widest load
STAGES = 8  # host copies whose transfer may be pending

# of all backends: one may go before its transfers are over, and CuPy would hand their memory out
_pending: deque[tuple[Any, Any]] = deque()
_pending_lock = threading.RLock()  # a finalizer of the user's may come here while we are here


class Pool:
    """Zero-filled memory from a pool of the backend's own.

    Blocks go back to where they came from whatever stream is in use, and all streams that a
    backend uses wait for each other, so pending work is no matter.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.peak = 0
        self.space = ("cuda", queue.device.number)
        self._pool = load_cupy().cuda.MemoryPool()
        # a finalizer of the user's may allocate while a garbage collection interrupts us
        self._lock = threading.RLock()

    @property
    def in_use(self) -> int:
        """Bytes handed out."""
        with self.queue.current():
            return int(self._pool.used_bytes())

    @property
    def held(self) -> int:
        """Bytes kept for later."""
        with self.queue.current():
            return int(self._pool.free_bytes())

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory.

        Raises:
            OutOfDeviceMemory: no room, even after held blocks were given back.
        """
        queue = self.queue
        with queue.current():
            with queue.own:
                pointer = self._take(max(1, nbytes))
            try:
                pointer.memset_async(0, max(1, nbytes), queue.stream)
            except RuntimeError as error:
                raise failed(queue.device, error) from error
            with self._lock:
                self.peak = max(self.peak, int(self._pool.used_bytes()))
        return Storage(pointer, nbytes, self.space, pointer.ptr)

    def _take(self, nbytes: int) -> Any:
        cupy = load_cupy()
        exhausted = cupy.cuda.memory.OutOfMemoryError
        try:
            return self._pool.malloc(nbytes)
        except exhausted:
            cupy.get_default_memory_pool().free_all_blocks()
        try:
            return self._pool.malloc(nbytes)
        except exhausted as error:
            free, total = cupy.cuda.runtime.memGetInfo()
            raise OutOfDeviceMemory(
                f"cuda: {nbytes} bytes do not fit on {self.queue.device.words}: {free} of {total} "
                f"are free, {self._pool.used_bytes()} are in use by this backend; use a smaller "
                "batch or model"
            ) from error

    def release(self) -> None:
        """Give all blocks that are not in use back to the driver."""
        with self.queue.current():
            self._pool.free_all_blocks()


class Transfers:
    """Copies between host and device in the order of the stream."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def settle(self) -> None:
        """Let go of the memory of transfers that are over, and wait for some if there are many."""
        with _pending_lock, suppress(IndexError):  # none are left
            while len(_pending) >= STAGES or _pending[0][0].done:
                event, _ = _pending.popleft()
                event.synchronize()

    def upload(self, address: int, values: np.ndarray) -> None:
        """Copy a contiguous array in; it may be changed as soon as this returns.

        It goes through pinned memory, which is kept until the transfer is over.
        """
        cuda, queue = load_cupy().cuda, self.queue
        try:
            with _pending_lock, queue.current():
                self.settle()
                stage = cuda.alloc_pinned_memory(values.nbytes)
                np.frombuffer(stage, values.dtype, values.size)[...] = values.reshape(-1)
                self._send(address, stage, values.nbytes)
        except RuntimeError as error:
            raise failed(queue.device, error) from error

    def pinned(self, nbytes: int) -> Any:
        """Page-locked memory of the host."""
        try:
            with self.queue.current():
                return load_cupy().cuda.alloc_pinned_memory(nbytes)
        except RuntimeError as error:
            raise failed(self.queue.device, error) from error

    def upload_pinned(self, address: int, stage: Any, nbytes: int) -> Any:
        """Copy page-locked memory in; returns the event after which it may be changed."""
        try:
            with _pending_lock, self.queue.current():
                self.settle()
                return self._send(address, stage, nbytes)
        except RuntimeError as error:
            raise failed(self.queue.device, error) from error

    def _send(self, address: int, stage: Any, nbytes: int) -> Any:
        """Put a copy into the stream, and keep its memory until it is over."""
        cuda, queue = load_cupy().cuda, self.queue
        cuda.runtime.memcpyAsync(
            address, stage.ptr, nbytes, cuda.runtime.memcpyHostToDevice, queue.ptr
        )
        event = cuda.Event(disable_timing=True)
        event.record(queue.stream)
        _pending.append((event, stage))
        return event

    def download(self, address: int, out: np.ndarray) -> np.ndarray:
        """Wait for pending work and fill a contiguous array."""
        runtime, queue = load_cupy().cuda.runtime, self.queue
        try:
            with queue.current():
                runtime.memcpyAsync(
                    out.ctypes.data, address, out.nbytes, runtime.memcpyDeviceToHost, queue.ptr
                )
        except RuntimeError as error:
            raise failed(queue.device, error) from error
        queue.synchronize()
        return out


class PinnedBuffer(HostBuffer):
    """An array in page-locked memory, which the device reads by itself.

    Args:
        transfers: copies of the device.
        shape: of the array.
        dtype: of the array.
    """

    def __init__(self, transfers: Transfers, shape: Shape, dtype: Any) -> None:
        dtype, size = np.dtype(dtype), prod(shape)
        self._transfers = transfers
        self._stage = transfers.pinned(max(1, size * dtype.itemsize))
        self._event: Any = None
        self.array = np.frombuffer(self._stage, dtype, size).reshape(shape)
        self.array[...] = 0

    def send(self, target: Tensor) -> None:
        """Copy the array into a tensor, in the order of the stream; does not wait."""
        if not target.is_contiguous or target.dtype != self.array.dtype or not self.array.size:
            super().send(target)
            return
        target.check_writable("set")
        target.backend.unrecordable("it copies host data into a tensor")
        address = target.storage.address + target.offset * target.dtype.itemsize
        self._event = self._transfers.upload_pinned(address, self._stage, self.array.nbytes)

    def wait(self) -> None:
        """Wait until the last copy is over."""
        if self._event is not None:
            self._event.synchronize()
            self._event = None


def array_view(storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
    """CuPy's array over a layout of the storage."""
    shape, strides, offset = layout
    step = dtype.itemsize
    return load_cupy().ndarray(
        shape, dtype, storage.native + offset * step, tuple(s * step for s in strides)
    )


def adopt(array: Any, space: Any) -> tuple[Storage, tuple[int, ...], int]:
    """Storage over the memory of a CuPy array, with its strides and offset in elements.

    It begins where the widest load may begin, a few bytes before the array if need be.
    """
    step = array.dtype.itemsize
    strides = tuple(s // step for s in array.strides)
    low, high = span(array.shape, strides, 0)
    first = array.data.ptr + low * step
    begin = first - first % ALIGNED
    native = array.data + (begin - array.data.ptr)
    storage = Storage(native, first - begin + (high - low) * step, space, begin, owner=array)
    return storage, strides, (first - begin) // step - low
