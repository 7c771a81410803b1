"""Backends whose probes answer in every way there is."""

import sys

from neonport.hookspecs import BackendInfo, ProbeResult, hookimpl


def make(**keywords):
    """Construct nothing."""


def no_device():
    """Fine, but nothing to run on."""
    return ProbeResult("no-device", reason="the driver reports 0 accelerators")


def not_installed():
    """A library is missing."""
    return ProbeResult("not-installed", reason="libfoo is missing; pip install foo[bar]")


def raises():
    """Breaks."""
    raise LookupError("probe blew up")


def exits():
    """Tries to end the process."""
    sys.exit(9)


def lies():
    """Returns the wrong type."""
    return "ready"


@hookimpl
def register_backends():
    """Give one backend a probe."""
    for probe in (no_device, not_installed, raises, exits, lies):
        name = "probe-" + probe.__name__.replace("_", "-")
        yield BackendInfo(name, make, protocol=(1, 0), probe=probe)
    yield BackendInfo("probe-none", make, protocol=(1, 0))
