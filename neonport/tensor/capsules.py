"""What stands in a DLPack capsule, and whether it can be true.

Libraries believe a capsule: NumPy makes uninitialised memory of one without an address, and reads
wherever strides lead. So capsules of others are looked at before a library gets them.
"""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any

from neonport.dtypes import ROWS
from neonport.errors import DLPackError
from neonport.shape import contiguous_strides, span

VERSION = (1, 0)  # what consumers of ours ask for
LEGACY, VERSIONED = b"dltensor", b"dltensor_versioned"
NAMES = {row.dlpack: row.name for row in ROWS.values()}  # by DLDataTypeCode and bits
MOST_AXES = 64  # NumPy's limit
ADDRESSES = 1 << 63
HOST = 1  # kDLCPU, which has no number
UNIFIED = {2, 13}  # kDLCUDA, kDLCUDAManaged: one address space
WAY_OUT = "make a plain array of it first: np.array(x)"
# views of PyTorch whose values are others than those in memory, and what makes plain ones of them
LAZY = (("is_conj", "resolve_conj"), ("is_neg", "resolve_neg"))


class DLTensor(ctypes.Structure):
    """DLTensor of dlpack.h."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]

    def sizes(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(int(self.shape[axis]) for axis in range(self.ndim))

    def steps(self) -> tuple[int, ...]:
        """The strides in elements, also where none stand there."""
        if not self.strides:
            return contiguous_strides(self.sizes())
        return tuple(int(self.strides[axis]) for axis in range(self.ndim))


class Versioned(ctypes.Structure):
    """DLManagedTensorVersioned of dlpack.h; the legacy struct begins with the tensor."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    ]


_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.argtypes, _is_valid.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_int
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p


def structs(capsule: Any) -> tuple[DLTensor, Versioned | None]:
    """The contents of an unconsumed capsule: the tensor and, if versioned, flags.

    Raises:
        DLPackError: it is none, was consumed, or is of a version that cannot be read.
    """
    if _is_valid(capsule, VERSIONED):
        versioned = Versioned.from_address(_pointer(capsule, VERSIONED))
        if versioned.major != VERSION[0]:
            raise DLPackError(
                f"dlpack: a capsule of version {versioned.major}.{versioned.minor} cannot be read, "
                f"only {VERSION[0]}.x; copy through the host"
            )
        return versioned.tensor, versioned
    if _is_valid(capsule, LEGACY):
        return DLTensor.from_address(_pointer(capsule, LEGACY)), None
    raise DLPackError(
        f"dlpack: {capsule!r} is no DLPack capsule, or was consumed before; export the array again"
    )


def check_contents(tensor: DLTensor) -> None:
    """Raise DLPackError unless a tensor of ours, or an array, can be what a capsule describes."""
    kind = (tensor.code, tensor.bits)
    if kind not in NAMES or tensor.lanes != 1:
        raise DLPackError(
            f"from_dlpack: a dtype of code {tensor.code}, {tensor.bits} bits and {tensor.lanes} "
            "lanes cannot be a tensor's; convert it first"
        )
    if not 0 <= tensor.ndim <= MOST_AXES or (tensor.ndim and not tensor.shape):
        raise DLPackError(
            f"from_dlpack: the capsule says {tensor.ndim} dimensions, which is no shape; {WAY_OUT}"
        )
    shape, steps, step = tensor.sizes(), tensor.steps(), tensor.bits // 8
    if any(n < 0 for n in shape):
        raise DLPackError(f"from_dlpack: shape {shape} has a negative size; {WAY_OUT}")
    if 0 in shape:
        return
    if not tensor.data:
        raise DLPackError(
            f"from_dlpack: the capsule has elements (shape {shape}) and no memory; {WAY_OUT}"
        )
    first = tensor.data + tensor.byte_offset
    low, high = (first + i * step for i in span(shape, steps, 0))
    if low < 0 or high > ADDRESSES or prod(shape) * step >= ADDRESSES:
        raise DLPackError(
            f"from_dlpack: shape {shape} and strides {steps} of {step} bytes lead out of the "
            f"memory of any machine; {WAY_OUT}"
        )


def device_of(x: Any) -> tuple[int, int]:
    """The DLPack device of a producer.

    Raises:
        DLPackError: it does not say one.
    """
    try:
        kind, ordinal = x.__dlpack_device__()
        return int(kind), int(ordinal)
    except Exception as error:  # of any library
        raise DLPackError(
            f"from_dlpack: {type(x).__name__} does not say on which device it is "
            f"({type(error).__name__}: {error}); {WAY_OUT}"
        ) from error


class Checked:
    """A producer for other libraries, whose capsules are looked at before they get them.

    Args:
        x: what produces them.

    Raises:
        DLPackError: the values of `x` are others than those in its memory, and its capsule does
            not say so.
    """

    def __init__(self, x: Any) -> None:
        self.x = x
        for lazy, plain in LAZY:
            asked = getattr(x, lazy, None)
            if callable(asked) and asked() is True:
                raise DLPackError(
                    f"from_dlpack: {lazy}() of the {type(x).__name__} is true, so its values are "
                    f"others than those in its memory; make them plain first: x.{plain}()"
                )

    def __dlpack_device__(self) -> tuple[int, int]:
        return device_of(self.x)

    def __dlpack__(self, **kwargs: Any) -> Any:
        try:
            capsule = self.x.__dlpack__(**kwargs)
        except TypeError as error:
            if kwargs:
                raise  # a producer from before versions, perhaps: the library asks without
            raise _refused(self.x, error) from error
        except DLPackError:
            raise
        except Exception as error:  # of any library
            raise _refused(self.x, error) from error
        inner, _ = structs(capsule)
        self._check_device(inner, kwargs.get("dl_device"))
        check_contents(inner)
        return capsule

    def _check_device(self, inner: DLTensor, wanted: Any) -> None:
        """Raise DLPackError if the capsule is for another device than was said or asked for."""
        said = device_of(self.x) if wanted is None else (int(wanted[0]), int(wanted[1]))
        found = (int(inner.device_type), int(inner.device_id))
        same = found[0] == said[0] or {found[0], said[0]} <= UNIFIED
        if not same or (found[0] != HOST and found[1] != said[1]):
            raise DLPackError(
                f"from_dlpack: the capsule of the {type(self.x).__name__} is for device {found}, "
                f"not {said} as it says; {WAY_OUT}"
            )


def _refused(x: Any, error: Exception) -> DLPackError:
    words = str(error) if isinstance(error, BufferError) else f"{type(error).__name__}: {error}"
    return DLPackError(
        f"from_dlpack: {type(x).__name__} does not export its memory ({words}); {WAY_OUT}"
    )
