"""The cuda backend on a device, or over the emulated CuPy (NEONPORT_CUDA_EMULATOR=1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

# these need CuPy, real or emulated; `tox -e cuda-emulated` brings the latter
collect_ignore = [] if find_spec("cupy") else [
    "test_dlpack.py", "test_gpu_check.py", "test_graphs.py", "test_memory.py",
    "test_cublas.py", "test_programs.py", "test_streams.py",
]  # fmt: skip


@pytest.fixture
def make_cuda() -> Iterator[Callable[..., Any]]:
    """Backends, cleaned up at the end."""
    from neonport.backends.cuda import discovery as devices
    from neonport.backends.cuda.device import CUDABackend

    found = devices.probe()
    if found.state != "ready":
        pytest.skip(found.reason)
    made = []

    def make(**kwargs: Any) -> Any:
        be = CUDABackend(rng_seed=0, **kwargs)
        be.bsz = 4
        made.append(be)
        return be

    yield make
    for be in made:
        be.cleanup_backend()


@pytest.fixture
def cuda(make_cuda: Callable[..., Any]) -> Any:
    """A backend on the first device."""
    return make_cuda()
