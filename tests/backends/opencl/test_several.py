"""Several backends alive in one process: cpu, and OpenCL on one platform and on two."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from neonport.backends.opencl import discovery as devices
from neonport.backends.opencl.device import OpenCLBackend
from neonport.errors import BackendMismatchError
from neonport.plugins.registry import create_backend


@pytest.fixture(params=["one platform", "two platforms"])
def three(request, ocl, monkeypatch):
    """A cpu backend and two of OpenCL."""
    monkeypatch.delenv("NEONPORT_OPENCL_DEVICE", raising=False)
    found, _ = devices.list_devices()
    first = next(d for d in found if d.handle == ocl.device.info.handle)
    second = first
    if request.param == "two platforms":
        others = [d for d in found if d.platform != first.platform]
        if not others:
            pytest.skip(f"{first.words} is the only platform here")
        second = others[0]
    made = [create_backend("cpu", rng_seed=0), *(OpenCLBackend(device_id=d.index) for d in
            (first, second))]  # fmt: skip
    for be in made:
        be.bsz = 4
    yield made
    for be in made:
        be.cleanup_backend()


def test_each_computes_by_itself(three):
    values = np.random.RandomState(0).normal(size=(20, 30)).astype(np.float32)
    tensors = [be.array(values) for be in three]
    for t in tensors:
        t[:] = t.backend.tanh(t) * 2
    for t in tensors:
        np.testing.assert_allclose(t.get(), np.tanh(values) * 2, rtol=1e-5, atol=1e-6)


def test_tensors_move_between_all_of_them(three):
    values = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    for source in three:
        t = source.array(values)[:, ::2]
        for target in three:
            assert np.array_equal(target.array(t).get(), values[:, ::2])
            assert np.array_equal(target.empty((3, 2)).copy_from(t).get(), values[:, ::2])
            assert np.array_equal(target.from_dlpack(t, copy=True).get(), values[:, ::2])


def test_an_expression_that_mixes_them_names_the_way_out(three):
    for i, a in enumerate(three):
        for j, b in enumerate(three):
            if i == j:
                continue
            x, y = a.ones((2, 2)), b.ones((2, 2))
            with pytest.raises(BackendMismatchError, match=r"be\.array\(|copy_from"):
                x[:] = x + y
            with pytest.raises(BackendMismatchError, match=r"copy_from"):
                x[:] = y * 2
            assert x.get().sum() == 4


def test_closing_one_leaves_the_others(three):
    cpu, a, b = three
    t = b.ones((3, 3))
    a.cleanup_backend()
    t[:] = t * 5
    assert t.get().sum() == 45
    assert cpu.ones((2, 2)).get().sum() == 4


@pytest.mark.skipif("sys.platform != 'linux'", reason="reads /proc/self/statm")
def test_many_life_cycles_leave_memory_flat(ocl):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def cycle(count):
        for _ in range(count):
            be = OpenCLBackend(rng_seed=0)
            be.bsz = 4
            x, y = be.ones((300, 400)), be.empty((300, 400))
            y[:] = be.exp(x) + be.sum(x, axis=1)
            assert y.get()[0, 0] > 400
            be.cleanup_backend()
        gc.collect()

    cycle(60)
    before = resident()
    cycle(120)  # 120 MB of tensors
    assert resident() - before < 40 << 20
