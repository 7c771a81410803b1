"""Programs: text built for a device, kept in memory and on disk; errors with their lines."""

from __future__ import annotations

import hashlib
import re
import threading
import warnings
from typing import Any

from neonport.backends.opencl.discovery import Device
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.errors import CompileError
from neonport.io.cache_dir import cache_dir, read_checked, write_checked

LOG_LENGTH = 3000
# "file:2:11: error: ..." and PoCL's "error: file:2:11: ..."
_LINE = re.compile(r":(\d+):\d+: (?:fatal )?error|error: [^\s:]*:(\d+):\d+:")


class Programs:
    """Builds text for one device.

    Args:
        context: PyOpenCL's context of the device.
        device: the device.

    Attributes:
        compiled: programs built from text by this object.
    """

    def __init__(self, context: Any, device: Device) -> None:
        self.context = context
        self.device = device
        self.compiled = 0
        self._built: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._lock = threading.Lock()

    def load(self, source: str, options: tuple[str, ...]) -> Any:
        """The program of a text, from memory, disk or the driver's compiler.

        Raises:
            CompileError: with the lines at fault and the driver's log.
        """
        key = (source, options)
        with self._lock:
            found = self._built.get(key)
            if found is None:
                found = self._built[key] = self._load(source, options)
            return found

    def _load(self, source: str, options: tuple[str, ...]) -> Any:
        cl = load_pyopencl()
        handle = self.device.handle
        if self.device.keeps_programs:
            return self._build(source, options)
        words = "\n".join((self.device.identity, " ".join(options), source))
        name = hashlib.sha256(words.encode()).hexdigest()[:40]
        path = cache_dir() / "opencl" / f"{name}.bin"
        binary = read_checked(path)
        if binary is not None:
            try:
                program = cl._cl._Program(self.context, [handle], [binary])
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", cl.CompilerWarning)
                    program.build(b"", [handle])
                return program
            except cl.Error:
                pass  # of another driver with the same version: build it again
        program = self._build(source, options)
        try:
            (binary,) = program.get_info(cl.program_info.BINARIES)
        except (cl.Error, ValueError):
            binary = None  # a driver need not give it
        if binary:
            write_checked(path, binary)
        return program

    def _build(self, source: str, options: tuple[str, ...]) -> Any:
        cl = load_pyopencl()
        handle = self.device.handle
        program = cl._cl._Program(self.context, source)
        try:
            with warnings.catch_warnings():  # a log need not mean anything
                warnings.simplefilter("ignore", cl.CompilerWarning)
                program.build(" ".join(options).encode(), [handle])
        except cl.Error as error:
            try:
                log = program.get_build_info(handle, cl.program_build_info.LOG).strip()
            except cl.Error:
                log = ""
            raise CompileError(
                f"opencl: {self.device.words} does not build a kernel: {error}\n"
                f"{_marked(source, log)}\n{log[-LOG_LENGTH:]}"
            ) from error
        self.compiled += 1
        return program


def _marked(source: str, log: str) -> str:
    """The lines of the text that the log complains about."""
    lines = source.splitlines()
    numbers = sorted({int(a or b) for a, b in _LINE.findall(log)})[:5]
    return "\n".join(f"{n:5d} | {lines[n - 1]}" for n in numbers if 0 < n <= len(lines))
