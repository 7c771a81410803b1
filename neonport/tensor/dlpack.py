"""DLPack in and out: zero-copy where memory can be shared, BufferError with the way out where not.

Capsules come from NumPy (host memory) or from the backend's own array library. For memory that has
a handle and no array library, `handle_capsule` has NumPy make a capsule and fills in the handle:
so its life is NumPy's compiled code, and no Python runs while a consumer lets go of it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from neonport.dtypes import BFLOAT16, ROWS, as_dtype, is_bfloat16, is_storable
from neonport.errors import DLPackError, DtypeError
from neonport.optree.node import Expression
from neonport.shape import Shape, contiguous_strides
from neonport.tensor.backend_protocol import TensorBackend
from neonport.tensor.storage import Storage

CPU = (1, 0)
HOST_READABLE = (1, 3, 11, 13)  # kDLCPU, kDLCUDAHost, kDLROCMHost, kDLCUDAManaged
VERSION = (1, 0)  # what consumers of ours ask for
READ_ONLY, IS_COPIED = 1, 2
LEGACY, VERSIONED = b"dltensor", b"dltensor_versioned"
NAMES = {row.dlpack: row.name for row in ROWS.values()}  # by DLDataTypeCode and bits
# of bfloat16 NumPy makes no capsules; these give their values without one
WITHOUT_CAPSULE: tuple[Any, ...] = (np.ndarray, Expression)


class Exportable(Protocol):
    """A tensor, as far as capsules need it."""

    backend: TensorBackend
    storage: Storage
    dtype: np.dtype
    shape: Shape
    strides: Shape
    offset: int

    @property
    def size(self) -> int:
        """Number of elements."""

    @property
    def readonly(self) -> bool:
        """Whether writes are refused."""

    def get(self) -> np.ndarray:
        """A new host array of the values."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray: ...


class _Tensor(ctypes.Structure):
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


class _Versioned(ctypes.Structure):
    """DLManagedTensorVersioned of dlpack.h; the legacy struct begins with the tensor."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.argtypes, _is_valid.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_int
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p


def _structs(capsule: Any) -> tuple[_Tensor, _Versioned | None]:
    """The contents of an unconsumed capsule: the tensor and, if versioned, flags."""
    if _is_valid(capsule, VERSIONED):
        versioned = _Versioned.from_address(_pointer(capsule, VERSIONED))
        if versioned.major != VERSION[0]:
            raise DLPackError(
                f"dlpack: a capsule of version {versioned.major}.{versioned.minor} cannot be read, "
                f"only {VERSION[0]}.x; copy through the host"
            )
        return versioned.tensor, versioned
    if _is_valid(capsule, LEGACY):
        return _Tensor.from_address(_pointer(capsule, LEGACY)), None
    raise DLPackError(f"dlpack: {capsule!r} is no DLPack capsule, or was consumed before")


class _Memory:
    """An object with NumPy's array interface; keeps the memory alive, and is never read through."""

    def __init__(self, tensor: Exportable, owner: Any) -> None:
        self.owner = owner
        step = tensor.dtype.itemsize
        self.__array_interface__: dict[str, Any] = {
            "data": (4096, tensor.readonly),
            "shape": tensor.shape,
            "strides": tuple(s * step for s in tensor.strides),
            "typestr": f"=u{step}",
            "version": 3,
        }


def handle_capsule(
    tensor: Exportable,
    handle: int,
    first: int,
    device: tuple[int, int],
    *,
    max_version: tuple[int, int] | None,
    copied: bool,
) -> Any:
    """A capsule of memory that has a handle instead of an address.

    Args:
        tensor: what is exported; its storage lives as long as the capsule or its consumer.
        handle: the `data` of the capsule.
        first: byte of the handle's memory at which its elements are counted from.
        device: DLPack device type and ordinal.
        max_version: None asks for the legacy struct.
        copied: whether nobody else sees the memory.
    """
    stand_in = np.asarray(_Memory(tensor, tensor.storage))
    capsule = stand_in.__dlpack__(max_version=max_version)
    inner, versioned = _structs(capsule)
    inner.device_type, inner.device_id = device
    inner.code, inner.bits = ROWS[tensor.dtype.name].dlpack
    inner.lanes = 1
    inner.data = handle if tensor.size else None
    inner.byte_offset = first + tensor.offset * tensor.dtype.itemsize if tensor.size else 0
    for axis, stride in enumerate(tensor.strides):
        inner.strides[axis] = stride
    if copied:
        _mark_copied(versioned)
    return capsule


def host_capsule(array: np.ndarray, max_version: tuple[int, int] | None, copied: bool) -> Any:
    """NumPy's capsule of host memory; `copied`: nobody else sees the memory.

    Raises:
        DLPackError: bfloat16, of which NumPy makes none.
    """
    if is_bfloat16(array.dtype):
        raise DLPackError(
            "dlpack: NumPy makes no capsule of bfloat16; export the bits, which are shared too: "
            "torch.from_dlpack(t.share(t.shape, np.uint16)).view(torch.bfloat16)"
        )
    capsule = array.__dlpack__(max_version=max_version)
    if copied:
        _mark_copied(_structs(capsule)[1])
    return capsule


def _mark_copied(versioned: _Versioned | None) -> None:
    if versioned is not None:  # the legacy struct cannot say it
        versioned.flags |= IS_COPIED


@dataclass(frozen=True)
class Foreign:
    """A tensor in memory that has a handle, as a producer describes it.

    Attributes:
        handle, first: the handle and the byte of its memory where the first element is.
        dtype, shape, strides: layout in elements.
        readonly: whether the producer forbids writes.
        owner: the capsule; the producer keeps the memory until it is gone.
    """

    handle: int
    first: int
    dtype: np.dtype
    shape: Shape
    strides: Shape
    readonly: bool
    owner: Any


def read_handle(x: Any, device: tuple[int, int]) -> Foreign:
    """Ask a producer on a device for a capsule and read it; its work is done by then.

    The capsule is kept unconsumed: dropping it frees it, once, by the producer's own code.

    Raises:
        DLPackError: it cannot be read, or has a dtype that no tensor can have.
    """
    try:
        capsule = x.__dlpack__(max_version=VERSION, dl_device=device)
    except TypeError:  # a producer from before versions
        capsule = x.__dlpack__()
    inner, versioned = _structs(capsule)
    name = NAMES.get((inner.code, inner.bits))
    if name is None or inner.lanes != 1:
        raise DLPackError(
            f"from_dlpack: a dtype of code {inner.code}, {inner.bits} bits and {inner.lanes} lanes "
            "cannot be a tensor's; convert it first"
        )
    dtype = as_dtype(name)
    shape = tuple(int(inner.shape[i]) for i in range(inner.ndim))
    strides = (
        tuple(int(inner.strides[i]) for i in range(inner.ndim))
        if inner.strides else contiguous_strides(shape)
    )  # fmt: skip
    readonly = versioned is not None and bool(versioned.flags & READ_ONLY)
    handle = int(inner.data or 0)
    if not handle and 0 not in shape:
        raise DLPackError("from_dlpack: the capsule has elements and no memory")
    return Foreign(handle, int(inner.byte_offset), dtype, shape, strides, readonly, capsule)


def export(
    tensor: Exportable,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """Capsule of a tensor; the keywords are the protocol's.

    Raises:
        DLPackError: negative strides (a consumer is known to abort on them), a device that the
            memory is not on, a copy that `copy=False` forbids, or memory without addresses for a
            consumer that does not say that it wants such.
    """
    backend = tensor.backend
    backend.check_open()
    home = backend.dlpack_device()
    if backend.dlpack_data != "pointer" and dl_device is None and stream is None:
        raise DLPackError(
            f"dlpack: the memory of {backend} has handles, no addresses, and consumers are known "
            "that crash on them; export host memory: tensor.host(), or np.from_dlpack(t, "
            "device='cpu'). A consumer that takes handles asks with dl_device=t.__dlpack_device__()"
        )
    wanted = home if dl_device is None else (int(dl_device[0]), int(dl_device[1]))
    if wanted not in (home, CPU):
        raise DLPackError(
            f"dlpack: a tensor on device {home} cannot be exported to device {wanted}; take it to "
            "the host first: tensor.get()"
        )
    if wanted != home:
        if copy is False:
            raise DLPackError(
                f"dlpack: from device {home} to the host is a copy, and copy=False forbids it; "
                "leave copy out"
            )
        return host_capsule(tensor.get(), max_version, copied=True)
    if copy is not True and any(
        s < 0 and n > 1 for n, s in zip(tensor.shape, tensor.strides, strict=True)
    ):
        raise DLPackError(
            f"dlpack: a view with negative strides {tensor.strides} is not exported; copy it "
            "first: be.array(t)"
        )
    return backend.dlpack_capsule(tensor, stream=stream, max_version=max_version, copy=copy)


class Host:
    """A tensor as host memory, for libraries that do not take its device: `torch.from_dlpack(h)`.

    Where the host shares the memory, so does the consumer; else each export is a copy.
    """

    def __init__(self, tensor: Exportable) -> None:
        self.tensor = tensor

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if dl_device is not None and tuple(dl_device) != CPU:
            raise DLPackError(
                f"dlpack: this is the host's view of a tensor; device {tuple(dl_device)} cannot "
                "take it, export the tensor itself"
            )
        if stream is not None:
            raise DLPackError(f"dlpack: host memory has no stream; stream={stream!r} must be None")
        return export(self.tensor, max_version=max_version, dl_device=CPU, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.tensor.__array__(dtype, copy)

    def __repr__(self) -> str:
        return f"<host view of {self.tensor!r}>"


def adopt(backend: Any, x: Any, copy: bool | None, **options: Any) -> Any:
    """A tensor of `backend` over the memory of `x`, see `Backend.from_dlpack`.

    `options` are the backend's own, for its `dlpack_adopt`.
    """
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise DtypeError(
            f"from_dlpack: {type(x).__name__} has no __dlpack__; copy it in with be.array(x)"
        )
    backend.check_open()
    if copy:
        return _copied(backend, x)
    kind, ordinal = x.__dlpack_device__()
    device = (int(kind), int(ordinal))
    if not backend.dlpack_shares(device):
        raise DLPackError(
            f"from_dlpack: memory on device {device} cannot be shared with {backend}; copy it: "
            "be.from_dlpack(x, copy=True)"
        )
    return backend.dlpack_adopt(x, **options)


def _copied(backend: Any, x: Any) -> Any:
    values = host_array(x)
    out = backend.empty(values.shape, dtype=values.dtype)
    return out.set(values.reshape(out.shape))


def host_array(x: Any) -> np.ndarray:
    """The values of a DLPack producer as a host array, shared where its memory is readable here."""
    if isinstance(x, WITHOUT_CAPSULE) and is_bfloat16(x.dtype):
        return np.asarray(x)
    try:
        if x.__dlpack_device__()[0] in HOST_READABLE:
            values = np.from_dlpack(x)
        else:
            values = np.from_dlpack(x, device="cpu", copy=True)
    except (BufferError, RuntimeError, TypeError) as error:
        hint = ""
        if str(getattr(x, "dtype", "")).endswith(BFLOAT16):
            hint = (
                "; NumPy reads no capsule of bfloat16, but one of its bits: "
                "be.from_dlpack(x.view(torch.uint16)).share(x.shape, 'bfloat16')"
            )
        raise DLPackError(
            f"from_dlpack: {type(x).__name__} cannot be read by the host: {error}{hint}"
        ) from error
    if not is_storable(values.dtype):
        raise DLPackError(
            f"from_dlpack: dtype {values.dtype} cannot be a tensor's; convert it first"
        )
    return values
