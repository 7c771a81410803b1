"""Many texts through NVIDIA's compiler, on all cores, from its wheels.

Two generations are of use: 12 is the last that knows capability 7.0, 13 begins with 7.5. The
compiler has one lock a process, so workers are processes; one that dies costs the text that it
had, not the run.

Each text becomes PTX in both generations, and machine code in the newer one, which is where what it
asks of a multiprocessor (local memory, arguments, registers) is found to be too much: the limits
are the same from 7.0 to 9.0. Where a generation builds for two architectures, that is for one of
them: our texts do not ask which it is, so the compiler makes the same PTX for both, up to the line
that names the target. What is left of an architecture is which instructions its assembler takes.
So programs become machine code for each architecture until each instruction in the PTX of any has
been assembled for it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from neonport.compiler.codegen.gpu.dialects import cuda_dialect

TARGETS = {12: (70,), 13: (80, 90)}
"""Generations of the compiler, and the architectures that each builds for here."""
ASSEMBLES = 13  # the generation in which each text becomes machine code

WORKER = Path(__file__).with_name("nvrtc_worker.py")
TOGETHER = 16  # texts in a program: the compiler takes 25 ms for an empty one
LIMIT = 120.0  # seconds for a program
DEFINED = re.compile(r"^#define (\w+)", re.MULTILINE)


def library(generation: int) -> Path | None:
    """Path of the compiler of a generation, None if its wheel is not installed."""
    try:
        roots = list(importlib.import_module("nvidia").__path__)
    except ImportError:
        return None
    found = [p for r in roots for p in Path(r).glob(f"**/libnvrtc.so.{generation}")]
    return found[0] if found else None


class Worker:
    """A process that compiles, started again when it dies.

    Args:
        path: library of the compiler.
        options: of the compiler.
    """

    def __init__(self, path: Path, options: Sequence[str]) -> None:
        self.path, self.options = path, options
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), str(self.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def compile(
        self, source: str, names: Sequence[str], arch: int, machine: bool = True
    ) -> tuple[str, frozenset[str]]:
        """What is wrong with a text, and the instructions of its PTX.

        Nothing ("") is wrong if it compiles to machine code, or else to PTX, with these names.
        """
        timer = threading.Timer(LIMIT, self._process.kill)
        timer.start()
        options = [*self.options, f"-arch={'sm' if machine else 'compute'}_{arch}"]
        try:
            answer = self._ask(json.dumps([source, options, list(names)]))
        finally:
            late = not timer.is_alive()
            timer.cancel()
        if answer:
            complaint, instructions = json.loads(answer)
            return complaint, frozenset(instructions)
        self.close()
        code = self._process.returncode
        self._start()
        words = f"no answer in {LIMIT} s" if late else f"the compiler died with status {code}"
        return words, frozenset()

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(line, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            return ""
        return self._process.stdout.readline()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def split(text: str) -> tuple[str, str]:
    """What a text has between the prelude and its last kernel, and that kernel."""
    before, _, body = text.partition(cuda_dialect().prelude)
    assert not before.strip(), before
    functions, mark, kernel = body.rpartition("\nKERNEL")
    return (functions, mark + kernel) if mark else ("", body)


def program(texts: Sequence[str]) -> tuple[str, list[str]]:
    """One text that compiles if all of them do, and names that its machine code bears.

    Each kernel stands in a namespace, within that of the functions which texts have in common,
    behind one prelude. The macros of a namespace end with it.
    """
    parts = [cuda_dialect().prelude, "#undef KERNEL", "#define KERNEL __global__"]
    names = []
    for i, (functions, kernels) in enumerate(groupby(map(split, texts), lambda pair: pair[0])):
        parts += [f"namespace neo_functions_{i} {{", functions]
        for _, kernel in kernels:
            names.append(f"neo_text_{len(names)}_")
            parts += [f"namespace {names[-1]} {{", kernel, "}", *_undefined(kernel)]
        parts += ["}", *_undefined(functions)]
    return "\n".join(parts), names


def _undefined(text: str) -> list[str]:
    return [f"#undef {word}" for word in dict.fromkeys(DEFINED.findall(text))]


@dataclass(frozen=True)
class Part:
    """Texts that are compiled together.

    Args:
        names: of the texts.
        arch: 80 for sm_80.
        machine: whether they become machine code, or only PTX.
    """

    names: tuple[str, ...]
    arch: int
    machine: bool = True


def parts(texts: Mapping[str, str], archs: Sequence[int], machine: bool = True) -> list[Part]:
    """Each text in one part, those with the same functions side by side.

    Which architecture it is for depends on the text alone.
    """
    names: dict[int, list[str]] = {arch: [] for arch in archs}
    for name, text in sorted(texts.items(), key=lambda item: (split(item[1])[0], item[0])):
        digest = hashlib.sha256(text.encode()).digest()
        names[archs[digest[0] % len(archs)]].append(name)
    return [
        Part(tuple(own[i : i + TOGETHER]), arch, machine)
        for arch, own in names.items()
        for i in range(0, len(own), TOGETHER)
    ]


def missing(done: Mapping[Part, frozenset[str]], archs: Sequence[int]) -> list[Part]:
    """Parts to compile as well, so that each instruction becomes machine code of each architecture.

    Args:
        done: what was compiled, and the instructions of each.
        archs: the architectures.
    """
    found = []
    for arch in archs:
        assembled = (words for part, words in done.items() if part.arch == arch and part.machine)
        due = set[str]().union(*done.values()).difference(*assembled)
        other = {part: words for part, words in done.items() if words & due}
        while due and other:  # those first of which the most is due: few will do
            part = max(other, key=lambda part: len(other[part] & due))
            words = other.pop(part)
            again = Part(part.names, arch)
            if words & due and again not in done:
                found.append(again)
                due -= words
    return found


def complaints(
    texts: Mapping[str, str], archs: Sequence[int], generation: int, options: Sequence[str]
) -> list[str]:
    """Complaints about texts: each compiled for an architecture, each instruction for all.

    `ASSEMBLES` says of which generation each text becomes machine code.

    Args:
        texts: by name.
        archs: of sm_80 it is 80.
        generation: of the compiler.
        options: of the compiler.
    """
    path = library(generation)
    if path is None:
        return [f"NVRTC {generation}, which builds for {archs}, is not installed"]
    cores = os.cpu_count() or 1
    workers = [Worker(path, options) for _ in range(cores)]
    free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)
    found: list[str] = []

    def check(part: Part) -> frozenset[str]:
        worker = free.get()
        try:
            words, instructions = _check(worker, {n: texts[n] for n in part.names}, part)
        finally:
            free.put(worker)
        found.extend(words)
        return instructions

    done: dict[Part, frozenset[str]] = {}
    due = parts(texts, archs, generation == ASSEMBLES)
    try:
        with ThreadPoolExecutor(cores) as threads:
            while due:
                done.update(zip(due, threads.map(check, due), strict=True))
                due = missing(done, archs)
    finally:
        for worker in workers:
            worker.close()
    return sorted(found)


def _check(
    worker: Worker, texts: Mapping[str, str], part: Part
) -> tuple[list[str], frozenset[str]]:
    """Complaints about the texts of a part, and the instructions that they become.

    They are compiled together, and each alone if there are complaints.
    """
    how, target = (part.arch, part.machine), f"{'sm' if part.machine else 'compute'}_{part.arch}"
    source, names = program(list(texts.values()))
    together, instructions = worker.compile(source, names, *how)
    if not together:
        return [], instructions
    alone = {name: worker.compile(text, (), *how)[0] for name, text in texts.items()}
    found = [f"{name}: {target}: {words}\n{texts[name]}" for name, words in alone.items() if words]
    apart = f"{', '.join(texts)}: each compiles, not all together: {together}"
    return found or [apart], frozenset()
