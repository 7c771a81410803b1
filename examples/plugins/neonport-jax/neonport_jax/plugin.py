"""Announces the backend; importing this imports no JAX."""

from __future__ import annotations

from neonport.plugins.hookspecs import BackendInfo, hookimpl


@hookimpl
def register_backends() -> list[BackendInfo]:
    """Return the backend `jax`."""
    return [
        BackendInfo(
            "jax",
            "neonport_jax.device:JaxBackend",
            protocol=(1, 0),
            summary="JAX arrays; each statement is compiled by jax.jit",
        )
    ]
