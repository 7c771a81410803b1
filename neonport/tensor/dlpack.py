"""DLPack in and out: zero-copy where memory can be shared, BufferError with the way out where not.

Capsules come from NumPy (host memory) or from the backend's own array library. For memory that has
a handle and no array library, `handle_capsule` has NumPy make a capsule and fills in the handle:
so its life is NumPy's compiled code, and no Python runs while a consumer lets go of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from neonport.dtypes import BFLOAT16, ROWS, as_dtype, is_bfloat16, is_storable
from neonport.errors import DLPackError, DtypeError
from neonport.optree.node import Expression
from neonport.shape import Shape
from neonport.tensor.backend_protocol import TensorBackend
from neonport.tensor.capsules import (
    NAMES,
    VERSION,
    WAY_OUT,
    Checked,
    Versioned,
    device_of,
    structs,
)
from neonport.tensor.storage import Storage

CPU = (1, 0)
EXTENSION = 12  # kDLExtDev: a device that the protocol does not know
HOST_READABLE = (1, 3, 11, 13)  # kDLCPU, kDLCUDAHost, kDLROCMHost, kDLCUDAManaged
READ_ONLY, IS_COPIED = 1, 2
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

    def __buffer__(self, flags: int, /) -> memoryview: ...


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
    inner, versioned = structs(capsule)
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
        _mark_copied(structs(capsule)[1])
    return capsule


def _mark_copied(versioned: Versioned | None) -> None:
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
    producer = Checked(x)
    try:
        capsule = producer.__dlpack__(max_version=VERSION, dl_device=device)
    except TypeError:  # a producer from before versions
        capsule = producer.__dlpack__()
    inner, versioned = structs(capsule)
    dtype = as_dtype(NAMES[inner.code, inner.bits])
    readonly = versioned is not None and bool(versioned.flags & READ_ONLY)
    first = int(inner.byte_offset)
    return Foreign(
        int(inner.data or 0), first, dtype, inner.sizes(), inner.steps(), readonly, capsule
    )


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

    def __buffer__(self, flags: int) -> memoryview:
        return self.tensor.__buffer__(flags)

    def __repr__(self) -> str:
        return f"<host view of {self.tensor!r}>"


def adopt(backend: Any, x: Any, copy: bool | None, **options: Any) -> Any:
    """A tensor of `backend` over the memory of `x`, see `Backend.from_dlpack`.

    `options` are the backend's own, for its `dlpack_adopt`.
    """
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise DtypeError(
            f"from_dlpack: {type(x).__name__} has no __dlpack__; copy its values in: "
            "be.array(x), or be.array(x.get()), be.array(x.numpy())"
        )
    backend.check_open()
    device = device_of(x)
    shares = backend.dlpack_shares(device)
    if copy or (not shares and is_empty(x)):
        return copied(backend, x)
    if not shares:
        raise DLPackError(
            f"from_dlpack: memory on device {device} cannot be shared with {backend}; copy it: "
            "be.from_dlpack(x, copy=True)"
        )
    return backend.dlpack_adopt(x, **options)


def is_empty(x: Any) -> bool:
    """Whether a producer has no elements, so that there is nothing to share and all may take it."""
    return 0 in getattr(x, "shape", ())


def copied(backend: Any, x: Any) -> Any:
    """A new tensor of `backend` with the values of a producer."""
    values = host_array(x)
    out = backend.empty(values.shape, dtype=values.dtype)
    return out.set(values.reshape(out.shape))


def host_array(x: Any) -> np.ndarray:
    """The values of a DLPack producer as a host array, shared where its memory is readable here."""
    if isinstance(x, WITHOUT_CAPSULE) and is_bfloat16(x.dtype):
        return np.asarray(x)
    producer = Checked(x)
    try:
        if device_of(x)[0] in HOST_READABLE:
            values = np.from_dlpack(producer)
        else:
            values = np.from_dlpack(producer, device="cpu", copy=True)
    except DLPackError:
        raise
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        hint = f"; {WAY_OUT}"
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
