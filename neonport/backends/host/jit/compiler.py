"""Turning C text into loaded libraries, with a cache on disk."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import itertools
import os
import platform
import secrets
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import Any

from neonport import settings
from neonport.backends.host.cpu_info import cpu_identity
from neonport.backends.host.jit.choice import program_identity
from neonport.backends.host.jit.processes import EndedError, Processes, TimeLimitError
from neonport.compiler.codegen.cpu.sections import Sections
from neonport.errors import CompileError
from neonport.foundation.bounded_table import BoundedTable
from neonport.io.cache_dir import cache_folder, read_checked, temporary_folder, write_checked
from neonport.io.private_folder import PrivateFolder, sweep_temporary
from neonport.io.shared_library import load_shared_library

try:
    from _ctypes import dlclose
except ImportError:  # Windows
    dlclose = None  # type: ignore[assignment]

# No -ffast-math: nan, infinity and the order of additions keep their meaning. The flags below only
# drop errno, floating-point traps and contraction into fused operations behind the text's back.
FLAGS = (
    "-O3", "-shared", "-fPIC", "-std=gnu11", "-w", "-fopenmp-simd", "-fno-math-errno",
    "-fno-trapping-math", "-ffp-contract=off",
)  # fmt: skip
FOLDER = "jit"  # of the cache
MAX_LOADED = 512  # libraries of a generation; those in use are not unloaded
SAID = 2000  # characters of the compiler's words that an error repeats


class Compiler:
    """Compiles C and keeps the libraries on disk.

    An entry has the SHA-256 of the library; one that does not match is made again. Threads that
    want the same library wait for the one that came first; an interrupt leaves everything as if
    nothing had been asked.

    Args:
        command: words of the compiler's command line.
        prelude: how many of the texts begin; it is hashed once, and the compiler gets what of it
            a text needs.

    Attributes:
        compiled: compilations of this process, for tests and for `explain`.
        failed: why nothing is compiled any more: the compiler hung once. Empty where it did not;
            cached libraries are loaded anyway.
    """

    def __init__(self, command: Sequence[str], prelude: str = "") -> None:
        self.command = tuple(command)
        self.prelude = prelude
        self.compiled = 0
        self.failed = ""
        self._loaded: BoundedTable[str, ctypes.CDLL] = BoundedTable(MAX_LOADED)
        self._after_fork()
        _compilers.add(self)

    def _after_fork(self) -> None:
        """Make anew what threads of a parent may have held."""
        self._making: dict[str, Future[ctypes.CDLL]] = {}
        self._lock = threading.Lock()

    @cached_property
    def identity(self) -> str:
        """Key of the machine code besides its text: compiler and processor."""
        return f"{program_identity(self.command)} {cpu_identity()} {self.flags}"

    @property
    def flags(self) -> list[str]:
        """Flags of every compilation."""
        native = "-mcpu=native" if platform.machine() == "aarch64" else "-march=native"
        return [*FLAGS, native]

    def load_many(self, sources: Sequence[str], extra: Sequence[str] = ()) -> list[ctypes.CDLL]:
        """Libraries of some texts; those not cached are compiled at the same time.

        Raises:
            CompileError: with the compiler's own words.
        """
        keys = {source: self._key(source, extra) for source in sources}
        missing = [source for source, key in keys.items() if not self._loaded.holds(key)]
        if len(missing) > 1:
            from concurrent.futures import ThreadPoolExecutor  # not needed where all is cached

            processes = Processes()
            pool = ThreadPoolExecutor(min(len(missing), os.cpu_count() or 1))
            try:
                for made in [pool.submit(self._get, keys[s], s, extra, processes) for s in missing]:
                    made.result()
            except BaseException:
                processes.end()
                raise
            finally:
                pool.shutdown(cancel_futures=True)
        return [self._get(keys[source], source, extra) for source in sources]

    def load(
        self, source: str, extra: Sequence[str] = (), processes: Processes | None = None
    ) -> ctypes.CDLL:
        """The library of a text, from memory, disk or the compiler.

        Args:
            source: C.
            extra: flags besides those of every compilation.
            processes: where the compiler runs; who has it can end it.

        Raises:
            CompileError: with the compiler's own words.
        """
        return self._get(self._key(source, extra), source, extra, processes)

    def _get(
        self, key: str, source: str, extra: Sequence[str], processes: Processes | None = None
    ) -> ctypes.CDLL:
        while True:
            first = mine = Future[ctypes.CDLL]()
            library = None
            try:
                with self._lock:
                    library = self._loaded.find(key)
                    if library is None:
                        first = self._making.setdefault(key, mine)
                if library is None and first is mine:
                    library = self._make(key, source, extra, processes)
            except CompileError as error:
                mine.set_exception(error)
                raise
            finally:
                # whatever went wrong: who waits must go on, and the next one begin anew
                with self._lock:
                    if self._making.get(key) is mine:
                        del self._making[key]
                if library is not None:
                    mine.set_result(library)
                elif not mine.done():
                    mine.set_exception(EndedError())
            if library is not None:
                return library
            try:
                return first.result()
            except EndedError:
                continue  # it was interrupted; now it is this thread's turn

    def _make(
        self, key: str, source: str, extra: Sequence[str], processes: Processes | None
    ) -> ctypes.CDLL:
        entry = f"{key}.bin"
        code = read_checked(FOLDER, entry)
        library = None if code is None else _load(code)
        if library is None or isinstance(library, OSError):
            code = self._compile(source, extra, processes or Processes())
            write_checked(FOLDER, entry, code)  # if it cannot be kept, it serves this process
            library = _load(code)
        if isinstance(library, OSError):
            raise CompileError(f"a compiled kernel cannot be loaded: {library}") from library
        with self._lock:
            self._loaded.keep(key, library)
        return library

    def _key(self, source: str, extra: Sequence[str]) -> str:
        try:
            hashed = self._hashed_prelude.copy()
        except OSError as error:
            raise CompileError(f"the compiler is gone: {error}") from error
        rest = self._behind_prelude(source)
        known = rest is not None
        hashed.update(f"{known} {list(extra)}\n{rest if known else source}".encode())
        return hashed.hexdigest()[:40]

    def _behind_prelude(self, source: str) -> str | None:
        """What follows the prelude; None where the text does not begin with it."""
        known = source.startswith(self.prelude)
        return source[len(self.prelude) :] if known else None

    @cached_property
    def _hashed_prelude(self) -> Any:
        return hashlib.sha256(f"{self.identity}\n{self.prelude}".encode())

    @cached_property
    def _sections(self) -> Sections:
        return Sections(self.prelude)

    def _compile(self, source: str, extra: Sequence[str], processes: Processes) -> bytes:
        """Return the code of a library."""
        if self.failed:
            raise CompileError(self.failed)
        rest = self._behind_prelude(source)
        if rest is not None:
            source = self._sections.needed_by(rest) + rest
        try:
            _sweep_once()
            folder = PrivateFolder.temporary()
            try:
                folder.create("kernel.c", source.encode())
                text, out = (str(folder.path / name) for name in ("kernel.c", "kernel.so"))
                command = [*self.command, *self.flags, *extra, "-o", out, text, "-lm"]
                # the compiler's own temporary files go with the folder
                self._run(command, {**os.environ, "TMPDIR": str(folder.path)}, processes)
                code = folder.read("kernel.so")
            finally:
                folder.discard()
        except OSError as error:
            raise CompileError(f"a kernel could not be written or compiled: {error}") from error
        self.compiled += 1
        return code

    def _run(self, command: list[str], environ: dict[str, str], processes: Processes) -> None:
        words, limit = " ".join(self.command), settings.COMPILE_TIMEOUT.get()
        try:
            status, said = processes.run(command, limit, environ)
        except TimeLimitError as error:
            self.failed = (
                f"{words} did not finish a kernel in {limit:g} s, and was ended with all that it "
                "started; NEONPORT_COMPILE_TIMEOUT is the number of seconds that it may take"
            )
            raise CompileError(self.failed) from error
        if status:
            how = f"failed with exit code {status}" if status > 0 else f"died of signal {-status}"
            raise CompileError(f"{words} {how}:\n{said.strip()[-SAID:]}")


def _load(code: bytes) -> ctypes.CDLL | OSError:
    """Load a library from its bytes, or say why it cannot be.

    What is mapped is a copy without a name: whatever happens to the entry on disk afterwards,
    cutting it short above all, does not reach the process. The copy is a file in memory. Where the
    system has none, or runs no code from it, it lies in the cache, or else in the folder of
    temporary files, from which programs need not be allowed to run.
    """
    trouble = OSError("no way to load code")
    for way in (_from_memory, _from(cache_folder), _from(temporary_folder)):
        try:
            library = way(code)
        except OSError as error:
            trouble = error
        else:
            if dlclose is not None:
                weakref.finalize(library, dlclose, library._handle).atexit = False
            return library
    return trouble


def _from_memory(code: bytes) -> ctypes.CDLL:
    if not hasattr(os, "memfd_create") or not os.path.isdir("/proc/self/fd"):
        raise OSError("the system has no files in memory")
    descriptor = os.memfd_create("neonport")
    try:
        rest = memoryview(code)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        # The loader takes equal paths for the same library, and numbers of files come back. So
        # each path is spelled in a way of its own: the binary digits of a counter, "/." for a one.
        digits = "".join("/." if digit == "1" else "/" for digit in f"{next(_serial):b}")
        return load_shared_library(f"/proc/self/fd{digits}/{descriptor}")
    finally:
        os.close(descriptor)


def _from(opened: Callable[[str], PrivateFolder]) -> Callable[[bytes], ctypes.CDLL]:
    """A way to load code that goes by a folder."""

    def load(code: bytes) -> ctypes.CDLL:
        name = f".{secrets.token_hex(8)}.so"
        with opened(FOLDER) as folder:
            folder.create(name, code)
            try:
                return load_shared_library(folder.location(name))
            finally:
                folder.remove(name)

    return load


_serial = itertools.count(1)


@functools.lru_cache(maxsize=1)
def _sweep_once() -> None:
    sweep_temporary()


_compilers: weakref.WeakSet[Compiler] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for compiler in _compilers:
        compiler._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
