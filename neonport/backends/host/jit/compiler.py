"""Finding a C compiler and turning text into loaded libraries, with a cache on disk."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from neonport import settings
from neonport.backends.host.cpu_info import cpu_identity
from neonport.errors import CompileError
from neonport.io.cache_dir import atomic_write_bytes, cache_dir

TIMEOUT = 120.0  # seconds one kernel may take to compile

# No -ffast-math: nan, infinity and the order of additions keep their meaning. The flags below only
# drop errno, floating-point traps and contraction into fused operations behind the text's back.
FLAGS = (
    "-O3", "-shared", "-fPIC", "-std=gnu11", "-w", "-fopenmp-simd", "-fno-math-errno",
    "-fno-trapping-math", "-ffp-contract=off",
)  # fmt: skip


def find_compiler() -> list[str] | None:
    """Command of the C compiler: $NEONPORT_CC, cc, gcc, clang, or the one in the `ziglang` wheel.

    NEONPORT_CC may be "none": then kernels are not compiled.
    """
    chosen = settings.CC.get()
    if chosen:
        path = None if chosen == "none" else shutil.which(chosen)
        return [path] if path else None
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            return [path]
    try:
        import ziglang
    except ImportError:
        return None
    folder = os.path.dirname(ziglang.__file__)
    program = os.path.join(folder, "zig.exe" if sys.platform == "win32" else "zig")
    return [program, "cc"] if os.path.exists(program) else None


class Compiler:
    """Compiles C and keeps the libraries on disk.

    An entry is two files: the library, and the SHA-256 of it; an entry that does not match is made
    again.

    Args:
        command: words of the compiler's command line.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self.compiled = 0  # compilations of this process, for tests and for `explain`
        self._loaded: dict[str, ctypes.CDLL] = {}
        self._lock = threading.Lock()

    @cached_property
    def identity(self) -> str:
        """Key of the machine code besides its text: compiler and processor."""
        program = os.path.realpath(self.command[0])
        status = os.stat(program)
        return f"{program} {status.st_size} {status.st_mtime_ns} {cpu_identity()} {self.flags}"

    @property
    def flags(self) -> list[str]:
        """Flags of every compilation."""
        native = "-mcpu=native" if os.uname().machine == "aarch64" else "-march=native"
        return [*FLAGS, native]

    def load_many(self, sources: Sequence[str], extra: Sequence[str] = ()) -> list[ctypes.CDLL]:
        """Libraries of some texts; those not cached are compiled at the same time.

        Raises:
            CompileError: with the compiler's own words.
        """
        missing = [s for s in dict.fromkeys(sources) if self._key(s, extra) not in self._loaded]
        if len(missing) > 1:
            with ThreadPoolExecutor(min(len(missing), os.cpu_count() or 1)) as pool:
                list(pool.map(lambda s: self.load(s, extra), missing))
        return [self.load(source, extra) for source in sources]

    def load(self, source: str, extra: Sequence[str] = ()) -> ctypes.CDLL:
        """The library of a text, from memory, disk or the compiler."""
        key = self._key(source, extra)
        library = self._loaded.get(key)
        if library is None:
            path = cache_dir() / "jit" / f"{key}.so"
            library = self._open(path)
            if library is None:
                self._compile(source, path, extra)
                library = self._open(path)
            if library is None:
                raise CompileError(f"the compiled kernel {path} cannot be loaded")
            with self._lock:
                library = self._loaded.setdefault(key, library)
        return library

    def _key(self, source: str, extra: Sequence[str]) -> str:
        words = f"{self.identity} {list(extra)}\n{source}"
        return hashlib.sha256(words.encode()).hexdigest()[:40]

    def _open(self, path: Path) -> ctypes.CDLL | None:
        try:
            code = path.read_bytes()
            digest = path.with_suffix(".sha256").read_text()
        except (OSError, UnicodeDecodeError):
            return None
        if hashlib.sha256(code).hexdigest() != digest.strip():
            return None
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            return None

    def _compile(self, source: str, path: Path, extra: Sequence[str]) -> None:
        """Compile into the cache; the library appears complete, its checksum after it."""
        try:
            with tempfile.TemporaryDirectory(prefix="neonport-cc-") as folder:
                text, out = Path(folder, "kernel.c"), Path(folder, "kernel.so")
                text.write_text(source)
                command = [*self.command, *self.flags, *extra, "-o", str(out), str(text), "-lm"]
                self._run(command, source)
                code = out.read_bytes()
            atomic_write_bytes(path, code)
            digest = hashlib.sha256(code).hexdigest()
            atomic_write_bytes(path.with_suffix(".sha256"), digest.encode())
        except OSError as error:
            raise CompileError(f"a kernel could not be written or compiled: {error}") from error
        self.compiled += 1

    def _run(self, command: list[str], source: str) -> None:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CompileError(f"{self.command[0]} did not finish in {TIMEOUT:.0f} s") from error
        if done.returncode:
            said = done.stderr.strip()[-2000:]
            raise CompileError(
                f"{' '.join(self.command)} failed with exit code {done.returncode}:\n{said}"
            )
