"""A backend on the first OpenCL device, or a skip with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from neonport.backends.opencl import discovery as devices
from neonport.backends.opencl.device import OpenCLBackend


@pytest.fixture
def ocl() -> Iterator[OpenCLBackend]:
    found = devices.probe()
    if found.state != "ready":
        pytest.skip(found.reason)
    be = OpenCLBackend(rng_seed=0)
    be.bsz = 4
    yield be
    be.cleanup_backend()
