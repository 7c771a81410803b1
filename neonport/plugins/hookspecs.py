"""The hooks of neonport, in pluggy's words; a plugin is a module that implements some of them.

    from neonport.plugins.hookspecs import BackendInfo, hookimpl

    @hookimpl
    def register_backends():
        return [BackendInfo("npu", "my_package.backend:NpuBackend", protocol=(1, 0))]

announced in the plugin's pyproject.toml, the entry point named like the backend:

    [project.entry-points.neonport]
    npu = "my_package.plugin"
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from neonport.plugins.info import PROTOCOL, BackendInfo, ClassInfo, OpInfo, ProbeResult

__all__ = [
    "PROTOCOL",
    "BackendInfo",
    "ClassInfo",
    "OpInfo",
    "ProbeResult",
    "hookimpl",
    "hookspec",
    "register_backends",
    "register_callbacks",
    "register_datasets",
    "register_layers",
    "register_ops",
    "register_optimizers",
]

PROJECT = "neonport"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_backends() -> Iterable[BackendInfo]:  # type: ignore[empty-body]
    """Return the backends this plugin brings."""


@hookspec
def register_ops() -> Iterable[OpInfo]:  # type: ignore[empty-body]
    """Return the ops this plugin brings, each a method of every backend."""


@hookspec
def register_layers() -> Iterable[ClassInfo]:  # type: ignore[empty-body]
    """Return the layers this plugin brings, found in `neonport.layers`."""


@hookspec
def register_datasets() -> Iterable[ClassInfo]:  # type: ignore[empty-body]
    """Return the data sets this plugin brings, found in `neonport.data.datasets`."""


@hookspec
def register_callbacks() -> Iterable[ClassInfo]:  # type: ignore[empty-body]
    """Return the callbacks this plugin brings, found in `neonport.callbacks`."""


@hookspec
def register_optimizers() -> Iterable[ClassInfo]:  # type: ignore[empty-body]
    """Return the optimizers this plugin brings, found in `neonport.optimizers`."""
