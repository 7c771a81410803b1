"""An emulated CuPy: what neonport's cuda backend uses of it, over host memory (see README.md)."""

from __future__ import annotations

import numpy as np

from cupy import _machine as machine
from cupy import cuda
from cupy.cuda.memory import get_default_memory_pool as get_default_memory_pool

__version__ = "14.0+emulated"


class _Memory:
    """The first bytes of an array, for NumPy; keeps the array alive."""

    def __init__(self, owner, nbytes):
        self.owner = owner
        self.__array_interface__ = {
            "data": (owner.data.ptr, False),
            "shape": (nbytes,),
            "typestr": "|u1",
            "version": 3,
        }


class ndarray:
    """An array over device memory."""

    def __init__(self, shape, dtype, memptr, strides=None):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.data = memptr
        if strides is None:
            strides = np.empty(shape, np.dtype(f"V{self.dtype.itemsize}")).strides
        self.strides = tuple(strides)

    def host(self):
        """NumPy's view of the memory, without waiting."""
        step = self.dtype.itemsize
        view = np.asarray(_Memory(self, step)).view(self.dtype)
        return np.lib.stride_tricks.as_strided(view, self.shape, self.strides, writeable=True)

    def get(self):
        """A host copy."""
        machine.synchronize(cuda.get_current_stream().ptr)
        return self.host().copy()

    def __dlpack_device__(self):
        return (2, self.data.device_id)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if copy is True:
            raise BufferError("copy=True only supported for copy to CPU.")
        assert stream is None or isinstance(stream, int)
        consumer = machine.LEGACY if stream is None else stream
        producer = cuda.get_current_stream()
        if consumer >= 0 and consumer != producer.ptr:
            event = producer.record()
            cuda.runtime.streamWaitEvent(consumer, event.ptr)
        return _capsules.relabel(
            self.host().__dlpack__(max_version=max_version), (2, self.data.device_id)
        )


def from_dlpack(array):
    """An array over a producer's memory."""
    kind, number = array.__dlpack_device__()
    if kind != 2:
        raise RuntimeError("CuPy is built against CUDA, different from the backend that backs it")
    with cuda.Device(number):
        capsule = array.__dlpack__(stream=cuda.get_current_stream().ptr or machine.LEGACY)
    host = np.from_dlpack(_capsules.Holder(_capsules.relabel(capsule, (1, 0))))
    memory = cuda.memory.Memory(host.ctypes.data, host.nbytes, int(number), host)
    return ndarray(host.shape, host.dtype, cuda.memory.MemoryPointer(memory, 0), host.strides)


from cupy import _capsules  # noqa: E402
