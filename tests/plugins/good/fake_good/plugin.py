"""The hook module."""

from neonport.hookspecs import BackendInfo, hookimpl


@hookimpl
def register_backends():
    """A third-party backend that would love to be the default."""
    return [
        BackendInfo(
            "npu",
            "fake_good.backend:NpuBackend",
            protocol=(1, 0),
            priority=1_000_000,
            aliases=("neural",),
            summary="a fake",
        )
    ]
