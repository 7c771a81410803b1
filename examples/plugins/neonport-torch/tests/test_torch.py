"""What is particular to PyTorch: memory that is shared, names of devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neonport.errors import BackendUnavailable, OutOfDeviceMemory
from neonport.plugins.registry import create_backend, probe


@pytest.fixture
def be():
    backend = create_backend("torch", rng_seed=0, device="cpu")
    backend.bsz = 4
    yield backend
    backend.cleanup_backend()


def test_the_backend_is_found():
    assert probe("torch").state == "ready"


def test_native_is_a_view_of_the_tensor(be):
    x = be.array([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(x.native, torch.Tensor)
    x.T.native[0, 1] = 7
    assert x.get().tolist() == [[1, 2], [7, 4]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int32])
def test_memory_of_pytorch_is_shared(be, dtype):
    theirs = torch.arange(6).reshape(2, 3).to(dtype)
    x = be.from_dlpack(theirs)
    x[:] = x + 1
    assert theirs.tolist() == [[1, 2, 3], [4, 5, 6]]
    torch.from_dlpack(x)[0, 0] = 9
    assert theirs[0, 0] == 9


def test_a_statement_leaves_no_graph_of_gradients(be):
    theirs = torch.ones(2, 2, requires_grad=True)
    x = be.from_dlpack(theirs.detach())
    y = be.empty((2, 2))
    y[:] = be.exp(x)
    assert not y.native.requires_grad


def test_devices_that_are_not_there():
    with pytest.raises(BackendUnavailable):
        create_backend("torch", device_id=99)


def test_no_room(be):
    with pytest.raises(OutOfDeviceMemory):
        be.empty((1 << 24, 1 << 24))


def test_what_pytorch_lacks_runs_on_the_host(be):
    y = be.zeros((4, 1))
    y[:] = be.take(be.array([[1.0], [2.0]]), be.array([[1], [0], [1], [5]], dtype=np.int32), axis=0)
    assert y.get().ravel().tolist() == [2, 1, 2, 0]
    assert "take" not in be.device.computer.fallbacks
