"""NVIDIA's compiler from its wheels, without CuPy and without a device.

Two generations are of use: 12 is the last that knows capability 7.0, 13 begins with 7.5.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from neonport.cache import cache_dir, read_checked, write_checked

TARGETS = {70: 12, 80: 13, 90: 13}
"""Architectures, and the generation of the compiler that builds for each."""


def library(generation: int) -> Path | None:
    """Path of the compiler of a generation, None if its wheel is not installed."""
    try:
        roots = list(importlib.import_module("nvidia").__path__)
    except ImportError:
        return None
    found = [p for r in roots for p in Path(r).glob(f"**/libnvrtc.so.{generation}")]
    return found[0] if found else None


class Compiler:
    """One generation of the compiler."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.version = f"{major.value}.{minor.value}"

    def complaint(self, source: str, options: Iterable[str]) -> str:
        """What is wrong with a text; empty if it compiles to machine code."""
        words = [o.encode() for o in options]
        table = (ctypes.c_char_p * len(words))(*words)
        program = ctypes.c_void_p()
        make = self._library.nvrtcCreateProgram
        if make(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None):
            return "no program was made"
        try:
            status = self._library.nvrtcCompileProgram(program, len(words), table)
            size = ctypes.c_size_t()
            if status:
                self._library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
                log = ctypes.create_string_buffer(size.value)
                self._library.nvrtcGetProgramLog(program, log)
                return log.value.decode() or f"status {status}"
            self._library.nvrtcGetCUBINSize(program, ctypes.byref(size))
            return "" if size.value else "no machine code"
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))


def _check(path: str, sources: list[str], options: tuple[str, ...]) -> list[str]:
    """Complaints about some texts; those that compiled once with this compiler are not repeated."""
    compiler = Compiler(Path(path))
    found = []
    for source in sources:
        words = "\n".join((compiler.version, *options, source))
        name = hashlib.sha256(words.encode()).hexdigest()[:40]
        mark = cache_dir() / "nvrtc-checked" / name
        if read_checked(mark) is None:
            complaint = compiler.complaint(source, options)
            if complaint:
                found.append(f"{complaint}\n{source}")
            else:
                write_checked(mark, b"compiles")
    return found


def complaints(sources: list[str], arch: int, options: tuple[str, ...]) -> list[str]:
    """Complaints about texts compiled for an architecture, on all cores."""
    path = library(TARGETS[arch])
    if path is None:
        return [f"NVRTC {TARGETS[arch]}, which builds for sm_{arch}, is not installed"]
    cores = os.cpu_count() or 1
    parts = [sources[i :: 4 * cores] for i in range(4 * cores)]
    options = (*options, f"-arch=sm_{arch}")
    # the compiler has one lock a process
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_check, str(path), part, options) for part in parts if part]
        return [text for job in jobs for text in job.result()]
