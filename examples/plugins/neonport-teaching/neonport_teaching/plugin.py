"""What neonport finds: one hook."""

from neonport.plugins.hookspecs import BackendInfo, hookimpl


@hookimpl
def register_backends():
    """The backends of this package."""
    return [
        BackendInfo(
            "teaching",
            "neonport_teaching.device:TeachingBackend",
            protocol=(1, 0),
            summary="Python's own memory, to learn from",
        )
    ]
