"""Running rendered C on the host: code for kernels, and launches bound to addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from math import prod
from struct import Struct
from typing import Any

import numpy as np

from neonport.backends.host import threads
from neonport.backends.host.cpu_info import last_level_cache
from neonport.backends.host.jit.compiler import Compiler, find_compiler
from neonport.backends.host.jit.dialect import c_dialect
from neonport.compiler.codegen.cpu.buffers import KEPT_LENGTH, KEPT_ROWS, Variant
from neonport.compiler.codegen.cpu.reductions import scratch_words
from neonport.compiler.codegen.cpu.transposed_loads import TURN_ROWS
from neonport.compiler.codegen.cpu.values import COLUMNS
from neonport.compiler.codegen.cpu.writer import HostWriter
from neonport.compiler.codegen.dialect import Arguments
from neonport.compiler.codegen.reuse import kept, streamable, turned
from neonport.compiler.kernel import BoundKernel, Kernel
from neonport.tensor.storage import Storage

SPLIT_ROWS = 16  # fewer rows than this are cut into chunks, if they are long
SPLIT_LENGTH = 1 << 13, 1 << 15  # folded elements of a chunk: where there are few chunks, or many
SPLIT_FEW = 16  # chunks
MAX_CHUNKS = 256
MAP_LENGTH = 1 << 12, 1 << 14  # the same of a kernel without reductions
MAP_FEW = 256
EVEN = 8  # chunks come in multiples of it: as many for each of 2, 4 or 8 threads
SERIAL_WORK = 1 << 15  # elements below which waking other threads costs more than it gains
TURNED_WORK = 1 << 12  # elements of a kernel from which on tiles are worth their buffers
TURNED_SIDE = 8  # rows and columns, at least
TASK_WORK = 1 << 12  # elements handed to a thread at a time, at least


@dataclass(frozen=True)
class Code:
    """Entry addresses of a compiled kernel, with whether each runs in parallel."""

    entries: tuple[tuple[int, bool], ...]


class HostLaunch(partial[None]):
    """A kernel's entries bound to an argument block; calling it runs them in order.

    It is the runtime's entry point with its argument given, so that a call passes no Python.

    Args:
        run: the runtime's entry point.
        program: launch records.
        words: argument words, 8 bytes each.
        arguments: order of the words.
        keep: what must live as long as the launch (code, temporaries).
    """

    __slots__ = ("_numbers", "_pack", "_program", "_rands", "_words", "keep")
    _numbers: int
    _pack: Callable[..., None]
    _program: np.ndarray
    _rands: int
    _words: np.ndarray
    keep: Any

    def __new__(
        cls, run: Any, program: np.ndarray, words: np.ndarray, arguments: Arguments, keep: Any
    ) -> HostLaunch:
        """Bind the entry point to the records."""
        self = super().__new__(cls, run, program.ctypes.data)
        self._program = program
        self._words = words
        self._pack = Struct(f"{arguments.kernel.scalars}d").pack_into
        self._numbers = 8 * arguments.scalars
        self._rands = arguments.rands
        self.keep = keep
        return self

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        self._pack(self._words.data, self._numbers, *numbers)

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        for i, (key, offset) in enumerate(sources):
            self._words[self._rands + 2 * i] = key
            self._words[self._rands + 2 * i + 1] = offset


class HostJit:
    """Compiles kernels with a C compiler and binds them.

    Raises:
        CompileError: the runtime cannot be compiled.
    """

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.dialect = c_dialect()
        source = files("neonport.backends.host.jit").joinpath("runtime.c").read_text()
        runtime = compiler.load(source, ["-pthread"])
        self._runtime = runtime
        self.run, self._run_briefly = runtime.neo_run, ctypes.PyDLL(runtime._name).neo_run
        for run in (self.run, self._run_briefly):
            run.argtypes, run.restype = (ctypes.c_void_p,), None
        runtime.neo_set_threads.argtypes = (ctypes.c_int64,)
        threads.on_change(runtime.neo_set_threads)
        self._codes: dict[tuple[Kernel, Variant], Code] = {}

    def load(self, specs: Sequence[BoundKernel]) -> list[Code]:
        """Code of some kernels; those that are new are compiled at the same time."""
        wanted = [(spec.kernel, shape_of(spec).variant) for spec in specs]
        new = list(dict.fromkeys(w for w in wanted if w not in self._codes))
        writers = [HostWriter(kernel, self.dialect) for kernel, _ in new]
        sources = [w.source(variant) for w, (_, variant) in zip(writers, new, strict=True)]
        libraries = self.compiler.load_many(sources)
        for key, writer, library in zip(new, writers, libraries, strict=True):
            entries = tuple(
                (ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0, parallel)
                for name, parallel in writer.entries()
            )
            self._codes[key] = Code(entries)
        return [self._codes[w] for w in wanted]

    def bind(
        self, code: Code, spec: BoundKernel, places: Sequence[tuple[Storage, int] | None]
    ) -> HostLaunch:
        """A launch; see `Device.bind_kernel`."""
        arguments = Arguments(spec.kernel)
        shape = shape_of(spec)
        words = np.zeros(arguments.count, np.uint64)
        signed = words.view(np.int64)
        signed[: len(spec.sizes)] = spec.sizes
        keep: list[Any] = [p[0] for p in places if p is not None and p[0].space == "arena"]
        scratch = np.empty(shape.scratch, np.float64) if shape.variant.split else None
        first = arguments.chunks
        signed[first : first + 3] = (
            shape.chunks, shape.chunk, 0 if scratch is None else scratch.ctypes.data
        )  # fmt: skip
        for i, place in enumerate(places):
            if place is not None:
                signed[arguments.address(i)] = place[0].address + place[1]
        for i, axis in arguments.strides:
            signed[arguments.stride(i, axis)] = spec.strides[i][axis]
        entries = [
            (address, words, *((shape.tasks, shape.grain) if parallel else (shape.rows, 0)))
            for address, parallel in code.entries
        ]
        program = make_program(entries, turns=all(s.row for s in spec.kernel.stores))
        # what is over before another thread could take over keeps the interpreter's lock
        run = self.run if shape.grain else self._run_briefly
        return HostLaunch(run, program, words, arguments, (keep, scratch, code))


def make_program(
    launches: Sequence[tuple[int, np.ndarray, int, int]], turns: bool = False
) -> np.ndarray:
    """The parts the runtime runs in order: code address, argument words, tasks, grain of each.

    Args:
        launches: a grain of 0 runs all tasks on the calling thread. The words must outlive it.
        turns: whether tasks are walked up and down in turn. Gains where memory larger than the
            cache is read again; loses where it is written.
    """
    program = np.zeros(1 + 5 * len(launches), np.int64)
    program[0] = len(launches)
    for i, (address, words, tasks, grain) in enumerate(launches):
        program[1 + 5 * i : 6 + 5 * i] = (address, words.ctypes.data, tasks, grain, turns)
    return program


@dataclass(frozen=True)
class TaskShape:
    """How a kernel is cut into tasks; depends on sizes only, never on the number of threads."""

    variant: Variant
    rows: int
    chunks: int
    chunk: int
    tasks: int
    grain: int
    scratch: int


@lru_cache(maxsize=4096)
def task_shape(kernel: Kernel, sizes: tuple[int, ...]) -> TaskShape:
    """Cut a kernel of some sizes into tasks."""
    folded = [n for n, f in zip(sizes, kernel.axes, strict=True) if f]
    columns = sizes[-1] if kernel.column else 1
    outer = [n for n, f in zip(sizes, kernel.axes, strict=True) if not f]
    rows = prod(outer) // (columns if kernel.column else 1)
    blocks = -(-columns // COLUMNS) if kernel.column else 1
    length = prod(folded)
    chunks = 1
    if not kernel.reductions:
        if length >= SERIAL_WORK:
            chunks = _even(length, MAP_LENGTH, MAP_FEW)
    elif rows * blocks < SPLIT_ROWS and length * min(columns, COLUMNS) >= SERIAL_WORK:
        work = length * min(columns, COLUMNS)
        chunks = min(MAX_CHUNKS, _even(work, SPLIT_LENGTH, SPLIT_FEW))
    chunk = -(-folded[0] // chunks)
    if kernel.axes.count(True) == 1:
        chunk = -(-chunk // 64) * 64  # whole cache lines: threads do not share one
    chunk = max(1, chunk)
    chunks = max(1, -(-folded[0] // chunk))
    split = bool(kernel.reductions) and chunks > 1
    tasks = rows * blocks * chunks
    work = prod(sizes)
    per_task = max(1, work // max(1, tasks))
    grain = 0 if work < SERIAL_WORK else max(1, min(TASK_WORK // per_task, -(-tasks // 4)))
    scratch = scratch_words(kernel, rows, columns, chunks) if split else 0
    short = length <= (KEPT_ROWS if kernel.column else KEPT_LENGTH)
    keep = not split and short and bool(kept(kernel))
    turn = work >= TURNED_WORK and min(sizes[-2:]) >= TURNED_SIDE and bool(turned(kernel))
    if turn and grain:
        grain = max(grain, min(TURN_ROWS, -(-tasks // 4)))
    variant = Variant(split, keep, not turn and _streams(kernel, keep, sizes), turn)
    return TaskShape(variant, rows, chunks, chunk, tasks, grain, scratch)


def _even(length: int, lengths: tuple[int, int], few: int) -> int:
    """Number of chunks: short ones up to some number of them, then long ones."""
    short, long = (-(-length // n) for n in lengths)
    return -(-max(min(short, few), long) // EVEN) * EVEN


def _streams(kernel: Kernel, keep: bool, sizes: tuple[int, ...]) -> bool:
    """Whether results are so large that the cache would not hold them for the next reader."""
    stored = [np.dtype(kernel.accesses[i].dtype).itemsize for i in streamable(kernel, keep)]
    return bool(stored) and prod(sizes) * sum(stored) >= last_level_cache() // 2


def shape_of(spec: BoundKernel) -> TaskShape:
    """Tasks of a bound kernel."""
    return task_shape(spec.kernel, spec.sizes)


def render_c(spec: BoundKernel) -> str:
    """The C of a kernel, without the prelude; needs no compiler."""
    writer = HostWriter(spec.kernel, c_dialect())
    writer.source(shape_of(spec).variant)
    return "\n".join(writer.lines[1:])


@lru_cache(maxsize=1)
def shared_jit() -> HostJit | None:
    """The process-wide JIT, or None when there is no compiler.

    Raises:
        CompileError: there is one and it does not work.
    """
    command = find_compiler()
    return None if command is None else HostJit(Compiler(command))
