"""Level 0: memory and copies."""

import ctypes

from neonport.backends.backend import Backend
from neonport.engine.device import Device, ProbeResult
from neonport.errors import OutOfDeviceMemory
from neonport.tensor.storage import Storage


class MemoryDevice(Device):
    """Memory and copies: a block is a bytearray."""

    @classmethod
    def probe(cls):
        """Python has memory wherever it runs."""
        return ProbeResult("ready", "Python's own memory", count=1)

    def allocate(self, nbytes):
        """A new bytearray; Python fills it with zeros."""
        try:
            block = bytearray(nbytes)
        except (MemoryError, OverflowError) as error:
            raise OutOfDeviceMemory(f"{self}: there is no room for {nbytes} bytes") from error
        address = ctypes.addressof(ctypes.c_char.from_buffer(block)) if nbytes else 0
        return Storage(block, nbytes, space="host", address=address)

    def read(self, storage, start, out):
        """Copy bytes to the host."""
        memoryview(out)[:] = memoryview(storage.native)[start : start + out.nbytes]

    def write(self, storage, start, values):
        """Copy bytes from the host."""
        memoryview(storage.native)[start : start + values.nbytes] = memoryview(values)


class MemoryBackend(Backend):
    """Tensors in bytearrays; NumPy computes."""

    backend_name = "memory"
    device_class = MemoryDevice
