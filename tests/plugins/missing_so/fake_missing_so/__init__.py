"""The hook module is fine, the backend needs a shared library that is gone."""

from neonport.hookspecs import BackendInfo, hookimpl


@hookimpl
def register_backends():
    """One backend."""
    return BackendInfo("missingso", "fake_missing_so.backend:Backend", protocol=(1, 0))
