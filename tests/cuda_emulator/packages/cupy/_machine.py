"""The machine behind the emulated CuPy: devices, streams that run late, memory with guards.

Work that is given to a stream runs when somebody waits for it, never before: a result that is read
without waiting is wrong here as well. Fresh memory holds garbage.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections import deque

import numpy as np

DEVICES = int(os.environ.get("NEONPORT_CUDA_EMULATOR_DEVICES", "2"))
MEMORY = 4 << 30  # bytes of each device
GUARD = 64
PATTERN = 0xA5
CAPABILITY = (8, 0)
LEGACY, PER_THREAD = 1, 2

INVALID_VALUE, OUT_OF_MEMORY, INVALID_CONTEXT, INVALID_HANDLE = 1, 2, 201, 400
LAUNCH_FAILED, CAPTURE_UNSUPPORTED, NOT_READY = 719, 900, 600


class CUDARuntimeError(RuntimeError):
    """An error of the runtime library."""

    def __init__(self, status, words=""):
        self.status = status
        super().__init__(f"cudaError {status}: {words or 'emulated'}")


class CUDADriverError(RuntimeError):
    """An error of the driver library."""

    def __init__(self, status, words=""):
        self.status = status
        super().__init__(f"CUresult {status}: {words or 'emulated'}")


class _Local(threading.local):
    def __init__(self):
        self.device = 0
        self.contexts = set()
        self.streams = []


local = _Local()
numbers = itertools.count(1 << 20, 16)
lock = threading.RLock()


def bind_context():
    """What calls of the runtime library do on the way."""
    local.contexts.add(local.device)


# ---- memory -------------------------------------------------------------------------------------


class Allocation:
    """Memory of a device, between guards."""

    def __init__(self, nbytes, device):
        self.nbytes = nbytes
        self.device = device
        raw = np.empty(nbytes + 2 * GUARD + 512, np.uint8)
        start = -raw.ctypes.data % 512
        start += 512 if start < GUARD else 0
        raw = (
            np.empty(start + nbytes + GUARD + 1024, np.uint8)
            if start + nbytes + GUARD > len(raw)
            else raw
        )
        start = -raw.ctypes.data % 512
        start += 512 if start < GUARD else 0
        self.raw, self.start = raw, start
        raw[:start] = raw[start + nbytes :] = PATTERN
        raw[start : start + nbytes] = 0xFF  # nan
        self.address = raw.ctypes.data + start

    def check(self):
        """Fail if a kernel wrote outside."""
        raw, start, end = self.raw, self.start, self.start + self.nbytes
        if (raw[:start] != PATTERN).any() or (raw[end:] != PATTERN).any():
            raise AssertionError(f"memory around a block of {self.nbytes} bytes was written")


used = [0] * DEVICES
live: dict[int, Allocation] = {}
pinned: dict[int, int] = {}  # address -> bytes


def malloc(nbytes):
    """Memory of the current device."""
    bind_context()
    with lock:
        if used[local.device] + nbytes > MEMORY:
            raise CUDARuntimeError(OUT_OF_MEMORY, "out of memory")
        used[local.device] += nbytes
        found = Allocation(nbytes, local.device)
        live[found.address] = found
        return found


def free(block):
    """Give memory back; waits for everything, as cudaFree does."""
    synchronize_all()
    with lock:
        block.check()
        used[block.device] -= block.nbytes
        del live[block.address]


def check_guards():
    """Fail if any kernel wrote outside of any block."""
    synchronize_all()
    for block in list(live.values()):
        block.check()


def bytes_at(address, nbytes):
    """The bytes at an address."""
    return np.frombuffer((ctypes.c_uint8 * nbytes).from_address(address), np.uint8)


def is_pinned(address):
    """Whether the device reads this host memory by itself."""
    return any(start <= address < start + size for start, size in pinned.items())


# ---- streams ------------------------------------------------------------------------------------


class StreamState:
    """Pending work in order."""

    def __init__(self, device):
        self.device = device
        self.work = deque()
        self.given = self.done = 0
        self.capture = None


streams: dict[int, StreamState] = {}


def state(pointer):
    """The stream of a handle; each device has its own default streams."""
    if pointer in (0, LEGACY, PER_THREAD):
        key = (0 if pointer != PER_THREAD else 2) + 4 * local.device
        found = streams.get(-1 - key)
        if found is None:
            found = streams[-1 - key] = StreamState(local.device)
        return found
    if pointer not in streams:
        raise CUDARuntimeError(INVALID_HANDLE, "invalid resource handle")
    return streams[pointer]


def create_stream():
    """A new stream on the current device."""
    bind_context()
    pointer = next(numbers)
    streams[pointer] = StreamState(local.device)
    return pointer


def enqueue(pointer, call):
    """Give work to a stream, or to the graph that is captured from it."""
    with lock:
        found = state(pointer)
        if found.capture is not None:
            found.capture.append(call)
            return
        found.work.append(call)
        found.given += 1


def run_until(found, position):
    """Run the work of a stream that was given up to a position."""
    with lock:
        while found.done < position:
            call = found.work.popleft()
            found.done += 1
            call()


def synchronize(pointer):
    """Run all work of a stream."""
    found = state(pointer)
    if found.capture is not None:
        raise CUDARuntimeError(
            CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"
        )
    run_until(found, found.given)


def synchronize_all():
    """Run all work there is."""
    for found in list(streams.values()):
        run_until(found, found.given)


events: dict[int, tuple] = {}
