"""NVIDIA's compiler in a process of its own: a text a line in, what is wrong with it out.

    python nvrtc_worker.py LIBRARY

A line is JSON: the source, the options, and names that the machine code must bear. So is an
answer: a string, empty if the text compiles. The file imports nothing of neonport, so that it runs
from anywhere.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys


class Compiler:
    """The compiler, without CuPy and without a device.

    Args:
        path: its library.
    """

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)

    def complaint(self, source: str, options: list[str], names: list[str]) -> str:
        """What is wrong with a text; empty if it compiles to machine code with these names."""
        program = ctypes.c_void_p()
        make = self._library.nvrtcCreateProgram
        if make(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None):
            return "no program was made"
        try:
            words = [o.encode() for o in options]
            table = (ctypes.c_char_p * len(words))(*words)
            status = self._library.nvrtcCompileProgram(program, len(words), table)
            if status:
                log = self._read(program, "ProgramLog")
                return log.rstrip(b"\0").decode() or f"status {status}"
            code = self._read(program, "CUBIN")
            missing = [name for name in names if name.encode() not in code]
            return f"not in the machine code: {missing}" if missing or not code else ""
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
        print(json.dumps(compiler.complaint(*json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
