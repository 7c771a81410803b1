"""Which C compiler kernels are compiled with, and why there is none."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass

from neonport import settings

NAMES = ("cc", "gcc", "clang")
NO_COMPILER = (
    "there is no C compiler (cc, gcc, clang); install one, or the wheel of the extra `jit` "
    "(NEONPORT_CC=none keeps this quiet)"
)


@dataclass(frozen=True)
class Choice:
    """A C compiler, or why there is none.

    Attributes:
        command: words of its command line, the first one an absolute path; empty where there is
            none.
        reason: why there is none; empty where there is one.
        declined: whether the user asked for none, so that nobody has to be told.
    """

    command: tuple[str, ...] = ()
    reason: str = ""
    declined: bool = False


def find_compiler() -> Choice:
    """Look for the C compiler: $NEONPORT_CC, cc, gcc, clang, or the one in the `ziglang` wheel.

    NEONPORT_CC is a program, its path, or either with options (`ccache gcc -m64`); "none" turns
    compiling off. What it names is used or nothing: no other compiler takes its place.

    Raises:
        ConfigurationError: a quotation in NEONPORT_CC is not closed.
    """
    chosen = settings.CC.get()
    if chosen == "none":
        return Choice(reason="NEONPORT_CC is none", declined=True)
    if chosen:
        # a path with blanks in it needs no quotes
        words = [chosen] if shutil.which(chosen) else shlex.split(chosen)
        path = shutil.which(words[0])
        if path is None:
            return Choice(reason=f"NEONPORT_CC={chosen!r} cannot be used: {_objection(words[0])}")
        return Choice((os.path.abspath(path), *words[1:]))
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return Choice((os.path.abspath(path),))
    try:
        import ziglang
    except ImportError:
        return Choice(reason=NO_COMPILER)
    folder = os.path.dirname(ziglang.__file__)
    program = os.path.join(folder, "zig.exe" if sys.platform == "win32" else "zig")
    return Choice((program, "cc")) if os.path.exists(program) else Choice(reason=NO_COMPILER)


def _objection(program: str) -> str:
    """Say why a word is not the name of a program."""
    if os.path.dirname(program):
        if os.path.isdir(program):
            return f"{program} is a folder"
        if os.path.exists(program):
            return f"{program} is not executable"
        return f"there is no file {program}"
    return f"no program {program!r} is on the PATH"


def program_identity(command: tuple[str, ...]) -> str:
    """Return a text that changes when a program of a command line does.

    Of `ccache gcc` both programs count: the cache is a wrapper, the compiler writes the code.

    Raises:
        OSError: the first program is gone.
    """
    words = []
    for position, word in enumerate(command):
        found = word if position == 0 else shutil.which(word)
        if found is None:
            words.append(word)
            continue
        program = os.path.realpath(found)
        status = os.stat(program)
        words.append(f"{program} {status.st_size} {status.st_mtime_ns}")
    return " ".join(words)
