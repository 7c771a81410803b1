"""Memory by cl_mem handle: who may bring it, what is checked, streams, and who frees what."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from neonport.errors import DLPackError, ReadOnlyError

pytestmark = pytest.mark.opencl


@pytest.fixture
def be(with_memory):
    return with_memory("opencl, device memory")


class Foreign:
    """A producer that says nothing about its data, or what one is told to."""

    def __init__(self, tensor, **attributes):
        self.tensor = tensor
        self.__dict__.update(attributes)

    def __dlpack__(self, **kwargs):
        return self.tensor.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


class Old(Foreign):
    """A producer from before versions."""

    def __dlpack__(self):
        return self.tensor.__dlpack__(dl_device=self.__dlpack_device__())


@pytest.mark.parametrize("producer", [Foreign, Old])
def test_both_see_every_write(be, with_memory, values, producer):
    twin_backend = with_memory("opencl, device memory")
    t = be.array(values)
    u = twin_backend.from_dlpack(producer(t[1:, ::2], __dlpack_data__="cl_mem"))
    assert np.array_equal(u.get(), values[1:, ::2])
    u[:] = u * 10
    twin_backend.synchronize()
    assert np.array_equal(t.get()[1:, ::2], values[1:, ::2] * 10)
    t[:] = t + 1
    be.synchronize()
    assert np.array_equal(u.get(), values[1:, ::2] * 10 + 1)


def test_views_of_one_handle_are_known_to_overlap(be, values):
    t = be.array(values)
    u = be.from_dlpack(Foreign(t, __dlpack_data__="cl_mem"))
    t[:, 1:] = u[:, :-1] * 1.0
    assert np.array_equal(t.get()[:, 1:], values[:, :-1])


def test_a_handle_is_taken_only_from_who_says_that_it_is_one(be, values):
    t = be.array(values)
    silent = Foreign(t)
    with pytest.raises(DLPackError, match=r"Foreign does not say .*trust_cl_mem=True.*copy=True"):
        be.from_dlpack(silent)
    with pytest.raises(DLPackError, match="does not say"):
        be.from_dlpack(Foreign(t, __dlpack_data__="descriptor"))
    assert np.array_equal(be.from_dlpack(silent, trust_cl_mem=True).get(), values)
    assert np.array_equal(be.from_dlpack(silent, copy=True).get(), values)


def _raw(be, buffer, shape, first, dtype=np.float32):
    """A capsule over any buffer."""
    from neonport.backends.opencl.dlpack import Imported
    from neonport.tensor.storage import Storage

    storage = Storage(Imported(buffer), buffer.size, ("opencl", buffer.int_ptr), 0)
    steps = (shape[1], 1)
    t = be.wrap(storage, np.dtype(dtype), shape, steps, first)
    return Foreign(t, __dlpack_data__="cl_mem")


def test_context_and_size_are_checked(be):
    import pyopencl as cl

    flags = cl.mem_flags.READ_WRITE
    small = cl.Buffer(be.device.context, flags, 64)
    assert be.from_dlpack(_raw(be, small, (4, 4), 0)).shape == (4, 4)
    for shape, first in (((4, 5), 0), ((4, 4), 1)):
        with pytest.raises(DLPackError, match=r"does not lie within the 64 bytes"):
            be.from_dlpack(_raw(be, small, shape, first))
    other = cl.Context([be.device.info.handle])
    elsewhere = cl.Buffer(other, flags, 64)
    with pytest.raises(DLPackError, match=r"another OpenCL context.*copy=True"):
        be.from_dlpack(_raw(be, elsewhere, (4, 4), 0))


def test_memory_that_kernels_may_only_read(be):
    import pyopencl as cl

    buffer = cl.Buffer(be.device.context, cl.mem_flags.READ_ONLY, 64)
    t = be.from_dlpack(_raw(be, buffer, (4, 4), 0))
    with pytest.raises(ReadOnlyError):
        t[:] = 1


def test_a_part_of_a_buffer_overlaps_with_the_whole(be):
    import pyopencl as cl

    align = be.device.info.handle.mem_base_addr_align // 8
    whole = cl.Buffer(be.device.context, cl.mem_flags.READ_WRITE, 4 * align)
    part = whole.get_sub_region(align, align)
    n = align // 4
    t = be.from_dlpack(_raw(be, whole, (4, n), 0))
    u = be.from_dlpack(_raw(be, part, (1, n), 0))
    t[:] = 2
    u[:] = u + t[2:3]
    assert t.get()[:, 0].tolist() == [2, 4, 2, 2]


def test_no_elements(be):
    u = be.from_dlpack(Foreign(be.empty((0, 3)), __dlpack_data__="cl_mem"))
    assert u.shape == (0, 3)


# ---- streams -------------------------------------------------------------------------------------


def test_a_queue_waits_for_pending_work(be, values):
    import pyopencl as cl

    t = be.array(values)
    for _ in range(50):
        t[:] = t + 1
    queue = cl.CommandQueue(be.device.context)
    capsule = t.__dlpack__(stream=queue, max_version=(1, 0))
    out = np.empty(values.shape, np.float32)
    cl.enqueue_copy(queue, out, t.storage.native.buffer, is_blocking=True)
    assert np.array_equal(out, values + 50)
    del capsule


def test_no_synchronisation_on_request(be, values, monkeypatch):
    t = be.array(values)
    monkeypatch.setattr(type(be), "synchronize", lambda self: pytest.fail("it waited"))
    t.__dlpack__(stream=-1, max_version=(1, 0))


def test_other_streams_are_refused(be, values):
    import pyopencl as cl

    t = be.array(values)
    other = cl.Context([be.device.info.handle])
    elsewhere = cl.CommandQueue(other)
    for stream in (0, 1, "queue"):
        with pytest.raises(DLPackError, match="is no OpenCL queue"):
            t.__dlpack__(stream=stream)
    with pytest.raises(DLPackError, match="in-order queue of the context"):
        t.__dlpack__(stream=elsewhere)


# ---- who frees -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, (1, 0)], ids=["legacy", "versioned"])
def test_a_capsule_keeps_the_memory_until_it_is_gone(be, values, version):
    t = be.array(values)
    memory = weakref.ref(t.storage)
    capsule = t.__dlpack__(max_version=version, dl_device=be.dlpack_device())
    be.bound.clear()
    del t
    gc.collect()
    assert memory() is not None
    del capsule
    gc.collect()
    assert memory() is None


def test_a_consumer_keeps_the_memory_until_it_is_gone(be, values):
    t = be.array(values)
    memory = weakref.ref(t.storage)
    u = be.from_dlpack(Foreign(t, __dlpack_data__="cl_mem"))
    view = u[1:]
    be.bound.clear()
    del t, u
    gc.collect()
    assert np.array_equal(view.get(), values[1:])
    del view
    gc.collect()
    assert memory() is None


def test_a_capsule_may_be_dropped_while_an_exception_is_on_its_way(be, values):
    t = be.array(values)

    def refuse(capsule):
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        refuse(t.__dlpack__(dl_device=be.dlpack_device()))


def test_a_consumed_capsule_is_not_read_again(be, values):
    capsule = be.array(values).__dlpack__(dl_device=(1, 0))

    class Once:
        __dlpack_data__ = "cl_mem"

        def __dlpack__(self, **_):
            return capsule

        def __dlpack_device__(self):
            return (1, 0)

    np.from_dlpack(Once())
    Once.__dlpack_device__ = lambda self: be.dlpack_device()
    with pytest.raises(DLPackError, match="no DLPack capsule, or was consumed"):
        be.from_dlpack(Once())
