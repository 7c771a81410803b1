"""Race the candidates for the matrix product against each other, each in a process of its own.

A core type that the CPU cannot run kills its process and nothing else. The processes take turns and
the best time of each counts, so a busy machine disturbs all of them alike. They use one thread: on
a machine with other work two threads wait for each other, which hides the kernels' own speed (a
loser came out ten times slower or first, by chance).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIMIT_SECONDS = 1.4  # for everything, the starting of the processes included
_ROUNDS = (4, 25)  # at least, at most
_STEADY = 1.15  # the two best times of a product differ by less, or the machine was too busy
_ONE_THREAD = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
_STALE_LOCK_SECONDS = 60.0
_SCRIPT = Path(__file__).with_name("probe.py")
NUMPY = "numpy"


class Timing(NamedTuple):
    """Result of a race.

    Attributes:
        seconds: best time per size by candidate: the core type ("" for detected) and "numpy".
            Candidates that are another one in truth, or that crashed, are absent. Empty when
            nothing could be measured (no Python to start, another process measures).
        steady: whether the times repeated well enough to be remembered.
    """

    seconds: dict[str, list[float]]
    steady: bool


def measure(library: Path, cores: list[str | None], lock_file: Path) -> Timing:
    """Time the products of `blas_probe.SIZES` with each candidate.

    Args:
        library: OpenBLAS library file.
        cores: core types to try; None for the one OpenBLAS detects.
        lock_file: exists while a process measures; two at once would only measure each other.
    """
    if not _python_can_start():
        return Timing({}, False)
    with _exclusive(lock_file) as mine, contextlib.ExitStack() as stack:
        if not mine:
            return Timing({}, False)
        deadline = time.monotonic() + LIMIT_SECONDS
        names: list[str | None] = [*cores, NUMPY]
        # All are started before the first is spoken to: they load side by side.
        started = [_start(stack, name, library) for name in names]
        watch = threading.Timer(LIMIT_SECONDS * 2, _kill, [started])
        watch.daemon = True
        watch.start()
        stack.callback(watch.cancel)
        return _race(_distinct(started, names), deadline)


def _python_can_start() -> bool:
    """Whether sys.executable is a Python; in frozen or embedding programs it is the program."""
    name = os.path.basename(sys.executable or "").lower()
    return (
        not getattr(sys, "frozen", False)
        and name.startswith(("python", "pypy"))
        and _SCRIPT.is_file()
    )


def _start(stack: contextlib.ExitStack, name: str | None, library: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
    environment.pop("OPENBLAS_CORETYPE", None)
    if name not in (None, NUMPY):
        environment["OPENBLAS_CORETYPE"] = name
    command = [sys.executable, "-I", "-S", str(_SCRIPT)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=environment,
    )  # fmt: skip
    stack.callback(_finish, process)
    task = {"library": "" if name == NUMPY else str(library), "path": sys.path}
    _say(process, json.dumps(task))
    return process


def _distinct(
    started: list[subprocess.Popen[str]], names: list[str | None]
) -> dict[str, subprocess.Popen[str]]:
    """Wait for each process and drop those that failed or run the kernels of an earlier one."""
    result: dict[str, subprocess.Popen[str]] = {}
    seen = set()
    for process, name in zip(started, names, strict=True):
        core = _hear(process)
        if core and core not in seen:
            seen.add(core)
            result[name or ""] = process
    return result


def _race(contestants: dict[str, subprocess.Popen[str]], deadline: float) -> Timing:
    if len(contestants) < 2:  # nothing to choose from
        return Timing({name: [1.0] for name in contestants}, True)
    rows: dict[str, list[list[float]]] = {name: [] for name in contestants}
    for turn in range(_ROUNDS[1]):
        for name in list(rows):
            _say(contestants[name], "go")
            answer = _hear(contestants[name])
            if answer:
                rows[name].append([float(seconds) for seconds in answer.split()])
            else:
                del rows[name]
        if turn + 1 >= _ROUNDS[0] and time.monotonic() > deadline:
            break
    ordered = {
        name: [sorted(size) for size in zip(*row, strict=True)] for name, row in rows.items()
    }
    steady = all(size[1] < size[0] * _STEADY for sizes in ordered.values() for size in sizes)
    return Timing({name: [size[0] for size in sizes] for name, sizes in ordered.items()}, steady)


def _say(process: subprocess.Popen[str], line: str) -> None:
    with contextlib.suppress(OSError):  # it has crashed, which shows when it is listened to
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _kill(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()


def _finish(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


@contextlib.contextmanager
def _exclusive(lock_file: Path) -> Iterator[bool]:
    """Hold a lock file; gives False when somebody else does."""
    with contextlib.suppress(OSError):
        if time.time() - lock_file.stat().st_mtime > _STALE_LOCK_SECONDS:
            lock_file.unlink()  # left by a process that was killed
    try:
        lock_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(lock_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):
            lock_file.unlink()
