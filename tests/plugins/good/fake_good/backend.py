"""The backend module, imported when it is named or probed."""

from neonport.hookspecs import ProbeResult


class NpuBackend:
    """Just enough to be constructed."""

    def __init__(self, **keywords):
        self.keywords = keywords
        self.closed = False

    @classmethod
    def probe(cls):
        """One device."""
        return ProbeResult("ready", device="fake NPU", count=1)

    def empty(self, shape):
        """Required of a backend."""

    def cleanup_backend(self):
        """Close."""
        self.closed = True
