"""`neonport doctor`: what is installed, what works here, and why not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from typing import Any

import click

from neonport import __version__, settings
from neonport.cli.doctor import extensions
from neonport.cli.doctor.bug_report import bug_report
from neonport.cli.output import print_json, reports_only, show, show_line
from neonport.plugins import registry
from neonport.plugins.discovery import Plugin
from neonport.plugins.status import Status
from neonport.plugins.trial import in_words

SETTING_COLUMNS = ("setting", "value", "meaning")
COLUMNS = (
    "name", "distribution", "version", "protocol", "state", "device", "capabilities", "reason",
)  # fmt: skip
REMARK_COLUMNS = ("plugin", "distribution", "remark")
LABELS = 9  # characters of what stands before the lines above the table
STYLES = {"ready": "green", "no-device": "yellow", "not-installed": "dim", "broken": "red"}
STYLES |= {"blocked": "yellow", "incompatible": "red", "refused": "red", "shadowed": "yellow"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the tracebacks.")
@click.option(
    "--report",
    "as_report",
    is_flag=True,
    help="Print what a bug report needs, without names of people, machines and folders of yours.",
)
def doctor(as_json: bool, as_report: bool) -> None:
    """Show every backend (state, device, reason), what else plugins bring, and the settings.

    Works with any number of broken plugins: each is examined in a process of its own.
    """
    with reports_only():
        rows, plugins = registry.examine()
        host = {name: _line(ask) for name, ask in HOST.items()}
    chosen = _settings()
    if as_report:
        click.echo(bug_report(host, rows, plugins, chosen))
    elif as_json:
        backends = [_backend(row) for row in rows]
        found = _plugins(plugins)
        brought = extensions.rows(plugins)
        print_json(
            {
                "host": host,
                "settings": chosen,
                "backends": backends,
                "extensions": brought,
                "plugins": found,
            }
        )
    else:
        _show(host, rows, plugins, chosen)


def _show(
    host: dict[str, str], rows: list[Status], plugins: list[Plugin], chosen: list[dict[str, Any]]
) -> None:
    """Print lines on the host, a table of backends, what plugins did, and the settings."""
    for name, answer in host.items():
        show_line(name, answer, LABELS)
    click.echo()
    show(COLUMNS, [cells(row) for row in rows], STYLES, whole=("name", "state"))
    click.echo()
    if extensions.table(plugins):
        click.echo()
    lines = remarks(plugins)
    if lines:
        show(REMARK_COLUMNS, lines, whole=REMARK_COLUMNS[:1])
        click.echo()
    table = [[row["name"], row["value"], row["complaint"] or row["meaning"]] for row in chosen]
    show(SETTING_COLUMNS, table, whole=SETTING_COLUMNS[:1])


def cells(row: Status) -> list[str]:
    """A backend's row of the table."""
    words = {"capabilities": in_words(row.abilities)}
    return [words.get(column) or str(getattr(row, column) or "") for column in COLUMNS]


def remarks(plugins: list[Plugin]) -> list[list[str]]:
    """What went wrong in plugins, and what they did for everybody to see: a row of the table each.

    What is the reason of a backend's row stands there.
    """
    return [
        [plugin.name, plugin.origin, text]
        for plugin in plugins
        for text in (*(f.reason for f in plugin.failures[1:]), *plugin.remarks)
    ]


def _backend(row: Status) -> dict[str, Any]:
    """Return a row as JSON has it."""
    found = {column: getattr(row, column) for column in COLUMNS}
    able = dict(row.abilities)
    if row.count:
        able["devices"] = row.count
    if row.capabilities:
        able["generations"] = list(row.capabilities)
    return found | {"capabilities": able, "summary": row.summary, "traceback": row.traceback}


def _plugins(plugins: list[Plugin]) -> list[dict[str, Any]]:
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
            "remarks": plugin.remarks,
        }
        for plugin in plugins
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
