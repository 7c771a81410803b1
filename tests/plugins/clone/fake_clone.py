"""A second distribution that brings the name `npu`."""

from neonport.hookspecs import BackendInfo, hookimpl


@hookimpl
def register_backends():
    """The same name with a lower priority."""
    return [BackendInfo("npu", "fake_clone:nothing", protocol=(1, 0), priority=5)]
