"""A device backend that runs its own kernels, or a skip with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from neonport.backends.opencl import discovery as devices
from neonport.ops.op import OPS
from neonport.tensor.tensor import Tensor

TOLERANCE = {"float16": 2e-3, "bfloat16": 1e-2, "float32": 2e-5, "float64": 1e-12}


def cuda_backend() -> Any:
    """CUDA without cuBLAS."""
    from neonport.backends.cuda.device import CUDABackend

    be = CUDABackend(rng_seed=0)
    be.cublas = False
    return be


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A device with memory of its own: no BLAS, nothing measured; CUDA if asked for, or OpenCL."""
    monkeypatch.setenv("NEONPORT_TUNE", "0")
    if "cuda" in (request.config.getoption("--backend") or ()):
        be = cuda_backend()
        be.bsz = 4
        yield be
        be.cleanup_backend()
        return
    found = devices.probe()
    if found.state != "ready":
        pytest.skip(found.reason)
    from neonport.backends.opencl.device import OpenCLBackend

    be = OpenCLBackend(rng_seed=0)
    be.bsz = 4
    be.device.shared = be.device.blocks.shared = False
    yield be
    be.cleanup_backend()


def laid(be: Any, values: np.ndarray, layout: str) -> Tensor:
    """A tensor with these values: "plain", "offset" within a larger one, or with axes "turned"."""
    if layout == "turned":
        t = be.array(np.ascontiguousarray(values.T), dtype=values.dtype)
        return Tensor(be, t.storage, t.dtype, (values.shape, t.strides[::-1], t.offset))
    if layout == "offset":
        room = np.full(tuple(n + 3 for n in values.shape), 99, values.dtype)
        room[tuple(slice(1, n + 1) for n in values.shape)] = values
        return be.array(room, dtype=values.dtype)[tuple(slice(1, n + 1) for n in values.shape)]
    return be.array(values, dtype=values.dtype)


@pytest.fixture
def check(dev: Any) -> Callable[..., np.ndarray]:
    """Compare a hand-written kernel with the op's NumPy definition; gives its values."""

    def compare(
        op: str, *operands: np.ndarray, layout: str = "plain", exact: bool = False, **params: Any
    ) -> np.ndarray:
        if any(a.dtype.name == "float64" for a in operands) and not dev.device.traits.float64:
            pytest.skip("the device has no float64")
        want: np.ndarray = OPS[op].numpy(*operands, **params)
        target = laid(dev, np.full(want.shape, 7, want.dtype), layout)
        tensors = [laid(dev, a, layout) for a in operands]
        dev.device.library_call(op, tensors, target, params)()
        got = target.get()
        if exact:
            np.testing.assert_array_equal(got, want)
        else:
            scale = max(1.0, float(np.abs(want.astype(np.float64)).max(initial=0)))
            tolerance = TOLERANCE[want.dtype.name]
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * scale)
        return want

    return compare
