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

from neonport.plugins.info import PROTOCOL, BackendInfo, ProbeResult

__all__ = ["PROTOCOL", "BackendInfo", "ProbeResult", "hookimpl", "hookspec", "register_backends"]

PROJECT = "neonport"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_backends() -> Iterable[BackendInfo]:  # type: ignore[empty-body]
    """Return the backends this plugin brings."""
