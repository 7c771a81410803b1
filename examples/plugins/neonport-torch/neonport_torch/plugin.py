"""Announces the backend; importing this imports no PyTorch."""

from __future__ import annotations

from neonport.plugins.hookspecs import BackendInfo, hookimpl


@hookimpl
def register_backends() -> list[BackendInfo]:
    """Return the backend `torch`."""
    return [
        BackendInfo(
            "torch",
            "neonport_torch.device:TorchBackend",
            protocol=(1, 0),
            summary="PyTorch tensors on any device of PyTorch",
        )
    ]
