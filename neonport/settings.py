"""The environment variables of neonport: name, parser, default, allowed values and meaning of each.

Modules ask `settings.TUNE.get()` when they need the value, so a variable that is set later counts.
`neonport doctor` lists what is set; the table in `docs/how-to/environment-variables.md` is tested
against the rows.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from neonport.errors import ConfigurationError

T = TypeVar("T")
PREFIX = "NEONPORT_"


@dataclass(frozen=True)
class Setting(Generic[T]):
    """An environment variable.

    Attributes:
        name: the variable.
        parse: makes the value from the text, which is not empty; raises ValueError for a wrong one.
        default: the value when the variable is not set or empty.
        allowed: the values one may write, for people.
        usual: the default, for people.
        meaning: what it does, in one line of Markdown.
        page: the page and heading under `docs/` that says more; may be empty.

    Example:
        >>> settings.NUM_THREADS.get({"NEONPORT_NUM_THREADS": "4"})
        4
    """

    name: str
    parse: Callable[[str], T]
    default: T
    allowed: str
    usual: str
    meaning: str
    page: str = ""

    def text(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the text of the variable without outer blanks; empty when it is not set."""
        return environ.get(self.name, "").strip()

    def get(self, environ: Mapping[str, str] = os.environ) -> T:
        """Return the value.

        Args:
            environ: where the variable is looked up.

        Raises:
            ConfigurationError: the text is not one of the allowed values.
        """
        text = self.text(environ)
        if not text:
            return self.default
        try:
            return self.parse(text)
        except ValueError as error:
            raise ConfigurationError(
                f"{self.name}={text!r} is not allowed; use {self.allowed}, or unset it "
                f"(default: {self.usual})"
            ) from error


def _flag(text: str) -> bool:
    """Parse a switch."""
    word = text.lower()
    if word in ("1", "yes", "on", "true"):
        return True
    if word in ("0", "no", "off", "false"):
        return False
    raise ValueError(text)


def _positive(text: str) -> int:
    """Parse a positive integer."""
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _limit(text: str) -> int:
    """Parse an integer that is not negative."""
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def _seconds(text: str) -> float:
    """Parse a duration: more than 0, and as long as one may wait."""
    seconds = float(text)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise ValueError(text)
    return seconds


def _command(text: str) -> str:
    """Check a command line: every quotation is closed."""
    if not shlex.split(text):
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    """Parse names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _pattern(pattern: str) -> Callable[[str], str]:
    """Return a parser of text that matches a regular expression as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text, re.IGNORECASE):
            raise ValueError(text)
        return text

    return parse


BACKEND = Setting(
    "NEONPORT_BACKEND", str, "cpu", "a name that `neonport doctor` lists", "`cpu`",
    "the backend that `gen_backend()` makes when none is named",
)  # fmt: skip
BLOCK: Setting[tuple[str, ...]] = Setting(
    "NEONPORT_BLOCK", _names, (), "names with commas between", "none",
    "leave out these backends, entry points or distributions",
)  # fmt: skip
DISABLE_PLUGINS = Setting(
    "NEONPORT_DISABLE_PLUGINS", _flag, False, "`0` or `1`", "`0`",
    "`1`: built-in backends only; nothing is scanned",
)  # fmt: skip
TRACE_PLUGINS = Setting(
    "NEONPORT_TRACE_PLUGINS", _flag, False, "`0` or `1`", "`0`",
    "`1`: write to stderr what is found, imported and called",
)  # fmt: skip
PLUGIN_TIMEOUT = Setting(
    "NEONPORT_PLUGIN_TIMEOUT", _seconds, 30.0, "seconds, more than 0", "`30`",
    "how long `neonport doctor` waits for a plugin; then it is ended and named",
)  # fmt: skip
NUM_THREADS: Setting[int | None] = Setting(
    "NEONPORT_NUM_THREADS", _positive, None, "a positive integer",
    "every core the process may use, within its quota of processor time",
    "threads of the cpu backend: fused kernels, convolutions and matrix products",
)  # fmt: skip
CC = Setting(
    "NEONPORT_CC", _command, "", "a program or its path, with options if need be, or `none`",
    "`cc`, `gcc`, `clang`, or the one of the extra `jit`",
    "the C compiler of fused kernels; `none`: compile nothing, use NumPy",
    "see-what-runs.md#watch-a-program-run",
)  # fmt: skip
COMPILE_TIMEOUT = Setting(
    "NEONPORT_COMPILE_TIMEOUT", _seconds, 120.0, "seconds, more than 0", "`120`",
    "how long the C compiler may take for a kernel; then it is ended and NumPy goes on",
)  # fmt: skip
BLAS = Setting(
    "NEONPORT_BLAS", _pattern(r"auto|numpy|openblas(:\w+)?"), "auto",
    "`auto`, `numpy`, `openblas` or `openblas:CORE`", "`auto`",
    "the library of matrix products on the host; `auto` goes by what is installed and by the CPU",
    "../explanation/compiler.md#matrix-products-of-the-cpu-backend",
)  # fmt: skip
OPENCL_DEVICE = Setting(
    "NEONPORT_OPENCL_DEVICE", _pattern(r"[^:]*(:\d*)?"), "",
    "a part of a platform's name (`pocl`), or one with a number (`pocl:0`)", "every device",
    "the OpenCL devices that are used",
    "use-opencl.md#choose-a-device",
)  # fmt: skip
OPENCL_SHARED = Setting(
    "NEONPORT_OPENCL_SHARED", _flag, True, "`0` or `1`", "`1`",
    "`0`: treat the memory of OpenCL devices as out of the host's reach, where it is not",
)  # fmt: skip
OPENCL_CLBLAST: Setting[bool | None] = Setting(
    "NEONPORT_OPENCL_CLBLAST", _flag, None, "`0` or `1`", "where it is measured to be faster",
    "`0`: never give products of OpenCL devices to CLBlast; `1`: always, where it has them",
    "use-opencl.md#matrix-products",
)  # fmt: skip
OPENCL_AFFINITY = Setting(
    "NEONPORT_OPENCL_AFFINITY", _flag, True, "`0` or `1`", "`1`",
    "`0`: leave the threads of Intel's OpenCL runtime where the system puts them",
    "../explanation/compiler.md#opencl-on-a-processor",
)  # fmt: skip
TF32 = Setting(
    "NEONPORT_TF32", _flag, False, "`0` or `1`", "`0`",
    "`1`: matrix products of float32 on `cuda` may use the TF32 units",
    "use-cuda.md#tf32",
)  # fmt: skip
CACHE_DIR = Setting(
    "NEONPORT_CACHE_DIR", str, "", "a folder that only you can write",
    "the user's cache folder of the system",
    "where compiled code and measurements are kept",
)  # fmt: skip
CACHE_SIZE = Setting(
    "NEONPORT_CACHE_SIZE", _limit, 1024, "MiB, `0` for no limit", "`1024`",
    "how much compiled code is kept; beyond it, what was not used for the longest time goes",
)  # fmt: skip
TRACE = Setting(
    "NEONPORT_TRACE", _flag, False, "`0` or `1`", "`0`",
    "`1`: write a line to stderr for each kernel and call that runs: its sizes, time and rate",
)  # fmt: skip
CHECK = Setting(
    "NEONPORT_CHECK",
    _pattern(r"none|[a-z][\w-]*(:\d+)?:[\d.]+(e-?\d+)?(:whole)?(:(warn|raise))?"), "",
    "`BACKEND:RATE` or `BACKEND:DEVICE:RATE`, with `:whole`, `:warn` or `:raise` behind",
    "no checks",
    "run this share of all statements on a second backend too, and compare (`cpu:0.01`)",
    "check-a-backend.md#what-is-compared",
)  # fmt: skip
CHECK_SAVE = Setting(
    "NEONPORT_CHECK_SAVE", str, "", "a folder", "nothing is saved",
    "where `NEONPORT_CHECK` and `fit(check=...)` save the inputs of a wrong statement, with a "
    "script that runs it again",
    "check-a-backend.md#look-at-it-again",
)  # fmt: skip
TUNE = Setting(
    "NEONPORT_TUNE", _flag, True, "`0` or `1`", "`1`",
    "`0`: measure no matrix products on a device; default tiles are used, and CLBlast only where "
    "it is asked for",
)  # fmt: skip
DEBUG = Setting(
    "NEONPORT_DEBUG", _flag, False, "`0` or `1`", "`0`",
    "`1`: the command `neonport` shows the traceback of an error",
)  # fmt: skip

SETTINGS = tuple(row for row in tuple(vars().values()) if isinstance(row, Setting))
"""Every variable, in the order of the documentation."""


def complaints(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Say what is wrong with the variables that are set, by name; empty text where nothing is.

    Args:
        environ: where the variables are looked up; names that begin with `NEONPORT_` and are not
            settings are listed too.
    """
    known = {setting.name: setting for setting in SETTINGS}
    found = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        found[name] = "" if name in known else "neonport has no setting of this name"
        if name in known:
            try:
                known[name].get(environ)
            except ConfigurationError as error:
                found[name] = str(error)
    return found
