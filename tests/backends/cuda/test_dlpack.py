"""DLPack in and out of device memory."""

from __future__ import annotations

import gc

import cupy
import numpy as np
import pytest

from neonport.errors import DLPackError
from neonport.tensor.capsules import structs


def test_both_see_every_write(cuda):
    t = cuda.array(np.arange(6.0).reshape(2, 3))
    other = cupy.from_dlpack(t)
    assert other.data.ptr == t.storage.address
    back = cuda.from_dlpack(other)
    back[:] = back * 2
    np.testing.assert_array_equal(t.get(), 2 * np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("stream", [None, 1, 2, -1, "own"])
@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_consumer_gets_finished_work(cuda, stream, version):
    with cupy.cuda.Device(0):
        own = cupy.cuda.Stream(non_blocking=True)
    t = cuda.zeros((300, 300))
    t[:] = cuda.exp(t) + 1

    class Producer:
        def __dlpack_device__(self):
            return t.__dlpack_device__()

        def __dlpack__(self, **kwargs):
            return t.__dlpack__(stream=own.ptr if stream == "own" else stream, max_version=version)

    array = cupy.from_dlpack(Producer())
    if stream == -1:
        cuda.synchronize()  # nobody else does
    consumer = own if stream == "own" else cupy.cuda.Stream.null
    consumer.synchronize()
    if stream != 2:
        assert (array.get() == 2).all()


@pytest.mark.parametrize("stream", [0, -2, True, "1"])
def test_what_is_no_stream(cuda, stream):
    with pytest.raises(DLPackError, match="0 is forbidden"):
        cuda.zeros((2, 2)).__dlpack__(stream=stream)


def test_a_copy(cuda):
    t = cuda.array(np.arange(12.0).reshape(3, 4)).T[1:]
    capsule_of_copy = t.__dlpack__(copy=True)

    class Producer:
        def __dlpack_device__(self):
            return t.__dlpack_device__()

        def __dlpack__(self, **kwargs):
            return capsule_of_copy

    array = cupy.from_dlpack(Producer())
    t.fill(0)
    np.testing.assert_array_equal(array.get(), np.arange(12.0).reshape(3, 4).T[1:])


def test_the_host(cuda):
    t = cuda.array(np.arange(4.0).reshape(2, 2))
    np.testing.assert_array_equal(np.from_dlpack(t, device="cpu"), t.get())
    with pytest.raises(DLPackError, match="copy=False forbids"):
        t.__dlpack__(dl_device=(1, 0), copy=False)
    with pytest.raises(DLPackError, match="cannot be shared"):
        cuda.from_dlpack(np.zeros((2, 2)))
    copied = cuda.from_dlpack(np.ones((2, 2), np.float32), copy=True)
    assert (copied.get() == 1).all()


def test_the_array_interface(cuda):
    t = cuda.array(np.arange(12.0).reshape(3, 4), dtype=np.float32)
    part = t[1:, 1:3].__cuda_array_interface__
    assert part == {
        "version": 3,
        "shape": (2, 2),
        "strides": (16, 4),
        "typestr": "<f4",
        "data": (t.raw() + 20, False),
        "stream": cuda.device.queue.stream.ptr or 1,
    }
    whole = t.__cuda_array_interface__
    assert (whole["strides"], whole["data"]) == (None, (t.raw(), False))
    assert t[:0].__cuda_array_interface__["data"][0] == 0
    assert not hasattr(cuda.ones((2, 2), dtype="bfloat16"), "__cuda_array_interface__")


def test_views_and_memory_that_begins_anywhere(cuda):
    whole = cuda.array(np.arange(40.0).reshape(5, 8), dtype=np.float32)
    array = cupy.from_dlpack(whole[1:, 1:4])
    assert array.data.ptr % 16 == 4
    t = cuda.from_dlpack(array)
    assert t.storage.address % 16 == 0
    np.testing.assert_array_equal(t.get(), whole.get()[1:, 1:4])
    t[:] = t + cuda.sum(t, axis=1)
    row = cuda.from_dlpack(cupy.from_dlpack(whole[4:, 1:]))
    row[:] = cuda.exp(row * 0)
    got = whole.get()
    assert (got[4, 1:] == 1).all()
    assert got[0, 0] == 0
    assert got[4, 0] == 32
    t2 = cuda.zeros((4, 3))
    t2[:] = t
    np.testing.assert_array_equal(t2.get(), got[1:, 1:4])


def test_nothing_and_turned_around(cuda):
    assert cuda.from_dlpack(cupy.from_dlpack(cuda.zeros((0, 3)))).shape == (0, 3)
    with pytest.raises(DLPackError, match="negative strides"):
        cuda.ones((2, 2))[::-1].__dlpack__()


# ---- who keeps memory alive ----------------------------------------------------------------------


def _forget(cuda):
    """Let go of what only bookkeeping could hold, and use what may be handed out again."""
    cuda.bound.clear()
    gc.collect()
    made = [cuda.zeros((100, 100)).fill(9) for _ in range(4)]
    cuda.synchronize()
    return made


def _values(array):
    return array.get() if hasattr(array, "get") else array


CONSUMERS = {
    "cupy": lambda cuda, t: cupy.from_dlpack(t),
    "native": lambda cuda, t: t.native,
    "itself": lambda cuda, t: cuda.from_dlpack(t),
    "the host": lambda cuda, t: np.from_dlpack(t, device="cpu"),
}


@pytest.mark.parametrize(
    "view", [lambda t: t, lambda t: t[10:, 3:9], lambda t: t.T], ids=["whole", "part", "turned"]
)
@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_consumer_keeps_the_memory(cuda, consumer, view):
    values = np.random.RandomState(0).rand(100, 100).astype(np.float32)
    t = cuda.array(values)
    got = CONSUMERS[consumer](cuda, view(t))
    del t
    others = _forget(cuda)
    assert np.array_equal(_values(got), view(values))
    del got
    assert all((other.get() == 9).all() for other in others)


@pytest.mark.parametrize("consumer", ["cupy", "native", "the host"])
def test_a_consumer_outlives_the_backend(make_cuda, consumer):
    be = make_cuda()
    values = np.random.RandomState(1).rand(100, 100).astype(np.float32)
    t = be.array(values)
    got = CONSUMERS[consumer](be, t)
    be.cleanup_backend()
    del t, be
    others = _forget(make_cuda())
    assert np.array_equal(_values(got), values)
    del others


def test_the_producers_memory_lives(cuda):
    t = cuda.from_dlpack(cupy.from_dlpack(cuda.ones((100, 100))))
    others = _forget(cuda)
    assert (t.get() == 1).all()
    native = t.native
    del t, others
    _forget(cuda)
    assert (native.get() == 1).all()


# ---- producers that fail -------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [None, True])
@pytest.mark.parametrize("error", [KeyError, ValueError, TypeError, AttributeError, RuntimeError])
def test_errors_of_producers(cuda, error, copy):
    class Failing:
        def __dlpack__(self, **kwargs):
            raise error("out of paper")

        def __dlpack_device__(self):
            return cuda.dlpack_device()

    with pytest.raises(DLPackError, match=r"Failing.*out of paper.*(np\.array|copy it)"):
        cuda.from_dlpack(Failing(), copy=copy)


@pytest.mark.parametrize(
    ("field", "value"), [("data", None), ("lanes", 4), ("bits", 0), ("ndim", -1)]
)
def test_a_capsule_that_cannot_be_true(cuda, field, value):
    class Edited:
        def __dlpack__(self, **kwargs):
            capsule = cupy.from_dlpack(cuda.ones((2, 3))).__dlpack__(**kwargs)
            setattr(structs(capsule)[0], field, value)
            return capsule

        def __dlpack_device__(self):
            return cuda.dlpack_device()

    with pytest.raises(DLPackError, match="from_dlpack"):
        cuda.from_dlpack(Edited())


def test_nothing_is_taken_from_anybody(cuda):
    for shape in ((0, 3), (3, 0)):
        assert cuda.from_dlpack(np.empty(shape, np.float32)).shape == shape
        assert cuda.from_dlpack(cupy.from_dlpack(cuda.zeros(shape))).shape == shape
