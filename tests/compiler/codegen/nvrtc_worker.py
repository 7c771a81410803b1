"""NVIDIA's compiler in a process of its own: a text a line in, what is wrong with it out.

    python nvrtc_worker.py LIBRARY

A line is JSON: the source, the options, and names that the machine code must bear. So is an
answer: a string, empty if the text compiles, and the instructions of its PTX. The file imports
nothing of neonport, so that it runs from anywhere.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

INSTRUCTION = re.compile(rb"^\s*(?:\{\s*)?(?:@!?%\w+\s+)?(\w[\w.:]*)[\s;]", re.MULTILINE)


class Compiler:
    """The compiler, without CuPy and without a device.

    Args:
        path: its library.
    """

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)

    def compile(self, source: str, options: list[str], names: list[str]) -> tuple[str, list[str]]:
        """What is wrong with a text, and the instructions of its PTX.

        Nothing ("") is wrong if it compiles with these names: to machine code where the option
        `-arch` names a machine (sm_80), else to PTX.
        """
        machine = any(option.startswith("-arch=sm_") for option in options)
        with self._program(source, options) as (program, complaint):
            if complaint:
                return complaint, []
            ptx = self._read(program, "PTX")
            code = self._read(program, "CUBIN") if machine else ptx
            missing = [name for name in names if name.encode() not in code]
            if missing or not code:
                return f"not in the {'machine code' if machine else 'PTX'}: {missing}", []
            found = set(INSTRUCTION.findall(ptx))
            return "", sorted(word.decode() for word in found)

    def ptx(self, source: str, options: list[str]) -> str:
        """What a text becomes before it is machine code.

        Raises:
            ValueError: if it does not compile.
        """
        with self._program(source, options) as (program, complaint):
            if complaint:
                raise ValueError(complaint)
            return self._read(program, "PTX").rstrip(b"\0").decode()

    @contextmanager
    def _program(self, source: str, options: list[str]) -> Iterator[tuple[ctypes.c_void_p, str]]:
        """A compiled program, and what is wrong with it."""
        program = ctypes.c_void_p()
        make = self._library.nvrtcCreateProgram
        if make(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None):
            raise RuntimeError("no program was made")
        try:
            words = [o.encode() for o in options]
            table = (ctypes.c_char_p * len(words))(*words)
            status = self._library.nvrtcCompileProgram(program, len(words), table)
            log = self._read(program, "ProgramLog").rstrip(b"\0").decode() if status else ""
            yield program, log or (f"status {status}" if status else "")
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        found = ctypes.create_string_buffer(size.value)
        getattr(self._library, f"nvrtcGet{what}")(program, found)
        return found.raw


def main() -> None:
    """Answer until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints is no answer
    compiler = Compiler(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(compiler.compile(*json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
