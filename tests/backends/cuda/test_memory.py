"""Memory of the device, and what goes in and out of it."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from neonport.backends.cuda import memory
from neonport.errors import ClosedBackendError, OutOfDeviceMemory


def test_memory_is_zero_filled_when_it_is_used_again(cuda):
    for _ in range(3):
        t = cuda.empty((100, 100))
        assert not t.get().any()
        t.fill(7)
        t.get()
        del t


def test_too_much_names_numbers(cuda):
    with pytest.raises(OutOfDeviceMemory, match=r"\d+ bytes do not fit on .*: \d+ of \d+ are free"):
        cuda.empty((1 << 21, 1 << 21))
    assert cuda.ones((2, 2)).get().all()


def test_statistics(cuda):
    before = cuda.memory_stats()["in_use"]
    t = cuda.zeros((1000, 1000))
    assert cuda.memory_stats()["in_use"] - before >= t.nbytes
    del t
    stats = cuda.memory_stats()
    assert stats["in_use"] == before
    assert stats["held"] >= 4_000_000
    assert stats["peak"] >= before + 4_000_000


def test_host_data_may_change_after_set(cuda):
    values, tensors = np.zeros((64, 64), np.float32), []
    for i in range(40):
        values[:] = i
        t = cuda.empty((64, 64))
        t.set(values)
        tensors.append(t)
    for i, t in enumerate(tensors):
        assert (t.get() == i).all()


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64"]
)
def test_every_bit_of_views_survives(cuda, dtype):
    kind = np.dtype(dtype)
    if dtype == "bool":
        values = np.random.RandomState(0).rand(12, 10) < 0.5
    else:
        values = np.frombuffer(np.random.RandomState(0).bytes(120 * kind.itemsize), kind)
        values = values.reshape(12, 10).copy()
    t = cuda.array(values, dtype=kind)
    for view, want in ((t, values), (t.T, values.T), (t[2:9, 3:7], values[2:9, 3:7])):
        assert view.get().tobytes() == np.ascontiguousarray(want).tobytes()
    t[2:9, 3:7].set(values[:7, :4])
    values[2:9, 3:7] = values[:7, :4].copy()
    assert t.get().tobytes() == values.tobytes()


def test_native_is_cupys_array(cuda):
    t = cuda.array(np.arange(12.0).reshape(3, 4))
    native = t[1:, 1:].native
    assert native.shape == (2, 3)
    cuda.synchronize()
    np.testing.assert_array_equal(native.get(), t.get()[1:, 1:])


def test_after_cleanup(cuda):
    t = cuda.zeros((2, 2))
    cuda.cleanup_backend()
    with pytest.raises(ClosedBackendError):
        t.get()
    cuda.cleanup_backend()


def test_a_backend_that_goes_leaves_no_transfer_without_its_memory(make_cuda):
    from neonport.backends.cuda.device import CUDABackend

    be = CUDABackend()
    be.array(np.ones((30, 30)))
    *_, (event, stage) = memory._pending
    address = stage.ptr
    del be, stage
    gc.collect()
    other = make_cuda()
    for _ in range(memory.STAGES):
        other.array(np.ones((30, 30)))
        assert event.done or memory._pending[-1][1].ptr != address
    other.cleanup_backend()
    assert not memory._pending


@pytest.mark.parametrize("finalizer_uploads", [False, True])
def test_tensors_may_be_collected_while_memory_is_handed_out(cuda, finalizer_uploads):
    class Cycle:
        def __init__(self):
            self.tensor = cuda.ones((100, 100))
            self.itself = self

        def __del__(self):
            if finalizer_uploads:
                cuda.array(np.ones((3, 4)))

    Cycle()
    with cuda.device.blocks._lock, memory._pending_lock:
        gc.collect()
    assert cuda.ones((100, 100)).get().all()


def test_pinned_buffers_are_filled_and_sent_again_and_again(cuda):
    buffer = cuda.device.host_buffer((64, 64), np.dtype(np.float32))
    assert not buffer.array.any()
    tensors = [cuda.empty((64, 64)) for _ in range(20)]
    for i, t in enumerate(tensors):
        buffer.wait()
        buffer.array[:] = i
        buffer.send(t)
    for i, t in enumerate(tensors):
        assert (t.get() == i).all()
    buffer.array[:] = 7
    wide = cuda.zeros((64, 128))
    buffer.send(wide[:, ::2])  # not in one piece
    assert (wide.get() == [7, 0] * 64).all()
    half = cuda.empty((64, 64), dtype=np.float16)
    buffer.send(half)
    assert (half.get() == 7).all()


def test_a_pinned_buffer_that_goes_takes_no_pending_copy_with_it(cuda):
    t = cuda.empty((64, 64))
    buffer = cuda.device.host_buffer((64, 64), np.dtype(np.float32))
    buffer.array[:] = 3
    buffer.send(t)
    del buffer
    gc.collect()
    assert (t.get() == 3).all()
