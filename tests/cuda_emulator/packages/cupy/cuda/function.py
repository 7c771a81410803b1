"""Modules of compiled kernels and their functions."""

from __future__ import annotations

import ctypes
import os
import tempfile

from cupy import _machine as machine

functions: dict[int, tuple] = {}


class Module:
    """A shared library with the entries of some kernels."""

    def load(self, image):
        if image[:4] != b"\x7fELF":
            raise machine.CUDADriverError(machine.INVALID_VALUE, "device kernel image is invalid")
        machine.bind_context()
        handle, path = tempfile.mkstemp(suffix=".so")
        with os.fdopen(handle, "wb") as file:
            file.write(image)
        try:
            self.library = ctypes.CDLL(path)
        finally:
            os.unlink(path)
        self.device = machine.local.device

    def get_function(self, name):
        return Function(self, name)


class Function:
    """A kernel."""

    def __init__(self, module, name):
        self.module = module
        self.ptr = next(machine.numbers)
        run = getattr(module.library, f"emu_launch_{name}")
        run.argtypes = (ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        sizes = (ctypes.c_int * 256)()
        count = getattr(module.library, f"emu_sizes_{name}")(sizes)
        functions[self.ptr] = (name, run, list(sizes[:count]), module.device)

    def __del__(self):
        functions.pop(self.ptr, None)
