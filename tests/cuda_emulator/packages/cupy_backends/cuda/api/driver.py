"""The driver library."""

from __future__ import annotations

import ctypes

import numpy as np
from cupy import _machine as machine
from cupy._machine import CUDADriverError as CUDADriverError
from cupy.cuda.function import functions


def launchKernel(f, gx, gy, gz, bx, by, bz, shared, stream, params, extra):
    """Give a kernel to a stream; its arguments are copied now."""
    device = machine.local.device
    if device not in machine.local.contexts:
        raise CUDADriverError(machine.INVALID_CONTEXT, "invalid device context")
    name, run, sizes, home = functions[f]
    if home != device or machine.state(stream).device != device:
        raise CUDADriverError(machine.INVALID_HANDLE, "invalid resource handle")
    if min(gx, gy, gz, bx, by, bz) < 1 or bx * by * bz > 1024 or gx >= 1 << 31:
        raise CUDADriverError(machine.INVALID_VALUE, "invalid argument")
    assert (gy, gz, by, bz, shared, extra) == (1, 1, 1, 1, 0, 0)
    pointers = (ctypes.c_void_p * len(sizes)).from_address(params)
    words = np.zeros(2 * len(sizes), np.uint64)  # 16 bytes an argument
    table = (ctypes.c_void_p * len(sizes))()
    for i, size in enumerate(sizes):
        table[i] = words.ctypes.data + 16 * i
        ctypes.memmove(table[i], pointers[i], size)

    def call(words=words):
        if run(table, gx, bx):
            raise CUDADriverError(machine.LAUNCH_FAILED, f"{name}: not all threads reach a barrier")

    machine.enqueue(stream, call)
