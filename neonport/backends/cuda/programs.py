"""Programs: text compiled by NVRTC for a device; errors with their lines."""

from __future__ import annotations

import re
from typing import Any

from neonport.backends.cuda.discovery import load_cupy, load_nvrtc
from neonport.backends.cuda.stream import Queue
from neonport.backends.gpu.program_cache import ProgramCache, complaint, readable
from neonport.errors import CompileError

_LINE = re.compile(r"\((\d+)\): (?:catastrophic )?error")


class Programs(ProgramCache):
    """Compiles text for one device.

    Args:
        queue: of the device.

    Attributes:
        target: the architecture: a real one, or a virtual one that the driver translates where the
            compiler does not know the device yet.
    """

    def __init__(self, queue: Queue) -> None:
        nvrtc = load_nvrtc()
        self.queue = queue
        self.target = target(queue.device.capability, nvrtc.getSupportedArchs())
        super().__init__("cuda", repr(nvrtc.getVersion()), extra=(f"-arch={self.target}",))

    def compile(self, source: str, options: tuple[str, ...]) -> tuple[Any, bytes | None]:
        """Compile and load a text.

        Raises:
            CompileError: with the lines at fault and the compiler's log.
        """
        image = compile_text(source, options)
        return self._module(image), image

    def restore(self, image: bytes) -> Any:
        """Return the module of an image; None if the driver refuses it."""
        try:
            return self._module(image)
        except RuntimeError:
            return None

    def _module(self, image: bytes) -> Any:
        with self.queue.current():
            module = load_cupy().cuda.function.Module()
            module.load(image)
        return module


def target(capability: tuple[int, int], supported: tuple[int, ...]) -> str:
    """The target to compile for: the device itself, or else the newest PTX that it can load."""
    wanted = 10 * capability[0] + capability[1]
    if wanted in supported:
        return f"sm_{wanted}"
    return f"compute_{max(a for a in supported if a <= wanted)}"


def compile_text(source: str, options: tuple[str, ...]) -> bytes:
    """Machine code of a text (PTX for a virtual architecture); needs no device.

    Raises:
        CompileError: with the lines at fault and the compiler's log.
    """
    nvrtc = load_nvrtc()
    program = nvrtc.createProgram(source, "kernel.cu", (), ())
    try:
        nvrtc.compileProgram(program, options)
        virtual = any(o.startswith("-arch=compute_") for o in options)
        image: bytes = nvrtc.getPTX(program) if virtual else nvrtc.getCUBIN(program)
        return image
    except nvrtc.NVRTCError as error:
        log = readable(lambda: nvrtc.getProgramLog(program))
        words = f"cuda: NVRTC does not compile a kernel ({error})"
        raise CompileError(complaint(words, source, log, _LINE)) from error
    finally:
        nvrtc.destroyProgram(program)
