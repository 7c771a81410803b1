"""Memory, pointers into it, pools."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from cupy import _machine as machine


class OutOfMemoryError(MemoryError):
    """The device is full."""


class Memory:
    """Memory that somebody else owns."""

    def __init__(self, ptr, size, device_id, owner=None):
        self.ptr = ptr
        self.size = size
        self.device_id = device_id
        self.owner = owner


class MemoryPointer:
    """A place in memory."""

    def __init__(self, mem, offset):
        self.mem = mem
        self.ptr = mem.ptr + offset
        self.device_id = mem.device_id

    def __add__(self, offset):
        return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)

    def memset_async(self, value, size, stream=None):
        from cupy import cuda

        cuda.runtime.memsetAsync(self.ptr, value, size, (stream or cuda.get_current_stream()).ptr)


class PooledMemory(Memory):
    """A block that goes back to its pool."""

    def __init__(self, block, pool, key):
        super().__init__(block.address, block.nbytes, block.device)
        self.block = block
        self.pool = pool
        self.key = key
        pool._used[block.device] += block.nbytes

    def __del__(self):
        self.pool._used[self.block.device] -= self.block.nbytes
        self.pool._free[self.key].append(self.block)


class MemoryPool:
    """Blocks by device, stream and size."""

    def __init__(self, allocator=None):
        self._free = defaultdict(list)
        self._used = defaultdict(int)

    def malloc(self, size):
        from cupy import cuda

        size = -(-size // 512) * 512
        key = (machine.local.device, cuda.get_current_stream().ptr, size)
        if self._free[key]:
            block = self._free[key].pop()
        else:
            try:
                block = machine.malloc(size)
            except machine.CUDARuntimeError:
                self.free_all_blocks()
                try:
                    block = machine.malloc(size)
                except machine.CUDARuntimeError as error:
                    raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes") from error
        return MemoryPointer(PooledMemory(block, self, key), 0)

    def free_all_blocks(self, stream=None):
        for blocks in list(self._free.values()):
            while blocks:
                machine.free(blocks.pop())

    def used_bytes(self):
        return self._used[machine.local.device]

    def free_bytes(self):
        return sum(
            b.nbytes
            for k, blocks in self._free.items()
            if k[0] == machine.local.device
            for b in blocks
        )


_default = MemoryPool()


def get_default_memory_pool():
    """CuPy's own pool."""
    return _default


class PinnedMemory(np.ndarray):
    """Pinned memory with the buffer protocol, which Python classes have only from 3.12 on."""

    def __new__(cls, nbytes):
        out = np.empty(max(1, nbytes), np.uint8).view(cls)
        out.ptr = out.ctypes.data
        machine.pinned[out.ptr] = nbytes
        return out

    def __array_finalize__(self, obj):
        self.ptr = None

    def __del__(self):
        if self.ptr is not None:
            machine.pinned.pop(self.ptr, None)
            np.asarray(self)[...] = 0xEE  # a pending copy would read memory of somebody else


def alloc_pinned_memory(nbytes):
    """Pinned host memory."""
    return PinnedMemory(nbytes)
