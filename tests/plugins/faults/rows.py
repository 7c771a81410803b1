"""A row of the catalogue of faults, and the sources of plugins that most rows are made of."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

HEAD = "from neonport.plugins.hookspecs import BackendInfo, ProbeResult, hookimpl\n"
CPU = "neonport.backends.cpu.device:CPUBackend"


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: of the entry point; the distribution is called `fault-<name>`.
        does: what the plugin does, for the table.
        source: of its module, or None where there is none.
        state: of the backend or plugin in `neonport doctor`.
        words: regular expression of what doctor says.
        named: what happens where the plugin is named: `BackendUnavailable`, ..., `works`, or `ends`
            for what would end or hang any process.
        points: text of entry_points.txt, where it is not the usual one.
        metadata: text of METADATA, where it is not the usual one.
        backend: of the row to look at, where it is not called like the entry point.
    """

    name: str
    does: str
    source: str | bytes | None
    state: str
    words: str
    named: str = "BackendUnavailable"
    points: str | bytes | None = None
    metadata: str | None = None
    backend: str | None = None

    @property
    def by_pip(self) -> bool:
        """Whether pip of each age installs it; what it refuses is put there as files."""
        odd = ("noequals", "binary", "nameless", "novalue")
        return self.name.isascii() and self.name not in odd

    @property
    def distribution(self) -> str:
        return f"fault-{self.name}"

    @property
    def module(self) -> str:
        return f"fault_{self.name.replace('-', '_')}"


@dataclass
class Catalogue:
    faults: list[Fault] = field(default_factory=list)

    def add(
        self, name: str, does: str, source: str | bytes | None, state: str, words: str, **more
    ) -> None:
        self.faults.append(Fault(name, does, source, state, words, **more))


def hook(name: str, *, factory: str = repr(CPU), protocol: str = "(1, 0)", before: str = "") -> str:
    """A plugin that brings one backend."""
    return (
        f"{HEAD}\n{textwrap.dedent(before)}\n"
        "@hookimpl\n"
        "def register_backends():\n"
        f"    return [BackendInfo({name!r}, {factory}, protocol={protocol})]\n"
    )


def returning(value: str, before: str = "") -> str:
    """A plugin whose hook returns something else."""
    return f"{HEAD}\n{before}\n@hookimpl\ndef register_backends():\n    return {value}\n"


def device(name: str, body: str) -> str:
    """A plugin with a device of its own, derived from that of `cpu`."""
    head = (
        "from neonport.backends.backend import Backend\n"
        "from neonport.backends.cpu.device import CPUBackend\n"
        "Good = CPUBackend.device_class\n"
    )
    return hook(name, factory="lambda **k: Faulty(**k)", before=head + textwrap.dedent(body))
