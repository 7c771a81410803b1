"""Programs: text compiled by NVRTC, kept in memory and on disk; errors with their lines."""

from __future__ import annotations

import hashlib
import re
import threading
from typing import Any

from neonport.backends.cuda.discovery import load_cupy, load_nvrtc
from neonport.backends.cuda.stream import Queue
from neonport.backends.gpu.compile_errors import complaint
from neonport.errors import CompileError
from neonport.io.cache_dir import cache_dir, read_checked, write_checked

_LINE = re.compile(r"\((\d+)\): (?:catastrophic )?error")


class Programs:
    """Compiles text for one device.

    Args:
        queue: of the device.

    Attributes:
        compiled: programs compiled from text by this object.
        target: the architecture: a real one, or a virtual one that the driver translates where the
            compiler does not know the device yet.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.compiled = 0
        self.version = load_nvrtc().getVersion()
        self.target = target(queue.device.capability, load_nvrtc().getSupportedArchs())
        self._loaded: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._lock = threading.Lock()

    def load(self, source: str, options: tuple[str, ...]) -> Any:
        """The module of a text, from memory, disk or the compiler.

        Raises:
            CompileError: with the lines at fault and the compiler's log.
        """
        key = (source, options)
        with self._lock:
            found = self._loaded.get(key)
            if found is None:
                found = self._loaded[key] = self._load(source, (*options, f"-arch={self.target}"))
            return found

    def _load(self, source: str, options: tuple[str, ...]) -> Any:
        words = "\n".join((repr(self.version), " ".join(options), source))
        name = hashlib.sha256(words.encode()).hexdigest()[:40]
        path = cache_dir() / "cuda" / f"{name}.bin"
        image = read_checked(path)
        if image is not None:
            try:
                return self._module(image)
            except RuntimeError:
                pass  # the driver refuses it: make it again
        image = compile_text(source, options)
        self.compiled += 1
        module = self._module(image)
        write_checked(path, image)
        return module

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
        log = nvrtc.getProgramLog(program)
        words = f"cuda: NVRTC does not compile a kernel ({error})"
        raise CompileError(complaint(words, source, log, _LINE)) from error
    finally:
        nvrtc.destroyProgram(program)
