"""Running rendered C on the host: code for kernels, and launches bound to addresses."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from neonport.backends.host import threads
from neonport.backends.host.cpu_info import last_level_cache
from neonport.backends.host.jit.choice import find_compiler
from neonport.backends.host.jit.compiler import Compiler
from neonport.compiler.codegen.cpu.buffers import HostVariant
from neonport.compiler.codegen.cpu.dialect import c_dialect
from neonport.compiler.codegen.cpu.task_shape import TaskShape, task_shape
from neonport.compiler.codegen.cpu.writer import HostWriter
from neonport.compiler.kernel import BoundKernel, Kernel
from neonport.engine import c_kernels
from neonport.engine.c_kernels import ArgumentWords, temporaries
from neonport.errors import CompileError
from neonport.foundation.bounded_table import BoundedTable
from neonport.foundation.package_text import package_text
from neonport.tensor.storage import Storage

MAX_CODES = 512  # kernels of a generation
# A kernel needs nothing of what a linker adds to a library, and calls nothing but the math library
# and what the process has of the C library anyway; without the search for more, linking takes half
# as long. Elsewhere a linker may insist, or the compiler may call functions of its own library.
BARE = ("-nostdlib",) if sys.platform == "linux" and sys.maxsize > 1 << 32 else ()
KERNEL_FLAGS = ("-DNEO_KERNEL", *BARE)  # the prelude says what the word means
_running: list[Any] = []  # runtimes: their threads run for as long as the process does


@dataclass(frozen=True)
class Code:
    """Entry addresses of a compiled kernel, with whether each runs in parallel.

    Attributes:
        library: what the addresses are in; it is unloaded when nothing refers to it.
    """

    entries: tuple[tuple[int, bool], ...]
    library: Any = field(repr=False, compare=False)


class HostLaunch(partial[None]):
    """A kernel's entries bound to an argument block; calling it runs them in order.

    It is the runtime's entry point with its argument given, so that a call passes no Python.

    Args:
        run: the runtime's entry point.
        program: launch records.
        arguments: words that the records name.
        keep: what must live as long as the launch (code, temporaries).
    """

    __slots__ = ("keep", "set_numbers", "set_rands")
    keep: Any
    set_numbers: Callable[[Sequence[float]], None]
    set_rands: Callable[[Sequence[tuple[int, int]]], None]

    def __new__(
        cls, run: Any, program: np.ndarray, arguments: ArgumentWords, keep: Any
    ) -> HostLaunch:
        """Bind the entry point to the records."""
        self = super().__new__(cls, run, program.ctypes.data)
        self.set_numbers = arguments.set_numbers
        self.set_rands = arguments.set_rands
        self.keep = (program, keep)
        return self


class BoundProgram(partial[None]):
    """Launches that a call without arguments runs in order.

    Args:
        run: the runtime's entry point.
        program: of `make_program`.
        keep: what must live as long as the call.
    """

    __slots__ = ("keep",)
    keep: Any

    def __new__(cls, run: Any, program: np.ndarray, keep: Any) -> BoundProgram:
        """Bind the entry point to the records."""
        self = super().__new__(cls, run, program.ctypes.data)
        self.keep = (program, keep)
        return self


class HostJit:
    """Compiles kernels with a C compiler and binds them.

    Raises:
        CompileError: the runtime cannot be compiled.
    """

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.dialect = c_dialect()
        source = package_text("neonport.backends.host.jit", "runtime.c")
        runtime = compiler.load(source, ["-pthread"])
        self._runtime = runtime
        # the second one keeps the interpreter's lock: for what is over before another took it
        keeping_the_lock = ctypes.PyDLL(runtime._name, handle=runtime._handle)
        self.run, self.run_briefly = runtime.neo_run, keeping_the_lock.neo_run
        for run in (self.run, self.run_briefly):
            run.argtypes, run.restype = (ctypes.c_void_p,), None
        runtime.neo_set_threads.argtypes = (ctypes.c_int64,)
        threads.on_change(runtime.neo_set_threads)
        _running.append(runtime)
        self._codes: BoundedTable[tuple[Kernel, HostVariant], Code] = BoundedTable(MAX_CODES)

    def load(self, specs: Sequence[BoundKernel]) -> list[Code]:
        """Code of some kernels; those that are new are compiled at the same time."""
        wanted = [(spec.kernel, shape_of(spec).variant) for spec in specs]
        codes = [self._codes.find(w) for w in wanted]
        found = {w: code for w, code in zip(wanted, codes, strict=True) if code is not None}
        if len(found) == len(wanted):
            return list(found.values())
        new = [w for w in dict.fromkeys(wanted) if w not in found]
        writers = [HostWriter(kernel, self.dialect, variant) for kernel, variant in new]
        libraries = self.compiler.load_many([writer.source() for writer in writers], KERNEL_FLAGS)
        for key, writer, library in zip(new, writers, libraries, strict=True):
            entries = tuple(
                (entry_address(getattr(library, name)), parallel)
                for name, parallel in writer.entries()
            )
            found[key] = Code(entries, library)
            self._codes.keep(key, found[key])
        return [found[w] for w in wanted]

    def bind(
        self, code: Code, spec: BoundKernel, places: Sequence[tuple[Storage, int] | None]
    ) -> HostLaunch:
        """A launch; see `Device.bind_kernel`."""
        shape = shape_of(spec)
        scratch = np.empty(shape.scratch, np.float64) if shape.variant.split else None
        address = 0 if scratch is None else scratch.ctypes.data
        arguments = ArgumentWords(spec, shape, places, address)
        entries = [
            (entry, arguments.words, *((shape.tasks, shape.grain) if many else (shape.rows, 0)))
            for entry, many in code.entries
        ]
        program = make_program(entries, turns=all(s.row for s in spec.kernel.stores))
        run = self.run if shape.grain else self.run_briefly
        return HostLaunch(run, program, arguments, (temporaries(places), scratch, code))


def entry_address(function: Any) -> int:
    """Address of a function of a loaded library."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def make_program(
    launches: Sequence[tuple[int, np.ndarray, int, int]], turns: bool = False, even: bool = False
) -> np.ndarray:
    """The parts the runtime runs in order: code address, argument words, tasks, grain of each.

    Args:
        launches: a grain of 0 runs all tasks on the calling thread. The words must outlive it.
        turns: whether tasks are walked up and down in turn. Gains where memory larger than the
            cache is read again; loses where it is written.
        even: whether always `grain` tasks are handed out, instead of many at first. For long tasks:
            a thread that loses its processor then holds up few of them.
    """
    program = np.zeros(1 + 6 * len(launches), np.int64)
    program[0] = len(launches)
    for i, (address, words, tasks, grain) in enumerate(launches):
        program[1 + 6 * i : 7 + 6 * i] = (address, words.ctypes.data, tasks, grain, turns, even)
    return program


def shape_of(spec: BoundKernel) -> TaskShape:
    """Tasks of a bound kernel."""
    return task_shape(spec.kernel, spec.sizes, last_level_cache())


def render_c(spec: BoundKernel, prelude: bool = False) -> str:
    """The C of a kernel, with or without the prelude; needs no compiler."""
    return c_kernels.render_c(spec, c_dialect(), prelude, last_level_cache())


class _Shared:
    """What the process knows about its JIT.

    Attributes:
        known: whether it was looked for.
        jit: it, if it works.
        reason: why there is none.
    """

    def __init__(self) -> None:
        self.known = False
        self.jit: HostJit | None = None
        self.reason = ""
        self.lock = threading.RLock()


_shared = _Shared()


def shared_jit() -> HostJit | None:
    """The JIT of the process; None where there is no compiler that works.

    It is looked for once: other threads wait, an interrupt changes nothing. What is wrong is said
    by one warning, except where the user asked for no compiler.

    Raises:
        ConfigurationError: NEONPORT_CC or NEONPORT_COMPILE_TIMEOUT cannot be read.
    """
    if not _shared.known:
        with _shared.lock:
            if not _shared.known:
                _look_for_compiler()
    jit = _shared.jit
    return None if jit is None or jit.compiler.failed else jit


def why_numpy() -> str:
    """Why `shared_jit` gives none; empty where it gives one."""
    jit = _shared.jit
    return _shared.reason if jit is None else jit.compiler.failed


def _look_for_compiler() -> None:
    choice = find_compiler()
    jit, reason = None, choice.reason
    if choice.command:
        try:
            jit = HostJit(Compiler(choice.command, c_dialect().prelude))
        except CompileError as error:
            reason = str(error)
    _shared.jit, _shared.reason = jit, reason
    _shared.known = True
    if reason and not choice.declined:
        warnings.warn(
            f"kernels are not compiled, NumPy runs instead (slower, same results): {reason}",
            RuntimeWarning,
            stacklevel=5,
        )


def _after_fork_in_child() -> None:
    _shared.lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
