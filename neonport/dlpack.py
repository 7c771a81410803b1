"""DLPack in and out: zero-copy where memory can be shared, BufferError with the way out where not.

The capsules themselves come from NumPy (host memory) or from the backend's own array library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.dtypes import STORABLE
from neonport.errors import DLPackError, DtypeError

if TYPE_CHECKING:
    from neonport.tensor import Tensor

CPU = (1, 0)
HOST_READABLE = (1, 3, 11, 13)  # kDLCPU, kDLCUDAHost, kDLROCMHost, kDLCUDAManaged


def export(
    tensor: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """Capsule of a tensor; the keywords are the protocol's.

    Raises:
        DLPackError: negative strides (a consumer is known to abort on them), a device that the
            memory is not on, or a copy that `copy=False` forbids.
    """
    backend = tensor.backend
    backend.check_open()
    home = backend.dlpack_device()
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
        return tensor.get().__dlpack__(max_version=max_version, copy=True)
    if copy is not True and any(
        s < 0 and n > 1 for n, s in zip(tensor.shape, tensor.strides, strict=True)
    ):
        raise DLPackError(
            f"dlpack: a view with negative strides {tensor.strides} is not exported; copy it "
            "first: be.array(t)"
        )
    return backend.dlpack_capsule(tensor, stream=stream, max_version=max_version, copy=copy)


def adopt(backend: Any, x: Any, copy: bool | None) -> Tensor:
    """A tensor of `backend` over the memory of `x`, see `Backend.from_dlpack`."""
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
    tensor: Tensor = backend.dlpack_adopt(x)
    return tensor


def _copied(backend: Any, x: Any) -> Tensor:
    values = host_array(x)
    out: Tensor = backend.empty(values.shape, dtype=values.dtype)
    return out.set(values.reshape(out.shape))


def host_array(x: Any) -> np.ndarray:
    """The values of a DLPack producer as a host array, shared where its memory is readable here."""
    try:
        if x.__dlpack_device__()[0] in HOST_READABLE:
            values = np.from_dlpack(x)
        else:
            values = np.from_dlpack(x, device="cpu", copy=True)
    except (BufferError, RuntimeError, TypeError) as error:
        raise DLPackError(
            f"from_dlpack: {type(x).__name__} cannot be read by the host: {error}"
        ) from error
    if values.dtype not in STORABLE:
        raise DLPackError(
            f"from_dlpack: dtype {values.dtype} cannot be a tensor's; convert it first"
        )
    return values
