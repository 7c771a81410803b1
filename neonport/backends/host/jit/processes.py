"""Programs that run for a limited time, with all that they start."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess  # slow to import; where nothing is compiled nothing is started

WAIT, WAITS = 0.05, 20  # seconds


class TimeLimitError(Exception):
    """A program did not finish in time; it and what it started were ended."""


class EndedError(Exception):
    """A program was ended, or not started, because its result is not wanted any more."""


class Processes:
    """Programs that can be ended together.

    Each is the leader of a session of its own: an interrupt from the keyboard does not reach it,
    and what it starts ends with it. Compilers are such programs; the one that hangs is often a
    child of the one that was called.

    Example:
        status, said = Processes().run(["cc", "--version"], seconds=10)
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False
        self._lock = threading.Lock()

    def run(
        self, command: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a program and wait for it.

        Args:
            command: its path and arguments.
            seconds: how long it may take.
            environ: its environment variables; None: those of this process.

        Returns:
            The exit status, and what it wrote to both outputs; bytes that are no UTF-8 are
            replaced.

        Raises:
            TimeLimitError: it took longer.
            EndedError: `end` was called.
            OSError: it cannot be started.
        """
        import subprocess

        start = _Start(self, command, environ)
        try:
            process = start.result()
            said = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired as error:
            raise TimeLimitError from error
        finally:
            # also after an exception of another kind, an interrupt above all
            for process in start.made():
                _end(process)
                self._running.discard(process)
        if self._ended:
            raise EndedError
        return process.returncode, said.decode("utf-8", "replace")

    def start(
        self, command: Sequence[str], environ: Mapping[str, str] | None
    ) -> subprocess.Popen[bytes]:
        """Start a program that `end` ends.

        Raises:
            EndedError: `end` was called.
            OSError: it cannot be started.
        """
        import subprocess

        with self._lock:
            if self._ended:
                raise EndedError
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def end(self) -> None:
        """End what runs, and start nothing any more."""
        with self._lock:
            self._ended = True
            for process in list(self._running):
                _kill(process)


class _Start:
    """The start of a program, in a thread of its own.

    An interrupt is raised in the main thread, wherever that is. Between the start of the program
    and the first line that knows of it, it would leave the program behind.
    """

    def __init__(
        self, processes: Processes, command: Sequence[str], environ: Mapping[str, str] | None
    ) -> None:
        self._started: list[subprocess.Popen[bytes]] = []
        self._failed: list[Exception] = []
        # not `join`: on Python before 3.13 a thread counts as ended after an interrupted one
        self._done = threading.Event()
        arguments = (processes, command, environ)
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)

    def _run(
        self, processes: Processes, command: Sequence[str], environ: Mapping[str, str] | None
    ) -> None:
        try:
            self._started.append(processes.start(command, environ))
        except Exception as error:
            self._failed.append(error)
        finally:
            self._done.set()

    def result(self) -> subprocess.Popen[bytes]:
        """Start it.

        Raises:
            EndedError, OSError: it was not started.
        """
        self._thread.start()
        self._done.wait()
        if self._failed:
            raise self._failed[0]
        return self._started[0]

    def made(self) -> list[subprocess.Popen[bytes]]:
        """The program, if it was started after all; after an interrupt, too."""
        for _ in range(WAITS):
            # without a number the thread was never begun, or is about to begin
            if self._done.wait(None if self._thread.ident else WAIT):
                break
        return self._started


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started, unless it has ended by itself."""
    if process.returncode is None:
        _kill(process)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()  # who holds the other end may have left the session


def _kill(process: subprocess.Popen[bytes]) -> None:
    import signal

    if process.returncode is not None:  # its number may belong to another one by now
        return
    with contextlib.suppress(OSError):  # it may have ended meanwhile
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
