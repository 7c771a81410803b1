"""`neonport doctor`: what is installed, what works here, and why not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from typing import Any

import click

from neonport import __version__, settings
from neonport.cli.output import print_json, reports_only, show, show_line
from neonport.plugins import registry

SETTING_COLUMNS = ("setting", "value", "meaning")
COLUMNS = ("name", "distribution", "version", "protocol", "state", "device", "reason")
LABELS = 9  # characters of what stands before the lines above the table
STYLES = {"ready": "green", "no-device": "yellow", "not-installed": "dim", "broken": "red"}
STYLES |= {"blocked": "yellow", "incompatible": "red", "refused": "red", "shadowed": "yellow"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the tracebacks.")
def doctor(as_json: bool) -> None:
    """Show every backend (state, device, reason), the software underneath and the settings.

    Works with any number of broken plugins.
    """
    with reports_only():
        rows = registry.statuses(try_out=True)
        host = {name: _line(ask) for name, ask in HOST.items()}
        plugins = _plugins()
    chosen = _settings()
    if as_json:
        backends = [
            {c: getattr(row, c) for c in COLUMNS}
            | {"summary": row.summary, "traceback": row.traceback}
            for row in rows
        ]
        print_json({"host": host, "settings": chosen, "backends": backends, "plugins": plugins})
        return
    for name, answer in host.items():
        show_line(name, answer, LABELS)
    click.echo()
    cells = [[getattr(row, c) for c in COLUMNS] for row in rows]
    show(COLUMNS, cells, STYLES, whole=("name", "state"))
    click.echo()
    lines = [[row["name"], row["value"], row["complaint"] or row["meaning"]] for row in chosen]
    show(SETTING_COLUMNS, lines, whole=SETTING_COLUMNS[:1])


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
    from neonport.backends.host.blas.gemm import blas_info

    info = blas_info()
    core = f" for {info['core']}" if info["core"] else ""
    forced = ", by NEONPORT_BLAS" if info["forced"] else ""
    where = "the pool's threads" if info["engine"] == "openblas" else "threads of its own"
    return f"{info['engine']} {info['version']}{core}, on {where}{forced}"


def _compiler() -> str:
    from neonport.backends.host.jit.report import compiler_report

    return compiler_report()


def _threads() -> str:
    from neonport.backends.host.cpu_quota import cpu_quota
    from neonport.backends.host.threads import num_threads, usable_cores

    quota = cpu_quota()
    limit = "no quota" if quota is None else f"a quota of {quota:g}"
    return f"{num_threads()} in the pool of kernels and products, {usable_cores()} usable, {limit}"


def _load() -> str:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    contended = ", contended: steps wait for processors" if load > cores else ""
    return f"{load:.1f} on {cores} processors in the last minute{contended}"


def _cache() -> str:
    from neonport.io.cache_dir import cache_dir

    return str(cache_dir())


def _settings() -> list[dict[str, Any]]:
    """Return every variable of neonport and every unknown one that is set.

    `value` is the text of a variable that is set, else the default in parentheses.
    """
    complaints = settings.complaints()
    rows = [
        {
            "name": setting.name,
            "set": setting.name in complaints,
            "value": os.environ.get(setting.name, f"({setting.usual.replace('`', '')})"),
            "meaning": setting.meaning.replace("`", ""),
            "complaint": complaints.pop(setting.name, ""),
        }
        for setting in settings.SETTINGS
    ]
    rows += [
        {"name": name, "set": True, "value": os.environ[name], "meaning": "", "complaint": wrong}
        for name, wrong in complaints.items()
    ]
    return sorted(rows, key=lambda row: (not row["complaint"], not row["set"]))


def _settings_line() -> str:
    found = settings.complaints()
    wrong = [name for name, complaint in found.items() if complaint]
    if not found:
        return "none"
    return f"{len(found)} set" + (f", wrong: {', '.join(wrong)}" if wrong else "")


HOST: dict[str, Callable[[], str]] = {
    "neonport": lambda: f"{__version__}, backend protocol {'.'.join(map(str, registry.PROTOCOL))}",
    "Python": lambda: f"{platform.python_version()} ({sys.executable})",
    "system": lambda: f"{platform.system()} {platform.release()} {platform.machine()}",
    "NumPy": _numpy,
    "compiler": _compiler,
    "BLAS": _blas,
    "threads": _threads,
    "load": _load,
    "cache": _cache,
    "default": registry.default_backend,
    "settings": _settings_line,
}
"""The lines above the table: what is asked of the machine."""
