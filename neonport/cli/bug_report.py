"""`neonport doctor --report`: what somebody who was not there has to know, as Markdown."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from neonport.cli.impersonal import impersonal
from neonport.plugins.discovery import Plugin
from neonport.plugins.status import Status
from neonport.plugins.trial import in_words

VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES",
    "OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "RUSTICL_ENABLE", "PYTHONWARNINGS",
)  # fmt: skip
FLAGS = ("avx", "fma", "f16c", "sse4", "amx", "asimd", "sve", "neon")  # beginnings of names
AT_START = dict(os.environ)  # before libraries add to it
LONGEST = 4_000  # characters of a traceback; its end says most


def bug_report(
    host: Mapping[str, str],
    rows: Sequence[Status],
    plugins: Sequence[Plugin],
    settings: Sequence[Mapping[str, Any]],
) -> str:
    """The report; folders, the user and the machine are not named.

    Args:
        host: lines on the machine and the software, by label.
        rows: the backends.
        plugins: the entry points, with what they did.
        settings: the environment variables, as `doctor` lists them.
    """
    chosen = [(row["name"], row["value"], row["complaint"]) for row in settings if row["set"]]
    chosen += [(name, AT_START[name], "") for name in VARIABLES if name in AT_START]
    parts = [
        "## neonport doctor --report",
        *_lines("Software and machine", [*host.items(), *_machine(), ("packages", _packages())]),
        *_lines("Backends", ((row.name, _backend(row)) for row in rows)),
        *_lines("Devices", ((row.name, device) for row in rows for device in row.devices)),
        *_lines("Plugins", ((plugin.name, _plugin(plugin)) for plugin in plugins)),
        *_lines("Settings that are set", ((n, f"{v} {w}".strip()) for n, v, w in chosen)),
        *_lines("Caches", _caches()),
    ]
    for row in rows:
        if row.traceback:
            parts += ["", f"### {row.name} ({row.distribution} {row.version}): traceback", ""]
            parts += ["```text", row.traceback[-LONGEST:].strip("\n"), "```"]
    parts += [
        "",
        "Folders and the names of user and machine were replaced; read it before you pass it on.",
    ]
    return impersonal("\n".join(parts))


def _lines(heading: str, items: Iterable[tuple[str, str]]) -> list[str]:
    found = [f"- {label}: {text}" for label, text in items]
    return ["", f"### {heading}", "", *(found or ["- none"])]


def _backend(row: Status) -> str:
    parts = [f"{row.state}, {row.distribution} {row.version}, protocol {row.protocol}"]
    parts += [text for text in (row.device, in_words(row.abilities), row.reason) if text]
    return "; ".join(parts)


def _plugin(plugin: Plugin) -> str:
    brought = [info.name for info in plugin.backends]
    brought += [f"{kind} {info.name}" for kind, info in plugin.extensions]
    names = ", ".join(brought) or "nothing"
    parts = [f"{plugin.state}, {plugin.origin}, {plugin.value}, brings {names}"]
    return "; ".join([*parts, *(f.reason for f in plugin.failures), *plugin.remarks])


def _machine() -> list[tuple[str, str]]:
    from neonport.backends.host.cpu_info import cpu_flags, cpu_name

    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:  # not this kind of system
        system = ""
    flags = sorted(flag for flag in cpu_flags() if flag.startswith(FLAGS))
    name, version = platform.libc_ver()
    return [
        ("distribution", ", ".join(filter(None, [system, f"{name} {version}".strip()])) or "-"),
        ("processor", f"{cpu_name()}, {os.cpu_count()} cores: {' '.join(flags)}"),
        ("Python build", f"{platform.python_implementation()} {platform.python_compiler()}"),
    ]


def _packages() -> str:
    """Packages of others whose modules are loaded by now, with their versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in sorted(set(sys.modules) - sys.stdlib_module_names - {"neonport"}):
        if "." not in name and not name.startswith("_"):
            with suppress(PackageNotFoundError, ValueError):
                found.append(f"{name} {version(name)}")
    return ", ".join(found)


def _caches() -> list[tuple[str, str]]:
    from neonport.io.cache_dir import cache_dir

    place = cache_dir()
    found = [("folder", str(place))]
    for folder in sorted(entry for entry in place.iterdir() if entry.is_dir()):
        sizes = [file.stat().st_size for file in folder.iterdir() if file.is_file()]
        found.append((folder.name, f"{len(sizes)} files, {sum(sizes) / 2**20:.1f} MiB"))
    return found
