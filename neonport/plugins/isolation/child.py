"""What a process of its own does to examine one plugin; see `parent.py`.

Lines of JSON on the stream that was stdout: `{"stage": ...}` before each thing that may hang or end
the process, `{"plugin": ...}` after its hooks were called, `{"row": ...}` for each backend,
`{"remarks": ...}` at the end. What the plugin prints goes to stderr, which is the plugin's alone.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from neonport.plugins import discovery
from neonport.plugins.discovery import Plugin
from neonport.plugins.extensions import Extension, try_out
from neonport.plugins.info import BackendInfo
from neonport.plugins.isolation.global_state import GlobalState
from neonport.plugins.names import offer
from neonport.plugins.probing import ask
from neonport.plugins.status import Status
from neonport.plugins.text import Failure, printable

Say = Callable[[dict[str, Any]], None]


def main(name: str, value: str, distribution: str, version: str, limit: float, whole: bool) -> None:
    """Examine a plugin, say what was found, and end the process.

    Args:
        name, value: the entry point.
        distribution, version: where it comes from.
        limit: seconds after which the process shows where it is, and ends.
        whole: whether to construct its backends as well, and run statements on them.
    """
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # also of libraries that print without Python

    def say(line: dict[str, Any]) -> None:
        report.write(json.dumps(line) + "\n")
        report.flush()

    faulthandler.dump_traceback_later(limit, exit=True, file=os.dup(2))
    examine(Plugin(name, value, distribution, version), say, whole)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # without the threads and exit handlers of the plugin


def examine(plugin: Plugin, say: Say, whole: bool) -> None:
    """Import a plugin, call its hooks, and ask each of its backends."""
    import numpy.linalg
    import numpy.random  # noqa: F401  # before the plugin does, for the comparison

    manager = discovery.new_manager({})
    stage = f"importing {plugin.value}"
    say({"stage": stage})
    before = GlobalState()
    discovery.load(manager, plugin, lambda: discovery.import_plugin(plugin), lambda text: None)
    changes = before.changes()
    say(
        {
            "plugin": {
                "state": plugin.state,
                "backends": [_info(info) for info in plugin.backends],
                "extensions": [[kind, asdict(info)] for kind, info in plugin.extensions],
                "failures": [_failure(failure) for failure in plugin.failures],
            }
        }
    )
    for number, info in enumerate(plugin.backends):
        say({"stage": f"asking backend {info.name!r}", "number": number})
        row = ask(offer(info, plugin), try_out=whole)
        say({"number": number, "row": _row(row)})
    for number, (kind, brought) in enumerate(plugin.extensions):
        say({"stage": f"trying out {kind} {brought.name!r}"})
        say({"extension": number, "answer": try_out(Extension(kind, brought, plugin))})
    remarks = [*plugin.remarks, *(f"{stage}: {change}" for change in changes)]
    say({"remarks": list(dict.fromkeys(remarks))})


def _info(info: BackendInfo) -> dict[str, Any]:
    return {
        "name": str(info.name),
        "protocol": [int(number) for number in info.protocol],
        "priority": int(info.priority),
        "aliases": [str(alias) for alias in info.aliases],
        "summary": printable(info.summary),
    }


def _failure(failure: Failure) -> dict[str, str]:
    return {
        "stage": failure.stage,
        "words": failure.reason[len(failure.stage) + 2 :],
        "traceback": failure.traceback,
    }


def _row(row: Status) -> dict[str, Any]:
    found = asdict(row) | {"error": None}
    if row.error:
        found["error"] = {"words": printable(row.error), "traceback": row.traceback}
    return found
