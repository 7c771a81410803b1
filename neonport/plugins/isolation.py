"""Examines plugins in processes of their own, so that none can hang, end or change this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any

from neonport import settings
from neonport.plugins.attribution import MOST_REMARKS, REMARK_LENGTH
from neonport.plugins.discovery import Plugin
from neonport.plugins.info import BackendInfo
from neonport.plugins.kinds import KINDS
from neonport.plugins.names import Entry, offer
from neonport.plugins.status import Status, status
from neonport.plugins.text import TRACEBACK_LENGTH, Failure, ReportedError, printable

AT_ONCE = 4  # processes
GRACE = 5.0  # seconds that a process has to end by itself after the limit
MARK = "_NEONPORT_EXAMINES"  # in the environment of such a process
MOST_BYTES = 1 << 22  # that are kept of a stream
_START = """
import json, sys
path, arguments = json.loads(sys.argv[1])
sys.path[:] = path
from neonport.plugins.examination import main
main(*arguments)
"""
Rows = dict[int, Status]  # of the backends of a plugin, by id of their BackendInfo


class _Reader(threading.Thread):
    """Reads a stream to its end and keeps the beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.kept = b""
        self.start()

    def run(self) -> None:
        """Read; called by the thread."""
        with self._stream as stream:
            while block := stream.read1(1 << 16):  # type: ignore[attr-defined]
                self.kept += block[: MOST_BYTES - len(self.kept)]

    def text(self) -> str:
        """What was read until now, or until a process that holds the stream open goes on."""
        self.join(1.0)
        return self.kept.decode("utf-8", "backslashreplace")


def examine(plugins: Sequence[Plugin], try_out: bool) -> Rows:
    """Import each plugin and ask its backends, in a process for each.

    Args:
        plugins: not imported yet; what is found is added to them.
        try_out: also construct what says it is ready, and run a few statements on it.

    Raises:
        RuntimeError: this is such a process.
    """
    if plugins and MARK in os.environ:  # it would start itself again and again
        raise RuntimeError("a plugin asks for the list of backends while it is imported")
    limit = settings.PLUGIN_TIMEOUT.get()
    rows: Rows = {}
    running: list[subprocess.Popen[bytes]] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for found in pool.map(lambda p: _examine(p, limit, try_out, running), plugins):
                rows |= found
        except BaseException:  # an interrupt: nobody waits for what hangs
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                _end(process)
            raise
    return rows


def _examine(
    plugin: Plugin, limit: float, try_out: bool, running: list[subprocess.Popen[bytes]]
) -> Rows:
    arguments = (plugin.name, plugin.value, plugin.distribution, plugin.version, limit, try_out)
    request = json.dumps([sys.path, arguments])
    flags = [f"-W{option}" for option in sys.warnoptions]
    try:
        process = subprocess.Popen(
            [sys.executable, *flags, "-c", _START, request],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, MARK: "1", "PYTHONIOENCODING": "utf-8:backslashreplace"},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        plugin.fail(Failure("starting a process for it", error))
        return {}
    running.append(process)
    assert process.stdout
    assert process.stderr
    report, printed = _Reader(process.stdout), _Reader(process.stderr)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(limit + GRACE)
    finally:
        _end(process)
        running.remove(process)
    lines = _lines(report.text())
    return _read(plugin, lines, printed.text(), _ending(process.returncode, limit))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # all gone
            os.killpg(process.pid, signal.SIGKILL)  # its own group: start_new_session
    elif process.poll() is None:
        process.kill()
    process.wait()


def _ending(code: int, limit: float) -> str:
    """How a process ended, in words."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"the process was ended by signal {name}"
    return f"the process ended with exit code {code}"


def _lines(text: str) -> list[dict[str, Any]]:
    """The lines of a report; one that was cut is left out."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _read(plugin: Plugin, lines: list[dict[str, Any]], printed: str, ending: str) -> Rows:
    """Add what a process said to its plugin; return the rows of its backends."""
    rows: Rows = {}
    stage, number, ended = "starting Python", None, False
    for line in lines:
        if "stage" in line:
            stage, number = line["stage"], line.get("number")
        if "plugin" in line:
            _fill(plugin, line["plugin"])
        if "answer" in line:
            kind, brought = plugin.extensions[line["extension"]]
            plugin.tried_extensions[kind, brought.name] = tuple(line["answer"])
        if "row" in line:
            info = plugin.backends[line["number"]]
            rows[id(info)] = _status(line["row"])
        if "remarks" in line:
            plugin.remarks, ended = line["remarks"], True
    if ended:
        _add_printed(plugin, printed)
        return rows
    failure = Failure(stage, _why(ending, printed))
    if number is None:
        plugin.fail(failure)
        return rows
    for later, info in enumerate(plugin.backends[number:]):
        note = Failure(stage, ReportedError(f"not tried: {failure.reason}"))
        rows[id(info)] = status(offer(info, plugin), failure=note if later else failure)
    return rows


def _why(ending: str, printed: str) -> ReportedError:
    """What ended a process before its time."""
    limit = settings.PLUGIN_TIMEOUT
    printed = printable(printed, TRACEBACK_LENGTH, lines=True)
    if "Timeout (" in printed or "SIGKILL" in ending:
        words = (
            f"it took longer than {limit.get():g} s and was ended ({limit.name} sets the time); "
            "the traceback shows where it was"
        )
        return ReportedError(f"TimeoutError: {words}", printed)
    return ReportedError(ending, printed or ending)


def _fill(plugin: Plugin, said: dict[str, Any]) -> None:
    plugin.state = said["state"]
    plugin.backends = [
        BackendInfo(
            name=row["name"],
            factory="examined.in:another_process",
            protocol=(row["protocol"][0], row["protocol"][1]),
            priority=row["priority"],
            aliases=tuple(row["aliases"]),
            summary=row["summary"],
        )
        for row in said["backends"]
    ]
    plugin.extensions = [
        (kind, KINDS[kind].info(**fields | {"protocol": tuple(fields["protocol"])}))
        for kind, fields in said["extensions"]
    ]
    plugin.failures = [
        Failure(row["stage"], ReportedError(row["words"], row["traceback"]))
        for row in said["failures"]
    ]


def _status(row: dict[str, Any]) -> Status:
    error = row["error"]
    return Status(
        **row
        | {
            "capabilities": tuple(row["capabilities"]),
            "devices": tuple(row["devices"]),
            "error": ReportedError(error["words"], error["traceback"]) if error else None,
        }
    )


def _add_printed(plugin: Plugin, printed: str) -> None:
    """Add what a library printed past Python, which carries no name yet."""
    for line in printed.splitlines():
        named = not line.strip() or line.startswith(f"[{plugin.words}]")
        if not named and len(plugin.remarks) < MOST_REMARKS:
            plugin.remarks.append(f"printed {printable(line, REMARK_LENGTH)}")


def row(entry: Entry, rows: Rows) -> Status:
    """The row of a name: what its process said, or why nobody was asked."""
    found = rows.get(id(entry.info)) if entry.state == "installed" else None
    return found or status(entry)
