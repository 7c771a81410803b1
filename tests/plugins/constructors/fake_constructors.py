"""Backends whose factories fail in every way there is."""

import sys

from neonport.hookspecs import BackendInfo, hookimpl


def make_keyerror(**keywords):
    """A bug inside."""
    raise KeyError("a bug inside the constructor")


def make_valueerror(**keywords):
    """A complaint about an argument."""
    raise ValueError("default_dtype must be float32")


def make_exit(**keywords):
    """Tries to end the process."""
    sys.exit(9)


def make_nothing(**keywords):
    """Returns something that is no backend."""


@hookimpl
def register_backends():
    """One backend a factory."""
    return [
        BackendInfo(name.replace("make_", "make-"), f"fake_constructors:{name}", protocol=(1, 0))
        for name in ("make_keyerror", "make_valueerror", "make_exit", "make_nothing", "make_gone")
    ]
