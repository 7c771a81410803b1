"""DLPack capsules with another device written into them."""

from __future__ import annotations

import ctypes

_api = ctypes.pythonapi
_api.PyCapsule_GetName.restype = ctypes.c_char_p
_api.PyCapsule_GetName.argtypes = [ctypes.py_object]
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def fields(capsule):
    """(address of the DLTensor, whether the capsule is versioned)."""
    name = _api.PyCapsule_GetName(capsule)
    address = _api.PyCapsule_GetPointer(capsule, name)
    versioned = name == b"dltensor_versioned"
    # version (8 bytes), manager, deleter, flags stand before the tensor
    return address + (32 if versioned else 0), versioned


def device(capsule):
    """The device in a capsule."""
    address, _ = fields(capsule)
    pair = (ctypes.c_int32 * 2).from_address(address + 8)
    return tuple(pair)


def relabel(capsule, to):
    """The same capsule for another device."""
    address, _ = fields(capsule)
    pair = (ctypes.c_int32 * 2).from_address(address + 8)
    pair[0], pair[1] = to
    return capsule


class Holder:
    """A producer of a capsule of host memory."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **kwargs):
        return self.capsule
