"""What tensors ask of their backend: memory, copies and exchange, handed on to the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.engine.device_checks import checked_storage
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor


class Memory:
    """Memory, copies, marks in time and DLPack of a backend."""

    device: Any
    check_open: Callable[[], None]

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory.

        Raises:
            OutOfDeviceMemory: there is no room.
            ClosedBackendError: after `cleanup_backend`.
            DeviceContractError: the device gave no memory.
        """
        self.check_open()
        return checked_storage(self.device, self.device.allocate(nbytes), nbytes)

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """The device's own array object for a layout (strides and offset in elements)."""
        return self.device.view(storage, dtype, layout)

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values of the target's shape and dtype in."""
        self.device.copy_in(target, values)

    def copy_out(self, source: Tensor) -> np.ndarray:
        """Wait for pending work and return a new host array."""
        return self.device.copy_out(source)

    def host_array(self, tensor: Tensor, dtype: Any, copy: bool | None) -> np.ndarray:
        """What `np.asarray(tensor)` gives: a host copy, unless the memory is the host's."""
        return self.device.host_array(tensor, dtype, copy)

    def cuda_array_interface(self, tensor: Tensor) -> dict[str, Any] | None:
        """What `tensor.__cuda_array_interface__` is; None: the memory is not CUDA's."""
        return self.device.cuda_array_interface(tensor)

    def synchronize(self) -> None:
        """Wait until all work given to the device is done."""
        self.device.synchronize()

    def memory_stats(self) -> dict[str, int]:
        """Bytes in use and at peak, as far as the device knows."""
        return self.device.memory_stats()

    def init_mark(self) -> Any:
        """A mark in time for `record_mark`."""
        return self.device.init_mark()

    def record_mark(self, marker: Any) -> None:
        """Note the time at which the work given so far is done."""
        self.device.record_mark(marker)

    def synchronize_mark(self, marker: Any) -> None:
        """Wait for a mark."""
        self.device.synchronize_mark(marker)

    def get_time(self, start: Any, end: Any) -> float:
        """Milliseconds between two recorded marks."""
        return self.device.get_time(start, end)

    @property
    def dlpack_data(self) -> str:
        """What `data` of a DLPack capsule is: "pointer", or the kind of handle."""
        return self.device.dlpack_data

    def dlpack_device(self) -> tuple[int, int]:
        """DLPack device type and ordinal of this backend's memory."""
        return self.device.dlpack_device()

    def dlpack_shares(self, device: tuple[int, int]) -> bool:
        """Whether `dlpack_adopt` can use memory on a DLPack device in place."""
        return self.device.dlpack_shares(device)

    def dlpack_capsule(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """A capsule of the tensor on its own device, after pending work was ordered before it."""
        return self.device.dlpack_export(tensor, stream=stream, max_version=max_version, copy=copy)

    def dlpack_adopt(self, x: Any, **options: Any) -> Tensor:
        """A tensor over the memory of a DLPack producer on the same device."""
        return self.device.dlpack_adopt(x, **options)
