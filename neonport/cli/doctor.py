"""`neonport doctor`: what is installed, what works here, and why not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from typing import Any

import click

from neonport import __version__
from neonport.cli.output import print_json, show, table
from neonport.plugins import registry

COLUMNS = ("name", "distribution", "version", "protocol", "state", "device", "reason")
STYLES = {"ready": "green", "no-device": "yellow", "not-installed": "dim", "broken": "red"}
STYLES |= {"blocked": "yellow", "incompatible": "red", "refused": "red", "shadowed": "yellow"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the tracebacks.")
def doctor(as_json: bool) -> None:
    """Show every backend (state, device, reason) and the software underneath.

    Works with any number of broken plugins.
    """
    rows = registry.statuses()
    host = {name: _line(ask) for name, ask in HOST.items()}
    if as_json:
        backends = [
            {c: getattr(row, c) for c in COLUMNS}
            | {"summary": row.summary, "traceback": row.traceback}
            for row in rows
        ]
        print_json({"host": host, "backends": backends, "plugins": _plugins()})
        return
    for name, answer in host.items():
        click.echo(f"{name:<9} {answer}")
    click.echo()
    cells = [[getattr(row, c) for c in COLUMNS] for row in rows]
    show(table(COLUMNS, cells, STYLES, whole=("name", "state")))


def _plugins() -> list[dict[str, Any]]:
    """Return every entry point found, with what went wrong in it."""
    return [
        {
            "name": plugin.name,
            "value": plugin.value,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "state": plugin.state,
            "backends": [info.name for info in plugin.backends],
            "failures": [{"reason": f.reason, "traceback": f.traceback} for f in plugin.failures],
        }
        for plugin in registry.plugins()
    ]


def _line(ask: Callable[[], str]) -> str:
    """Return an answer, or the error in its place: the report goes on."""
    try:
        return ask()
    except Exception as error:
        return f"unknown ({type(error).__name__}: {error})"


def _numpy() -> str:
    import numpy

    return numpy.__version__


def _blas() -> str:
    import numpy

    config = numpy.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas.get('version', '')}".strip()


def _threads() -> str:
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    wanted = os.environ.get("NEONPORT_NUM_THREADS", "").strip() or "not set"
    return f"{usable} usable, NEONPORT_NUM_THREADS {wanted}"


def _cache() -> str:
    from neonport.io.cache_dir import cache_dir

    return str(cache_dir())


def _settings() -> str:
    found = {k: v for k, v in sorted(os.environ.items()) if k.startswith("NEONPORT_")}
    return " ".join(f"{k}={v}" for k, v in found.items()) or "none"


HOST: dict[str, Callable[[], str]] = {
    "neonport": lambda: f"{__version__}, backend protocol {'.'.join(map(str, registry.PROTOCOL))}",
    "Python": lambda: f"{platform.python_version()} ({sys.executable})",
    "system": lambda: f"{platform.system()} {platform.release()} {platform.machine()}",
    "NumPy": _numpy,
    "BLAS": _blas,
    "threads": _threads,
    "cache": _cache,
    "default": registry.default_backend,
    "settings": _settings,
}
"""The lines above the table: what is asked of the machine."""
