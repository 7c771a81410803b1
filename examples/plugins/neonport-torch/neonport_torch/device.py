"""The device: memory and DLPack of PyTorch; neonport computes with PyTorch's functions."""

from __future__ import annotations

from typing import Any

import array_api_compat.torch as xp
import numpy as np
import torch

from neonport.backends.arrays.device import ArrayDevice, padded
from neonport.backends.arrays.namespace import ArrayNamespace
from neonport.backends.backend import Backend
from neonport.dtypes import FLOAT32, FLOAT64
from neonport.engine.device import Capabilities, ProbeResult
from neonport.errors import BackendUnavailable, DLPackError, OutOfDeviceMemory
from neonport.tensor.capsules import device_of
from neonport.tensor.dlpack import read_handle
from neonport.tensor.storage import Storage


class TorchNamespace(ArrayNamespace):
    """PyTorch's functions on one of its devices."""

    def __init__(self, device: torch.device) -> None:
        wide = FLOAT32 if device.type == "mps" else FLOAT64  # Apple's GPUs have no float64
        super().__init__(xp, wide, {"erf": torch.erf})
        self.device = device

    def upload(self, values: np.ndarray) -> torch.Tensor:
        """A tensor of the device."""
        return torch.from_numpy(values).to(self.device)

    def download(self, array: torch.Tensor) -> np.ndarray:
        """The values on the host."""
        return array.cpu().numpy()

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
        floats = ("float16", "bfloat16", "float32", self.arrays.widest.name)
        host = self.device.type == "cpu"
        self.space = "host" if host else str(self.device)
        self.capabilities = Capabilities(tuple(dict.fromkeys(floats)), device_type=int(not host))
        super().__init__(device_id)

    @classmethod
    def probe(cls) -> ProbeResult:
        """The processor is always there."""
        count = torch.accelerator.device_count() or 1
        return ProbeResult("ready", f"{chosen(0)}, PyTorch {torch.__version__}", count=count)

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory."""
        try:
            block = torch.zeros(padded(nbytes), dtype=torch.uint8, device=self.device)
        except (RuntimeError, MemoryError, OverflowError) as error:
            raise OutOfDeviceMemory(f"cannot allocate {nbytes} bytes on {self.device}") from error
        return Storage(block, nbytes, self.space, block.data_ptr())

    def strided(self, native: Any, dtype: np.dtype, layout: Any) -> torch.Tensor:
        """A view of bytes."""
        whole = native.numel() // dtype.itemsize * dtype.itemsize
        return native[:whole].view(self.arrays.dtype(dtype)).as_strided(*layout)

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
        memory, readonly = array.untyped_storage(), read_handle(x, device_of(x)).readonly
        block = torch.empty(0, dtype=torch.uint8, device=array.device).set_(memory)
        storage = Storage(block, memory.nbytes(), self.space, block.data_ptr(), readonly, array)
        dtype, shape = self.arrays.numpy_dtype(array), tuple(array.shape)
        return self.adopted(storage, dtype, shape, array.stride(), array.storage_offset())


def chosen(device_id: int) -> torch.device:
    """An accelerator by its number, or the processor where there is none."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is not None:
        return torch.device(accelerator.type, device_id)
    if device_id:
        raise BackendUnavailable(
            f"PyTorch finds no accelerator here, so none of number {device_id}"
        )
    return torch.device("cpu")


class TorchBackend(Backend):
    """Tensors on a device of PyTorch."""

    backend_name = "torch"
    device_class = TorchDevice
