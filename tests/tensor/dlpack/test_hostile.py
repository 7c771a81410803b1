"""Producers and capsules that mean no good: refused, or read as they are; never a crash."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref

import numpy as np
import pytest

from neonport.errors import DLPackError, NeonportError, ReadOnlyError
from neonport.plugins.registry import create_backend
from neonport.tensor.capsules import structs

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
VERSIONS = {"legacy": None, "versioned": (1, 0)}


class Producer:
    """An array whose capsules are changed before anybody sees them.

    Args:
        array: what is exported.
        change: is given the tensor struct and the versioned one, or None.
        device: what it says of its device.
        version: of the capsules, whatever is asked for.
    """

    def __init__(self, array, change=None, device=(1, 0), version=(1, 0)):
        self.array, self.change, self.device, self.version = array, change, device, version

    def __dlpack__(self, **kwargs):
        capsule = self.array.__dlpack__(max_version=self.version)
        if self.change:
            self.change(*structs(capsule))
        return capsule

    def __dlpack_device__(self):
        return self.device


def setting(**fields):
    """A change that sets fields of the tensor; tuples go to the arrays they are in."""

    def change(inner, versioned):
        for name, value in fields.items():
            if isinstance(value, tuple):
                for axis, entry in enumerate(value):
                    getattr(inner, name)[axis] = entry
            else:
                setattr(inner, name, value)

    return change


@pytest.fixture
def be():
    made = create_backend("cpu", rng_seed=0)
    yield made
    made.cleanup_backend()


REFUSED = {
    "complex numbers": setting(code=5, bits=64),
    "float8": setting(code=10, bits=8),
    "four bits": setting(code=2, bits=4),
    "an unknown code": setting(code=255),
    "lanes": setting(lanes=2),
    "no memory": setting(data=None),
    "no sizes": lambda inner, versioned: ctypes.memset(ctypes.addressof(inner) + 24, 0, 8),
    "a negative size": setting(shape=(-1, 3)),
    "more than all memory": setting(shape=(1 << 40, 1 << 30)),
    "a stride out of memory": setting(strides=(1 << 61, 1)),
    "an offset out of memory": setting(byte_offset=(1 << 64) - 4),
    "memory of CUDA": setting(device_type=2),
    "memory of OpenCL": setting(device_type=4),
    "memory of nobody": setting(device_type=99),
    "a negative rank": setting(ndim=-2),
    "a rank of thousands": setting(ndim=5000),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("copy", [None, False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_refused(be, case, copy, version):
    x = Producer(VALUES.copy(), REFUSED[case], version=VERSIONS[version])
    with pytest.raises(DLPackError, match=r"np\.array\(x\)|convert it first|copy it"):
        be.from_dlpack(x, copy=copy)
    assert np.array_equal(x.array, VALUES)


def test_a_later_major_version(be):
    def change(inner, versioned):
        versioned.major = 99

    with pytest.raises(DLPackError, match=r"version 99\.0 cannot be read"):
        be.from_dlpack(Producer(VALUES.copy(), change))


def test_a_later_minor_version_and_unknown_flags_are_read(be):
    def change(inner, versioned):
        versioned.minor, versioned.flags = 77, 1 << 40

    assert np.array_equal(be.from_dlpack(Producer(VALUES.copy(), change)).get(), VALUES)


@pytest.mark.parametrize("device", [(2, 0), (4, 0), (-1, 0), (1 << 20, 3)])
@pytest.mark.parametrize("copy", [None, False])
def test_another_device(be, device, copy):
    with pytest.raises(DLPackError, match="copy it"):
        be.from_dlpack(Producer(VALUES.copy(), device=device), copy=copy)


def test_read_only_memory_stays_as_it_is(be):
    def change(inner, versioned):
        versioned.flags |= 1

    x = Producer(VALUES.copy(), change)
    t = be.from_dlpack(x)
    with pytest.raises(ReadOnlyError):
        t[:] = 0
    copied = be.from_dlpack(x, copy=True)
    copied[:] = 0
    assert np.array_equal(x.array, VALUES)


LAYOUTS = {
    "no strides": (setting(strides=ctypes.POINTER(ctypes.c_int64)()), VALUES),
    "negative strides": (setting(strides=(-3, -1), byte_offset=20), VALUES[::-1, ::-1]),
    "a stride of zero": (setting(strides=(0, 1)), np.broadcast_to(VALUES[0], (2, 3))),
    "an offset": (setting(byte_offset=4, shape=(1, 3)), VALUES.ravel()[None, 1:4]),
    "no axes": (setting(ndim=0), np.float32(0).reshape(1, 1)),
    "one element with odd strides": (setting(shape=(1, 1), strides=(99, -7)), VALUES[:1, :1]),
    "nothing at all": (setting(shape=(0, 3), data=None), VALUES[:0]),
    "elements off their bounds": (setting(byte_offset=2, shape=(1, 3)), None),
    "a terabyte of one number": (setting(shape=(1 << 40, 1), strides=(0, 0)), None),
}
IN_PLACE_REFUSED = {"a stride of zero"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("copy", [None, True])
@pytest.mark.parametrize("case", LAYOUTS)
def test_right_or_refused(be, case, copy, version):
    change, want = LAYOUTS[case]
    memory = VALUES.copy()
    x = Producer(memory, change, version=VERSIONS[version])
    try:
        t = be.from_dlpack(x, copy=copy)
    except (NeonportError, MemoryError):
        assert want is None or (copy is None and case in IN_PLACE_REFUSED)
        return
    if want is not None:
        assert np.array_equal(t.get(), want)
        assert np.array_equal(be.array(t).get(), want)
    assert np.array_equal(memory, VALUES)


class Once:
    """A producer that has one capsule for everybody."""

    def __init__(self):
        self.capsule = VALUES.copy().__dlpack__(max_version=(1, 0))

    def __dlpack__(self, **kwargs):
        return self.capsule

    def __dlpack_device__(self):
        return (1, 0)


def test_a_capsule_is_consumed_once(be):
    x = Once()
    t = be.from_dlpack(x)
    for copy in (None, True):
        with pytest.raises(DLPackError, match="was consumed before"):
            be.from_dlpack(x, copy=copy)
    del x
    gc.collect()
    assert np.array_equal(t.get(), VALUES)


def test_a_producer_may_go(be):
    x = Producer(VALUES.copy())
    gone = weakref.ref(x)
    t = be.from_dlpack(x)
    del x
    gc.collect()
    others = [np.full((2, 3), 9, np.float32) for _ in range(50)]
    assert gone() is None
    assert np.array_equal(t.get(), VALUES)
    del others


@pytest.mark.parametrize("answer", [None, 7, "capsule", object(), [1.0]])
def test_what_is_no_capsule(be, answer):
    class Liar(Producer):
        def __dlpack__(self, **kwargs):
            return answer

    with pytest.raises(DLPackError, match="is no DLPack capsule"):
        be.from_dlpack(Liar(VALUES))


@pytest.mark.opencl
def test_an_address_that_is_passed_off_as_a_handle(with_memory):
    be = with_memory("opencl, device memory")
    x = Producer(VALUES.copy(), device=be.dlpack_device())
    x.__dlpack_data__ = "cl_mem"
    with pytest.raises(DLPackError, match=r"is for device \(1, 0\), not \(4, "):
        be.from_dlpack(x)


# ---- many, and from several threads --------------------------------------------------------------


@pytest.mark.skipif("sys.platform != 'linux'", reason="reads /proc/self/statm")
@pytest.mark.parametrize("copy", [None, True])
def test_imports_leave_memory_flat(be, copy, campaign: int):
    from tests.tensor.dlpack.exchanging import flat

    x = np.ones((64, 64), np.float32)
    grown = flat(lambda: be.from_dlpack(x, copy=copy), 5_000 * campaign)
    assert grown < 4 << 20


def test_threads_exchange_tensors(campaign: int):
    from tests.tensor.dlpack.exchanging import exchange

    done = exchange(threads=4, seconds=2.0 * campaign, make=lambda: create_backend("cpu"))
    assert min(done) > 0
    assert threading.active_count() < 100
