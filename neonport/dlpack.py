"""DLPack in and out: zero-copy where memory can be shared, BufferError with the way out where not.

The capsules themselves come from NumPy (host memory) or from the backend's own array library.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.dtypes import BFLOAT16, is_bfloat16, is_storable
from neonport.errors import DLPackError, DtypeError
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
        return host_capsule(tensor.get(), max_version, True)
    if copy is not True and any(
        s < 0 and n > 1 for n, s in zip(tensor.shape, tensor.strides, strict=True)
    ):
        raise DLPackError(
            f"dlpack: a view with negative strides {tensor.strides} is not exported; copy it "
            "first: be.array(t)"
        )
    return backend.dlpack_capsule(tensor, stream=stream, max_version=max_version, copy=copy)


def host_capsule(array: np.ndarray, max_version: Any, copy: bool | None) -> Any:
    """NumPy's capsule of an array.

    Raises:
        DLPackError: bfloat16, of which NumPy makes none.
    """
    if is_bfloat16(array.dtype):
        raise DLPackError(
            "dlpack: NumPy makes no capsule of bfloat16; export the bits, which are shared too: "
            "torch.from_dlpack(t.share(t.shape, np.uint16)).view(torch.bfloat16)"
        )
    return array.__dlpack__(max_version=max_version, copy=copy)


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
    if isinstance(x, (np.ndarray, Tensor)) and is_bfloat16(x.dtype):
        return np.asarray(x)  # needs no capsule, and NumPy has none
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
