"""Level 3: recording, DLPack, random numbers on the device."""

import ctypes

import numpy as np

from neonport.backends.backend import Backend
from neonport.backends.host import memory
from neonport.engine.c_kernels import CLaunch
from neonport.errors import DLPackError
from neonport.tensor.dlpack import CPU, host_array, host_capsule
from neonport.tensor.storage import array_over
from neonport_teaching.library import Command, LibraryDevice

REPLAY = r"""
typedef long long whole;
typedef void (*entry)(const void *words, whole begin, whole end);
void replay(const whole *list, whole begin, whole end) {
  for (whole i = begin; i < end; ++i)
    ((entry)list[3 * i])((const void *)list[3 * i + 1], 0, list[3 * i + 2]);
}
"""


def commands_of(call):
    """A launch as commands; none if it is something else."""
    if isinstance(call, CLaunch):
        return [Command(entry, call.words, tasks) for entry, tasks in call.calls]
    return [call] if isinstance(call, Command) else []


class TeachingDevice(LibraryDevice):
    """Level 2, and lists of commands, and memory that is shared with other libraries."""

    def make_replay(self, recorder):
        """Launches that follow each other become one list, which the device runs by itself."""
        calls, run = [], []
        for call in [*recorder.launches(), None]:
            commands = commands_of(call)
            run += commands
            if not commands and run:
                calls.append(self.listed(run))
                run = []
            if not commands and call is not None:
                calls.append(call)

        def replay(recorder=recorder):  # who has the replay keeps the recorded memory
            if recorder.changes:
                recorder.prepare()
            for call in calls:
                call()

        return replay, f"lists of commands: {len(calls)} calls"

    def listed(self, commands):
        """Several commands as one."""
        (entry,) = self.compile_c(REPLAY, ["replay"])
        addresses = [ctypes.cast(c.entry.args[0], ctypes.c_void_p).value for c in commands]
        rows = [
            (address, command.words.ctypes.data, command.tasks)
            for address, command in zip(addresses, commands, strict=True)
        ]
        call = Command(entry, np.array(rows, np.uint64).reshape(-1), len(rows))
        return lambda keep=commands: call()

    def dlpack_device(self):
        """The host: a bytearray lies in its memory."""
        return CPU

    def dlpack_export(self, tensor, *, stream, max_version, copy):
        """NumPy's capsule over the bytearray, which stays as long as the consumer needs it."""
        if stream is not None:
            raise DLPackError(f"dlpack: {self} has no streams; stream={stream!r} must be None")
        if copy or 0 in tensor.shape:
            return host_capsule(tensor.get(), max_version, copied=True)
        block = np.frombuffer(tensor.storage.native, np.uint8)
        return host_capsule(array_over(block, tensor.dtype, tensor.layout), max_version, False)

    def dlpack_adopt(self, x, **options):
        """A tensor over the producer's memory."""
        array = host_array(x)
        storage, strides, offset = memory.adopt(array)
        return self.adopted(storage, array.dtype, array.shape, strides, offset)


class TeachingBackend(Backend):
    """Tensors in Python's own memory."""

    backend_name = "teaching"
    device_class = TeachingDevice
