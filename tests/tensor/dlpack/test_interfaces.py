"""Python's buffers, NumPy's and CUDA's array interface, arrays of PyOpenCL."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from neonport.errors import DLPackError
from neonport.plugins.registry import create_backend

SIMPLE, WRITABLE, FULL = 0, 1, 0x11D  # of inspect.BufferFlags


def view_of(t):
    """A memoryview of a tensor; Python calls `__buffer__` from 3.12 on."""
    return memoryview(t if sys.version_info >= (3, 12) else t.__buffer__(FULL))


def test_a_buffer_is_the_live_memory(with_memory):
    be = with_memory("cpu")
    t = be.array(np.arange(6.0).reshape(2, 3), dtype=np.float32)
    with view_of(t) as view:
        assert (view.shape, view.strides, view.format, view.nbytes) == ((2, 3), (12, 4), "f", 24)
        t[:] = t * 2
        assert view.tolist() == [[0, 2, 4], [6, 8, 10]]
        view[1, 2] = 7
    assert t.get()[1, 2] == 7
    assert bytes(view_of(t[:, 1])) == t[:, 1].get().tobytes()


@pytest.mark.opencl
def test_a_buffer_waits_for_pending_work(with_memory):
    be = with_memory("opencl, shared")
    x, y = be.ones((300, 300)), be.empty((300, 300))
    for _ in range(10):
        y[:] = be.dot(x, x)
    assert view_of(y)[5, 7] == 300


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint64"]
)
@pytest.mark.parametrize("view", [lambda t: t, lambda t: t.T, lambda t: t[::-1, 1:]])
def test_buffers_of_dtypes_and_views(with_memory, dtype, view):
    be = with_memory("cpu")
    values = np.arange(12).reshape(3, 4).astype(dtype)
    t = be.array(values, dtype=dtype)
    found = np.asarray(view_of(view(t)))
    assert found.dtype == dtype
    assert np.array_equal(found, view(values))


def test_a_buffer_keeps_the_memory(with_memory):
    be = with_memory("cpu")
    t = be.ones((100, 100))
    view = view_of(t)
    be.cleanup_backend()
    del t
    gc.collect()
    others = [np.full((100, 100), 9, np.float32) for _ in range(20)]
    assert np.asarray(view).sum() == 100 * 100
    del others


def test_what_is_no_buffer(with_memory):
    be = with_memory("cpu")
    with pytest.raises(DLPackError, match=r"no bfloat16.*np\.uint16"):
        be.ones((2, 2), dtype="bfloat16").__buffer__(FULL)
    array = np.ones((2, 2), np.float32)
    array.flags.writeable = False
    t = be.from_dlpack(array)
    with pytest.raises(BufferError, match=r"read-only; copy it: memoryview\(t\.get\(\)\)"):
        t.__buffer__(FULL | WRITABLE)
    assert t.__buffer__(SIMPLE).readonly


@pytest.mark.opencl
def test_memory_of_a_device_is_no_buffer(with_memory):
    t = with_memory("opencl, device memory").ones((2, 3))
    with pytest.raises(BufferError, match=r"not the host's; copy it: memoryview\(t\.get\(\)\)"):
        t.__buffer__(FULL)
    assert np.asarray(t).sum() == np.array(t).sum() == 6


def test_the_host_view_is_a_buffer(with_memory):
    t = with_memory("cpu").ones((2, 3))
    np.asarray(view_of(t.host()))[0, 0] = 5
    assert t.get()[0, 0] == 5


def test_arrays_are_the_live_memory_where_it_is_the_hosts(with_memory):
    t = with_memory("cpu").ones((2, 3))
    for share in (np.asarray, lambda t: np.array(t, copy=False)):
        share(t)[0, 0] = 5
        assert t.get()[0, 0] == 5
        t[:] = 1
    np.array(t)[0, 0] = 5
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert t.get()[0, 0] == 1


def test_only_memory_of_cuda_has_cudas_interface(memory):
    t = memory.ones((2, 3))
    assert not hasattr(t, "__cuda_array_interface__")
    with pytest.raises(AttributeError, match="its memory is not CUDA's"):
        t.__cuda_array_interface__


# ---- PyOpenCL ------------------------------------------------------------------------------------


@pytest.fixture
def opencl(with_memory):
    return with_memory("opencl, device memory")


@pytest.mark.opencl
def test_arrays_of_pyopencl_in_and_out(opencl):
    import pyopencl.array as cl_array

    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = cl_array.to_device(opencl.device.queue, values)
    t = opencl.from_dlpack(x[1:, 1:3])
    t[:] = -t
    opencl.synchronize()
    want = values.copy()
    want[1:, 1:3] *= -1
    assert np.array_equal(x.get(), want)
    back = opencl.pyopencl_array(t.T)
    assert (back.shape, back.strides) == ((2, 2), (4, 16))
    assert back.base_data.int_ptr == x.base_data.int_ptr
    whole = opencl.pyopencl_array(opencl.from_dlpack(x))
    whole.set(want + 1)
    assert np.array_equal(x.get(), want + 1)


@pytest.mark.opencl
def test_an_array_of_pyopencl_keeps_the_memory(opencl):
    t = opencl.ones((100, 100))
    rows = opencl.pyopencl_array(t)[10:20]
    del t
    opencl.bound.clear()
    gc.collect()
    others = [opencl.zeros((100, 100)).fill(9) for _ in range(20)]
    opencl.synchronize()
    assert (rows.get() == 1).all()
    del others


@pytest.mark.opencl
def test_what_pyopencl_cannot_have(opencl, with_memory):
    with pytest.raises(DLPackError, match="is no tensor of"):
        opencl.pyopencl_array(create_backend("cpu").ones((2, 2)))
    shared = with_memory("opencl, shared")
    with pytest.raises(DLPackError, match=r"is the host's; copy it: pyopencl\.array\.to_device"):
        shared.pyopencl_array(shared.ones((2, 2)))


@pytest.mark.opencl
def test_what_cannot_be_taken_of_pyopencl(opencl):
    import pyopencl as cl
    import pyopencl.array as cl_array

    context = cl.Context([opencl.device.info.handle])
    foreign = cl_array.to_device(cl.CommandQueue(context), np.zeros((2, 3), np.float32))
    with pytest.raises(DLPackError, match="another OpenCL context"):
        opencl.from_dlpack(foreign)
    assert opencl.from_dlpack(foreign, copy=True).get().sum() == 0
    with pytest.raises(TypeError, match="complex64"):
        opencl.from_dlpack(cl_array.empty(opencl.device.queue, (2, 3), np.complex64))
    turned = cl_array.to_device(opencl.device.queue, np.arange(4, dtype=np.float32))[::-1]
    assert opencl.from_dlpack(turned).get().tolist() == [[3], [2], [1], [0]]
