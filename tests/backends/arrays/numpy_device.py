"""A device over NumPy itself, as an array library like any other."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.backends.arrays.device import ArrayDevice, padded
from neonport.backends.arrays.namespace import ArrayNamespace
from neonport.backends.backend import Backend
from neonport.backends.host import memory
from neonport.dtypes import FLOAT32, FLOAT64
from neonport.engine.device import Capabilities, ProbeResult
from neonport.tensor.dlpack import host_array, host_capsule


class NumpyNamespace(ArrayNamespace):
    """NumPy's functions."""

    def bitcast(self, array: Any, dtype: np.dtype) -> Any:
        return array.view(dtype)


class NumpyDevice(ArrayDevice):
    """Host memory, seen through `ArrayNamespace`."""

    capabilities = Capabilities()
    widest = FLOAT64

    def __init__(self, device_id: int = 0) -> None:
        self.arrays = NumpyNamespace(np, self.widest)
        super().__init__(device_id)

    @classmethod
    def probe(cls):
        return ProbeResult("ready", "NumPy", count=1)

    def allocate(self, nbytes):
        storage = memory.allocate(padded(nbytes))
        storage.attached["whole"] = storage.native
        return type(storage)(storage.native, nbytes, "host", storage.address)

    def strided(self, native, dtype, layout):
        shape, strides, offset = layout
        if 0 in shape:
            return np.empty(shape, dtype)
        step = dtype.itemsize
        return np.ndarray(shape, dtype, native, offset * step, tuple(s * step for s in strides))

    def synchronize(self):
        """NumPy has finished when it returns."""

    def dlpack_device(self):
        return (1, 0)

    def dlpack_export(self, tensor, *, stream, max_version, copy):
        array = tensor.get() if copy else tensor.native
        return host_capsule(array, max_version, copied=bool(copy))

    def dlpack_adopt(self, x, **options):
        array = host_array(x)
        storage, strides, offset = memory.adopt(array)
        return self.adopted(storage, array.dtype, array.shape, strides, offset)


class NumpyBackend(Backend):
    """Tensors of NumPy by way of the array API."""

    backend_name = "numpy-arrays"
    device_class = NumpyDevice


class NarrowDevice(NumpyDevice):
    """One without float64, as Apple's GPUs are."""

    capabilities = Capabilities(dtypes=("float16", "float32"))
    widest = FLOAT32


class NarrowBackend(Backend):
    """Tensors in float32 and float16."""

    backend_name = "narrow-arrays"
    device_class = NarrowDevice
