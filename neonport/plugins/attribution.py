"""Says which plugin it was that prints or warns while it is imported, or takes very long."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, TextIO

from neonport.plugins.text import printable

MOST_REMARKS = 20  # of one plugin; what follows is shown and not kept
REMARK_LENGTH = 300  # characters
SLOW = 2.0  # seconds from which on it is remarked
PATIENCE = 10.0  # seconds after which a plugin that is still being imported is named


class PluginWarning(UserWarning):
    """Plugins contradict each other or claim a reserved name; or one warns while it is imported."""


@contextmanager
def attributed(plugin: str, remarks: list[str], stage: str) -> Iterator[None]:
    """Run a plugin's code; what this thread prints and warns meanwhile carries the plugin's name.

    Prints go to stderr, so that the host's output stays its own. Threads of others are let through.

    Args:
        plugin: name and distribution, in words.
        remarks: takes a line for each thing that happened.
        stage: what is being done, in words.
    """
    owner = threading.get_ident()

    def note(text: str) -> None:
        if len(remarks) < MOST_REMARKS:
            remarks.append(f"{stage}: {printable(text, REMARK_LENGTH)}")

    out, err, show = sys.stdout, sys.stderr, warnings.showwarning
    ours: list[Any] = [_Lines(stream, err, owner, plugin, note) for stream in (out, err)]
    sys.stdout, sys.stderr = ours
    warnings.showwarning = shown = _warner(show, owner, plugin, note, err)
    timer = threading.Timer(PATIENCE, _say_slow, (err, plugin, stage))
    timer.daemon = True
    begun = time.monotonic()
    with suppress(RuntimeError):  # no more threads: then nobody says that it is slow
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if timer.ident is not None:
            timer.join()
        if time.monotonic() - begun > SLOW:
            remarks.append(f"{stage}: took {time.monotonic() - begun:.1f} s")
        for lines in ours:
            lines.release()
        # what the plugin itself put there stays
        if sys.stdout is ours[0]:
            sys.stdout = out
        if sys.stderr is ours[1]:
            sys.stderr = err
        if warnings.showwarning is shown:
            warnings.showwarning = show


def _say_slow(err: TextIO | None, plugin: str, stage: str) -> None:
    if err is not None:
        print(
            f"neonport: {stage}, of plugin {plugin}, still runs after {PATIENCE:.0f} s; "
            "NEONPORT_BLOCK leaves plugins out",
            file=err,
            flush=True,
        )


def _warner(
    show: Callable[..., Any],
    owner: int,
    plugin: str,
    note: Callable[[str], None],
    err: TextIO | None,
) -> Callable[..., None]:
    """A `warnings.showwarning` that names the plugin."""

    def shown(message: Any, category: Any, filename: str, lineno: int, *rest: Any) -> None:
        if threading.get_ident() != owner or category is PluginWarning:
            show(message, category, filename, lineno, *rest)
            return
        text = f"{printable(category.__name__)}: {printable(message)}"
        note(f"warned {text}")
        named = PluginWarning(f"plugin {plugin} warns: {text}")
        with redirect_stderr(err):  # it has the name already
            show(named, PluginWarning, filename, lineno, *rest)

    return shown


class _Lines:
    """A stream for one thread: lines go to stderr with the plugin's name before them.

    Args:
        behind: the stream of all other threads.
        target: where the lines go.
    """

    def __init__(
        self,
        behind: TextIO | None,
        target: TextIO | None,
        owner: int,
        plugin: str,
        note: Callable[[str], None],
    ) -> None:
        self._behind, self._target = behind, target
        self._owner: int | None = owner
        self._plugin, self._note = plugin, note
        self._line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)  # buffer, encoding, ...

    def write(self, text: str) -> int:
        if threading.get_ident() != self._owner:
            return self._behind.write(text) if self._behind else len(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._put(line)
        if len(self._line) > 1 << 16:  # a stream without line breaks
            self.close_line()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Show what has no line break yet: a debugger waits behind its prompt."""
        if threading.get_ident() == self._owner:
            self.close_line("")
        for stream in (self._target, self._behind):
            if stream is not None:
                stream.flush()

    def close(self) -> None:
        """Note it, and stay open: the stream is not the plugin's."""
        if threading.get_ident() == self._owner:
            self._note("closed an output stream of the host's, which stays open")

    def close_line(self, end: str = "\n") -> None:
        """Show the line that has been begun."""
        line, self._line = self._line, ""
        if line:
            self._put(line, end)

    def release(self) -> None:
        """Name nobody from now on: a logger of the plugin's may hold on to the stream."""
        self.close_line()
        self._owner = None

    def _put(self, line: str, end: str = "\n") -> None:
        if line.strip():
            self._note(f"printed {line}")
        if self._target is not None:
            self._target.write(f"[{self._plugin}] {line}{end}")
