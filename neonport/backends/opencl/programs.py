"""Programs: text built for a device by its driver; errors with their lines."""

from __future__ import annotations

import re
import warnings
from typing import Any

from neonport.backends.gpu.program_cache import ProgramCache, complaint, readable
from neonport.backends.opencl.discovery import Device
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.errors import CompileError

# "file:2:11: error: ..." and PoCL's "error: file:2:11: ..."
_LINE = re.compile(r":(\d+):\d+: (?:fatal )?error|error: [^\s:]*:(\d+):\d+:")


class Programs(ProgramCache):
    """Builds text for one device.

    Args:
        context: PyOpenCL's context of the device.
        device: the device.
    """

    def __init__(self, context: Any, device: Device) -> None:
        super().__init__("opencl", device.identity, on_disk=not device.keeps_programs)
        self.context = context
        self.device = device

    def compile(self, source: str, options: tuple[str, ...]) -> tuple[Any, bytes | None]:
        """Build a text; its binary too where programs are kept.

        Raises:
            CompileError: with the lines at fault and the driver's log.
        """
        cl = load_pyopencl()
        program = cl._cl._Program(self.context, source)
        try:
            self._build(program, " ".join(options).encode())
        except cl.Error as error:
            try:
                what = cl.program_build_info.LOG
                log = readable(lambda: program.get_build_info(self.device.handle, what)).strip()
            except cl.Error:
                log = ""
            words = f"opencl: {self.device.words} does not build a kernel: {error}"
            raise CompileError(complaint(words, source, log, _LINE)) from error
        if self.device.keeps_programs:
            return program, None
        try:
            (binary,) = program.get_info(cl.program_info.BINARIES)
        except (cl.Error, ValueError):
            binary = None  # a driver need not give it
        return program, binary

    def restore(self, image: bytes) -> Any:
        """Return the program of a binary; None if it is of another driver with the same version."""
        cl = load_pyopencl()
        try:
            program = cl._cl._Program(self.context, [self.device.handle], [image])
            self._build(program, b"")
        except cl.Error:
            return None
        return program

    def _build(self, program: Any, options: bytes) -> None:
        with warnings.catch_warnings():  # a log need not mean anything
            warnings.simplefilter("ignore", load_pyopencl().CompilerWarning)
            program.build(options, [self.device.handle])
