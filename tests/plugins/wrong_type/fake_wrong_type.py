"""Returns good and bad entries, the bad one with a repr that raises."""

from neonport.hookspecs import BackendInfo, hookimpl


class Nasty:
    """Cannot even be printed."""

    def __repr__(self):
        raise RuntimeError("no repr for you")


@hookimpl
def register_backends():
    """A good entry between bad ones."""
    return [Nasty(), BackendInfo("halfgood", "builtins:dict", protocol=(1, 0)), "npu"]
