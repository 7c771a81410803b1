"""Many texts through NVIDIA's compiler, on all cores, from its wheels.

Two generations are of use: 12 is the last that knows capability 7.0, 13 begins with 7.5. The
compiler has one lock a process, so workers are processes; one that dies costs the text that it
had, not the run.
"""

from __future__ import annotations

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
from pathlib import Path

from neonport.compiler.codegen.gpu.dialects import cuda_dialect

TARGETS = {70: 12, 80: 13, 90: 13}
"""Architectures, and the generation of the compiler that builds for each."""

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

    def complaint(self, source: str, names: Sequence[str] = ()) -> str:
        """What is wrong with a text; empty if it compiles to machine code with these names."""
        timer = threading.Timer(LIMIT, self._process.kill)
        timer.start()
        try:
            answer = self._ask(json.dumps([source, list(self.options), list(names)]))
        finally:
            late = not timer.is_alive()
            timer.cancel()
        if answer:
            return str(json.loads(answer))
        self.close()
        code = self._process.returncode
        self._start()
        return f"no answer in {LIMIT} s" if late else f"the compiler died with status {code}"

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


def program(texts: Sequence[str]) -> tuple[str, list[str]]:
    """One text that compiles if all of them do, and names that its machine code bears.

    Each stands in a namespace, behind one prelude; its macros end with it.
    """
    prelude = cuda_dialect().prelude
    parts = [prelude, "#undef KERNEL", "#define KERNEL __global__"]
    names = [f"neo_text_{i}_" for i in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        before, _, body = text.partition(prelude)
        assert not before.strip(), before
        ends = [f"#undef {word}" for word in dict.fromkeys(DEFINED.findall(body))]
        parts += [f"namespace {name} {{", body, "}", *ends]
    return "\n".join(parts), names


def complaints(texts: Mapping[str, str], arch: int, options: Sequence[str]) -> list[str]:
    """Complaints about texts compiled for an architecture.

    Args:
        texts: by name.
        arch: 80 for sm_80.
        options: of the compiler.
    """
    path = library(TARGETS[arch])
    if path is None:
        return [f"NVRTC {TARGETS[arch]}, which builds for sm_{arch}, is not installed"]
    cores = os.cpu_count() or 1
    workers = [Worker(path, (*options, f"-arch=sm_{arch}")) for _ in range(cores)]
    free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def check(names: Sequence[str]) -> list[str]:
        worker = free.get()
        try:
            return _check(worker, {name: texts[name] for name in names})
        finally:
            free.put(worker)

    order = sorted(texts)
    parts = [order[i : i + TOGETHER] for i in range(0, len(order), TOGETHER)]
    try:
        with ThreadPoolExecutor(cores) as threads:
            return [words for found in threads.map(check, parts) for words in found]
    finally:
        for worker in workers:
            worker.close()


def _check(worker: Worker, texts: Mapping[str, str]) -> list[str]:
    """Complaints about a few texts: together, and each alone if there are any."""
    together = worker.complaint(*program(list(texts.values())))
    if not together:
        return []
    alone = {name: worker.complaint(text) for name, text in texts.items()}
    found = [f"{name}: {words}\n{texts[name]}" for name, words in alone.items() if words]
    return found or [f"{', '.join(texts)}: each compiles, not all together: {together}"]
