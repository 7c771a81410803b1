"""The device: memory, copies and DLPack of PyTorch; neonport evaluates op-trees with its functions."""

from __future__ import annotations

from typing import Any

import array_api_compat.torch as xp
import numpy as np
import torch

from neonport.backends.arrays.device import ArrayDevice
from neonport.backends.arrays.namespace import ArrayNamespace
from neonport.backends.backend import Backend
from neonport.dtypes import FLOAT32, FLOAT64, bfloat16
from neonport.engine.device import Capabilities, ProbeResult
from neonport.errors import BackendUnavailable, DLPackError, OutOfDeviceMemory
from neonport.tensor.storage import Storage

GRANULE = 64  # bytes: memory of any dtype can be seen as any other


class TorchNamespace(ArrayNamespace):
    """PyTorch's functions on one of its devices."""

    def __init__(self, device: torch.device) -> None:
        wide = FLOAT32 if device.type == "mps" else FLOAT64  # Apple's GPUs have no float64
        super().__init__(xp, wide, {"erf": torch.erf})
        self.device = device

    def from_host(self, values: np.ndarray) -> torch.Tensor:
        """A tensor of the device with the values of a host array."""
        if values.dtype.name == "bfloat16":
            return self.from_host(values.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(np.require(values, requirements=["C", "W"])).to(self.device)

    def to_host(self, array: torch.Tensor) -> np.ndarray:
        """The values on the host, shared where the device is the host."""
        array = array.detach().cpu()
        if array.dtype == torch.bfloat16:
            return array.contiguous().view(torch.int16).numpy().view(bfloat16())
        return array.numpy()

    def bitcast(self, array: torch.Tensor, dtype: np.dtype) -> torch.Tensor:
        """The same bits as another dtype."""
        return array.view(self.dtype(dtype))

    def copy(self, array: torch.Tensor) -> torch.Tensor:
        """A tensor of its own."""
        return array.clone(memory_format=torch.contiguous_format)


class TorchDevice(ArrayDevice):
    """Tensors over the memory of a PyTorch device.

    Args:
        device_id: which accelerator.
        device: PyTorch's name of a device, such as "cpu", "cuda:1" or "xpu"; None takes an
            accelerator if there is one, else the processor.
    """

    def __init__(self, device_id: int = 0, device: str | None = None) -> None:
        self.device = torch.device(device) if device else chosen(device_id)
        self.arrays = TorchNamespace(self.device)
        floats = ("float16", "bfloat16", "float32", "float64")
        if self.arrays.widest != FLOAT64:
            floats = floats[:-1]
        self.capabilities = Capabilities(floats, device_type=int(self.device.type != "cpu"))
        super().__init__(device_id)

    @classmethod
    def probe(cls) -> ProbeResult:
        """The processor is always there."""
        count = torch.accelerator.device_count() or 1
        return ProbeResult("ready", f"{chosen(0)}, PyTorch {torch.__version__}", count=count)

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory."""
        try:
            size = -(-nbytes // GRANULE) * GRANULE
            block = torch.zeros(size, dtype=torch.uint8, device=self.device)
        except (RuntimeError, MemoryError, OverflowError) as error:
            raise OutOfDeviceMemory(f"cannot allocate {nbytes} bytes on {self.device}") from error
        return self._storage(block, nbytes)

    def _storage(self, block: torch.Tensor, nbytes: int, **options: Any) -> Storage:
        space = "host" if self.device.type == "cpu" else str(self.device)
        return Storage(block, nbytes, space, block.data_ptr(), **options)

    def _strided(self, native: Any, dtype: np.dtype, layout: Any) -> tuple[torch.Tensor, Any]:
        """A view with the steps of a layout, all forward, and the axes that run backward."""
        shape, strides, offset = layout
        axes = [a for a, (n, s) in enumerate(zip(shape, strides, strict=True)) if s < 0 < n]
        first = offset + sum((shape[a] - 1) * strides[a] for a in axes)
        whole = native.numel() // dtype.itemsize * dtype.itemsize
        flat = native[:whole].view(self.arrays.dtype(dtype))
        return flat.as_strided(shape, tuple(map(abs, strides)), first), axes

    def read(self, native: Any, dtype: np.dtype, layout: Any) -> torch.Tensor:
        """A view; a copy of a backward one, which PyTorch does not have."""
        view, axes = self._strided(native, dtype, layout)
        return view.flip(axes) if axes else view

    def write(self, native: Any, dtype: np.dtype, layout: Any, value: torch.Tensor) -> None:
        """Copy values into a view."""
        view, axes = self._strided(native, dtype, layout)
        view.copy_(value.flip(axes) if axes else value)

    def synchronize(self) -> None:
        """Wait for the accelerator."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

    def dlpack_device(self) -> tuple[int, int]:
        """As PyTorch counts devices."""
        kind, number = torch.empty(0, device=self.device).__dlpack_device__()
        return int(kind), int(number)

    def dlpack_export(self, tensor: Any, *, stream: Any, max_version: Any, copy: Any) -> Any:
        """PyTorch's capsule."""
        array = self.arrays.copy(tensor.native) if copy else tensor.native
        return array.__dlpack__(stream=stream, max_version=max_version, copy=copy)

    def dlpack_adopt(self, x: Any, **options: Any) -> Any:
        """A tensor over memory that PyTorch takes."""
        try:
            array = torch.from_dlpack(x)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise DLPackError(f"from_dlpack: PyTorch cannot take it: {error}") from error
        memory = array.untyped_storage()
        block = torch.empty(0, dtype=torch.uint8, device=array.device).set_(memory)
        storage = self._storage(block, memory.nbytes(), owner=array)
        dtype = self.arrays.numpy_dtype(array)
        shape, strides = tuple(array.shape), array.stride()
        return self.adopted(storage, dtype, shape, strides, array.storage_offset())


def chosen(device_id: int) -> torch.device:
    """An accelerator by its number, or the processor where there is none."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is not None:
        return torch.device(accelerator.type, device_id)
    if device_id:
        raise BackendUnavailable(f"PyTorch has no accelerator here, so there is no {device_id}")
    return torch.device("cpu")


class TorchBackend(Backend):
    """Tensors on a device of PyTorch."""

    backend_name = "torch"
    device_class = TorchDevice
