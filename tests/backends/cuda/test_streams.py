"""Streams, marks, threads and devices."""

from __future__ import annotations

import threading

import cupy
import numpy as np
import pytest

from neonport.errors import BackendMismatchError, ConfigurationError


def test_another_stream_waits_for_the_last_one(cuda):
    t, u = cuda.zeros((256, 256)), cuda.zeros((256, 256))
    with cupy.cuda.Device(0):
        streams = [None, cupy.cuda.Stream(), 1, cupy.cuda.Stream(non_blocking=True), 2, None]
    for stream in streams:
        cuda.use_stream(stream)
        t[:] = t + 1
        u[:] = u + t
        cuda.compound_dot(t, t, u, beta=0.0)
    want = np.full((256, 256), 6.0, np.float32)
    np.testing.assert_array_equal(t.get(), want)
    np.testing.assert_allclose(u.get(), want @ want)


def test_a_handle_and_other_libraries(cuda):
    with cupy.cuda.Device(0):
        stream = cupy.cuda.Stream()
    t = cuda.zeros((2, 2))
    before = cuda.use_stream(stream.ptr)
    assert cuda.device.queue.ptr == stream.ptr
    t.fill(3)

    class Torch:
        cuda_stream = stream.ptr

    cuda.use_stream(Torch())
    t[:] = t * 2
    assert cuda.use_stream(before).ptr == stream.ptr
    assert (t.get() == 6).all()


@pytest.mark.parametrize("stream", ["0", -5, True, 1.0])
def test_what_is_no_stream(cuda, stream):
    with pytest.raises(ConfigurationError, match="is no stream"):
        cuda.use_stream(stream)


def test_marks(cuda):
    start, end = cuda.init_mark(), cuda.init_mark()
    t = cuda.zeros((512, 512))
    cuda.record_mark(start)
    t[:] = cuda.exp(t)
    cuda.record_mark(end)
    cuda.synchronize_mark(end)
    assert cuda.get_time(start, end) >= 0


def test_threads(cuda):
    tensors = [cuda.zeros((64, 64)) for _ in range(4)]
    errors = []

    def work(t):
        try:
            for _ in range(20):
                t[:] = t + 1
                cuda.compound_dot(t, t, t2 := cuda.zeros((64, 64)))
                assert (t2.get() == 64 * t.get() ** 2).all()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(t,)) for t in tensors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all((t.get() == 20).all() for t in tensors)


def test_two_devices(make_cuda):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one device")
    first, second = make_cuda(), make_cuda(device_id=1)
    assert (str(first), str(second)) == ("cuda:0", "cuda:1")
    a, b = first.array(np.eye(3) * 2), second.array(np.eye(3) * 3)
    for _ in range(2):
        for be, t in ((first, a), (second, b)):
            out = be.zeros((3, 3))
            be.compound_dot(t, t, out)
            t[:] = out * t / t.get()[0, 0] ** 2
            assert cupy.cuda.runtime.getDevice() == 0
    np.testing.assert_array_equal(a.get(), np.eye(3) * 2)
    np.testing.assert_array_equal(b.get(), np.eye(3) * 3)
    assert b.__dlpack_device__() == (2, 1)
    with pytest.raises(BackendMismatchError):
        a[:] = b
    a.copy_from(b)
    np.testing.assert_array_equal(a.get(), np.eye(3) * 3)
