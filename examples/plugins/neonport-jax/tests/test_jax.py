"""What is particular to JAX: immutable arrays as memory, 64 bits, compiled statements."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neonport_jax import memory

from neonport.errors import BackendUnavailable, DLPackError, OutOfDeviceMemory
from neonport.plugins.registry import create_backend, probe


@pytest.fixture(scope="module")
def be():
    backend = create_backend("jax", rng_seed=0)
    backend.bsz = 4
    yield backend
    backend.cleanup_backend()


def test_the_backend_is_found():
    assert probe("jax").state == "ready"


def test_views_and_their_base_agree(be):
    base = be.array(np.arange(12.0).reshape(3, 4))
    row, turned, backward = base[1], base.T, base[:, ::-1]
    row[:] = row * 10
    assert base.get()[1].tolist() == [40, 50, 60, 70]
    assert turned.get()[:, 1].tolist() == [40, 50, 60, 70]
    backward[:] = backward + 1
    assert base.get()[0].tolist() == [1, 2, 3, 4]
    base[:] = 0
    assert not row.get().any()
    assert not backward.get().any()


def test_bytes_seen_as_another_dtype(be):
    x = be.array([[1.0, -2.0, 0.5]], dtype=np.float32)
    bits = x.share((1, 3), np.int32)
    assert np.array_equal(bits.get(), x.get().view(np.int32))
    bits[:] = be.array([[0, 1 << 30, 0]], dtype=np.int32)
    assert x.get().tolist() == [[0.0, 2.0, 0.0]]


def test_native_does_not_change(be):
    x = be.zeros((2, 2))
    before = x.native
    x[:] = 1
    assert isinstance(before, jax.Array)
    assert not np.asarray(before).any()


def test_the_setting_of_the_process_stays(be):
    x, y = be.array([[0.5]], dtype=np.float64), be.empty((1, 1), dtype=np.float64)
    y[:] = be.exp(x)
    assert y.get()[0, 0] == pytest.approx(np.exp(0.5), rel=1e-15)
    assert not jax.config.jax_enable_x64
    assert jnp.ones(2).dtype == np.float32
    assert (jnp.arange(3) + 1).dtype == np.int32


def test_the_next_slice_and_other_numbers_compile_nothing(be):
    data, y = be.array(np.arange(24.0).reshape(6, 4)), be.empty((2, 4))
    y[:] = data[0:2] * 2.0
    compiled, (launch,) = len(be.device.compiled), list(be.device.compiled.values())[-1:]
    traces = launch.run._cache_size()
    for first, rate in ((2, 3.0), (4, 0.5)):
        y[:] = data[first : first + 2] * rate
        assert np.array_equal(y.get(), data.get()[first : first + 2] * rate)
    assert len(be.device.compiled) == compiled
    assert launch.run._cache_size() == traces


def test_random_numbers_are_those_of_cpu(be):
    cpu = create_backend("cpu", rng_seed=7)
    other = create_backend("jax", rng_seed=7)
    a, b = cpu.empty((3, 5)), other.empty((3, 5))
    for _ in range(2):
        a[:], b[:] = cpu.rand(), other.rand()
        assert np.array_equal(a.get(), b.get())


def test_memory_is_not_shared(be):
    with pytest.raises(DLPackError, match="copy"):
        be.from_dlpack(np.zeros((2, 2)))
    x = be.array(jnp.ones((2, 3)))
    assert np.from_dlpack(x.host()).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_devices_and_memory_that_are_not_there(be):
    with pytest.raises(BackendUnavailable):
        create_backend("jax", device_id=99)
    with pytest.raises(OutOfDeviceMemory):
        be.empty((1 << 25, 1 << 25))


@pytest.mark.parametrize(
    ("shape", "strides", "start"),
    [
        ((3, 4), (4, 1), 0),
        ((4, 3), (1, 4), 0),
        ((3, 2), (4, 2), 1),
        ((3, 4), (-4, 1), 8),
        ((2, 3), (-8, -1), 11),
        ((3, 4), (0, 1), 4),
        ((1, 5), (7, 2), 2),
        ((3, 3), (2, 1), 0),  # overlapping windows: no box, an index for each element
        ((2, 2, 2), (1, 2, 6), 0),
        ((1, 1), (1, 1), 11),
        ((0, 3), (3, 1), 0),
    ],
)
def test_layouts(shape, strides, start):
    flat = np.arange(12, dtype=np.float32)
    view = np.lib.stride_tricks.as_strided(flat[start:], shape, [4 * s for s in strides])
    assert np.array_equal(memory.read(jnp.asarray(flat), start, shape, strides), view)
    if 0 not in strides and strides != (2, 1):
        wanted = flat.copy()
        target = np.lib.stride_tricks.as_strided(wanted[start:], shape, [4 * s for s in strides])
        target[...] = -1 - np.arange(target.size).reshape(shape)
        found = memory.write(jnp.asarray(flat), start, shape, strides, jnp.asarray(target))
        assert np.array_equal(found, wanted)
