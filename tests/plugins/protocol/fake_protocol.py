"""One backend of another major protocol, one of a later minor, and a hook of the future."""

from neonport.hookspecs import BackendInfo, ProbeResult, hookimpl


class Backend:
    """Just enough to be constructed."""

    def empty(self, shape):
        """Required of a backend."""

    def cleanup_backend(self):
        """Required of a backend."""

    @classmethod
    def probe(cls):
        """Ready."""
        return ProbeResult("ready", device="fake")


@hookimpl
def register_backends():
    """Two backends."""
    return [
        BackendInfo("futuristic", "fake_protocol:Backend", protocol=(7, 3)),
        BackendInfo("newer", "fake_protocol:Backend", protocol=(1, 999)),
    ]


@hookimpl
def register_a_thing_of_the_future(thing):
    """A hook this neonport does not know: no reason to refuse the plugin."""
