"""The run-time compiler: CUDA C++ for the host's own compiler."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import zlib
from pathlib import Path

HEADER = Path(__file__).resolve().parents[4] / "device.h"
FLAGS = (
    "-x", "c++", "-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-march=native", "-fno-builtin",
    "-ffp-contract=off",
)  # fmt: skip
# instructions of the device, and functions of device.h that do the same
INSTRUCTIONS = {
    r'asm\("cvt\.f32\.f16 %0, %1;" : "=f"\((\w+)\) : "h"\((\w+)\)\)': r"\1 = emu_from_half(\2)",
    r'asm\("cvt\.rn\.f16\.f32 %0, %1;" : "=h"\((\w+)\) : "f"\((\w+)\)\)': r"\1 = emu_to_half(\2)",
}
_programs: dict[int, dict] = {}


class NVRTCError(RuntimeError):
    """The text does not compile."""


def getVersion():
    # compiled kernels are cached by it
    return (99, zlib.crc32(HEADER.read_bytes() + repr((FLAGS, INSTRUCTIONS)).encode()))


def getSupportedArchs():
    return (75, 80, 90)


def createProgram(source, name, headers, include_names):
    key = len(_programs) + 1
    _programs[key] = {"source": source, "name": name, "log": ""}
    return key


def destroyProgram(program):
    _programs[program] = {}


def translate(source):
    """Host C++ of a text."""
    for pattern, words in INSTRUCTIONS.items():
        source = re.sub(pattern, words, source)
    names = re.findall(r"^KERNEL\b[^{;]*?\bvoid (\w+)\(", source, re.MULTILINE)
    # the prelude says what a barrier is; any further one is in a kernel or in a macro of one
    fibers = int(source.count("BARRIER()") > 1 or source.count("__syncthreads()") > 1)
    ends = [f"EMU_KERNEL({name}, {fibers})" for name in names]
    return "\n".join([f'#include "{HEADER}"', '#line 1 "kernel.cu"', source, *ends])


def compileProgram(program, options):
    found = _programs[program]
    found["options"] = options
    assert any(o.startswith("-arch=") for o in options)
    assert "--fmad=false" in options
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "kernel.so")
        done = subprocess.run(
            ["g++", *FLAGS, "-o", out, "-"],
            input=translate(found["source"]),
            capture_output=True,
            text=True,
        )
        # in the words of the real compiler
        found["log"] = re.sub(r"kernel\.cu:(\d+):\d+: error", r"kernel.cu(\1): error", done.stderr)
        if done.returncode:
            raise NVRTCError("NVRTC_ERROR_COMPILATION (6)")
        found["image"] = Path(out).read_bytes()


def getCUBIN(program):
    return _programs[program]["image"]


def getPTX(program):
    return _programs[program]["image"]


def getProgramLog(program):
    return _programs[program]["log"]
