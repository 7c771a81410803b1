"""Level 1: compile and launch."""

from ctypes import c_int64, c_void_p
from dataclasses import replace
from functools import partial

from neonport.backends.backend import Backend
from neonport.backends.host.jit.choice import find_compiler
from neonport.backends.host.jit.compiler import Compiler
from neonport.compiler.codegen.cpu.dialect import c_dialect
from neonport_teaching.memory import MemoryDevice

DIALECT = replace(c_dialect(), name="teaching")


def launch(function, words, tasks):
    """Run all tasks of a compiled function."""
    function(c_void_p(words.ctypes.data), c_int64(0), c_int64(tasks))


class KernelDevice(MemoryDevice):
    """Level 0, and kernels; without a compiler NumPy goes on computing."""

    def __init__(self, device_id=0):
        super().__init__(device_id)
        found = find_compiler()
        if found.command:
            self.compiler = Compiler(found.command, DIALECT.prelude)
            self.dialect = DIALECT

    def compile_c(self, source, names):
        """Compile a text, or find it in the cache, and look its entries up."""
        library = self.compiler.load(source)
        return [partial(launch, getattr(library, name)) for name in names]


class KernelBackend(Backend):
    """Tensors in bytearrays; compiled kernels compute."""

    backend_name = "kernels"
    device_class = KernelDevice
