"""How other libraries read a tensor: NumPy, DLPack, Python's buffers, CUDA's array interface."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.dtypes import is_bfloat16
from neonport.errors import ConfigurationError, DLPackError
from neonport.optree.node import Expression
from neonport.tensor import dlpack
from neonport.tensor.backend_protocol import TensorBackend

WRITABLE = 1  # PyBUF_WRITABLE


class Exchanged(Expression):
    """What a tensor offers to other libraries."""

    __slots__ = ()
    backend: TensorBackend

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self.backend.check_open()
        self.backend.unrecordable("it reads a tensor as a NumPy array")
        return self.backend.host_array(self, dtype, copy)

    def __buffer__(self, flags: int) -> memoryview:
        """The live memory, for `memoryview(t)` and whatever takes buffers, from Python 3.12 on.

        Args:
            flags: what the consumer asks for, as `inspect.BufferFlags` names it.

        Raises:
            DLPackError: the memory is not the host's, is read-only, or is of bfloat16.
        """
        tensor: Any = self
        if flags & WRITABLE and tensor.readonly:
            raise DLPackError("buffer: the tensor is read-only; copy it: memoryview(t.get())")
        if is_bfloat16(tensor.dtype):
            raise DLPackError(
                "buffer: Python's buffers know no bfloat16; take the bits: "
                "t.share(t.shape, np.uint16)"
            )
        try:
            array: Any = self.__array__(copy=False)
        except ConfigurationError as error:
            raise DLPackError(
                f"buffer: the memory of {self.backend} is not the host's; copy it: "
                "memoryview(t.get())"
            ) from error
        return memoryview(array)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """CUDA's array interface, version 3; the attribute is missing where memory is not CUDA's.

        Raises:
            AttributeError: it is missing.
        """
        self.backend.check_open()
        found = self.backend.cuda_array_interface(self)
        if found is None:
            raise AttributeError(
                f"a tensor of {self.backend} has no __cuda_array_interface__: its memory is not "
                "CUDA's, or its dtype is bfloat16"
            )
        self.backend.unrecordable("it hands a tensor to another library (CUDA array interface)")
        return found

    def __dlpack__(self, **kwargs: Any) -> Any:
        tensor: Any = self
        self.backend.unrecordable("it hands a tensor to another library (DLPack)")
        return dlpack.export(tensor, **kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.backend.dlpack_device()

    @property
    def __dlpack_data__(self) -> str:
        """The kind of `data` in exported capsules; the protocol leaves it open for some devices."""
        return self.backend.dlpack_data

    def host(self) -> Any:
        """This tensor as host memory, for libraries that take no other: `torch.from_dlpack(h)`.

        Shared where the host sees the memory, else copied at each export.
        """
        tensor: Any = self
        return dlpack.Host(tensor)
