"""What stands in a capsule: kinds of memory x versions x copy x device x layouts x dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import DLPackError

DTYPES = {
    "float16": (2, 16, 1), "float32": (2, 32, 1), "float64": (2, 64, 1), "bool": (6, 8, 1),
    "int8": (0, 8, 1), "int16": (0, 16, 1), "int32": (0, 32, 1), "int64": (0, 64, 1),
    "uint8": (1, 8, 1), "uint16": (1, 16, 1), "uint32": (1, 32, 1), "uint64": (1, 64, 1),
}  # fmt: skip
LAYOUTS = {
    "contiguous": lambda t: t,
    "offset": lambda t: t[1:3, 2:],
    "transposed": lambda t: t.T,
    "strided": lambda t: t[:, ::2],
    "one element": lambda t: t[2:3, 3:4],
    "no elements": lambda t: t[:0],
    "rank 3": lambda t: t.reshape((2, 2, 6))[1:],
}
VERSIONS = {"legacy": None, "versioned": (1, 0)}
READ_ONLY, IS_COPIED = 1, 2
HOST = (1, 0)


class Producer:
    """A capsule that was made before, for consumers that want an object."""

    def __init__(self, capsule, device):
        self.capsule, self.device = capsule, device

    def __dlpack__(self, **_):
        return self.capsule

    def __dlpack_device__(self):
        return self.device


def elements(be, capsule, found):
    """What a consumer of the capsule reads, without neonport."""
    kind = {0: "i", 1: "u", 2: "f", 6: "b"}[found.dtype[0]]
    dtype = np.dtype(f"{kind}{found.dtype[1] // 8}")
    if found.device == HOST:
        return np.from_dlpack(Producer(capsule, HOST))
    import pyopencl as cl

    buffer = cl.MemoryObject.from_int_ptr(found.data)
    whole = np.empty(buffer.size, np.uint8)
    cl.enqueue_copy(be.device.queue, whole, buffer, is_blocking=True)
    steps = tuple(s * dtype.itemsize for s in found.strides)
    return np.ndarray(found.shape, dtype, whole, found.byte_offset, steps).copy()


@pytest.mark.parametrize("to_host", [False, True], ids=["home", "to the host"])
@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_capsule(memory, fields, values, layout, version, copy, to_host):
    home = memory.dlpack_device()
    for dtype, code in DTYPES.items():
        if dtype.startswith("float") and dtype not in memory.default_dtypes:
            continue
        host = values.astype(dtype)
        t = LAYOUTS[layout](memory.array(host, dtype=dtype))
        want = LAYOUTS[layout](host)
        asked = {"dl_device": HOST if to_host else home}
        leaves = to_host and home != HOST
        if leaves and copy is False:
            with pytest.raises(DLPackError, match=r"copy=False forbids it"):
                t.__dlpack__(max_version=VERSIONS[version], copy=copy, **asked)
            continue
        capsule = t.__dlpack__(max_version=VERSIONS[version], copy=copy, **asked)
        found = fields(capsule)
        copied = leaves or copy is True
        assert found.versioned is (version == "versioned")
        assert found.device == (HOST if to_host else home)
        assert found.dtype == code
        assert found.shape == want.shape
        if found.versioned:
            assert bool(found.flags & IS_COPIED) is copied
        if want.size == 0:
            continue
        if found.device != HOST:
            assert (found.data == t.storage.native.buffer.int_ptr) is not copied
            if not copied:
                assert found.byte_offset == t.offset * t.dtype.itemsize
        assert np.array_equal(elements(memory, capsule, found), want)


@pytest.mark.opencl
def test_without_elements_there_is_no_address(with_memory, fields):
    be = with_memory("opencl, device memory")
    found = fields(be.empty((3, 0)).__dlpack__(max_version=(1, 0), dl_device=be.dlpack_device()))
    assert (found.data, found.byte_offset, found.shape) == (0, 0, (3, 0))


@pytest.mark.parametrize("version", VERSIONS)
def test_negative_strides_are_refused_unless_copied(memory, fields, values, version):
    asked = {"max_version": VERSIONS[version], "dl_device": memory.dlpack_device()}
    t = memory.array(values)[::-1]
    for copy in (None, False):
        with pytest.raises(DLPackError, match=r"negative strides .* copy it first"):
            t.__dlpack__(copy=copy, **asked)
    capsule = t.__dlpack__(copy=True, **asked)
    found = fields(capsule)
    assert np.array_equal(elements(memory, capsule, found), values[::-1])


def test_read_only_memory_says_so(fields):
    from neonport.plugins.registry import create_backend

    array = np.ones((2, 3), np.float32)
    array.flags.writeable = False
    t = create_backend("cpu").from_dlpack(array)
    assert fields(t.__dlpack__(max_version=(1, 0))).flags == READ_ONLY
    with pytest.raises(BufferError, match="read"):
        t.__dlpack__()


@pytest.mark.opencl
def test_a_consumer_that_does_not_ask_for_handles_gets_none(with_memory, values):
    t = with_memory("opencl, device memory").array(values)
    for version in VERSIONS.values():  # torch.from_dlpack asks so, and corrupts its process
        with pytest.raises(DLPackError, match=r"tensor\.host\(\).*dl_device=t.__dlpack_device__"):
            t.__dlpack__(max_version=version)


def test_another_device_names_the_route(memory, values):
    with pytest.raises(DLPackError, match=r"cannot be exported to device \(2, 0\); take it to the"):
        memory.array(values).__dlpack__(dl_device=(2, 0))


def test_pending_work_is_done_before_the_capsule_is_there(memory):
    x, y = memory.ones((150, 150)), memory.empty((150, 150))
    for _ in range(20):
        y[:] = memory.dot(x, x)
    assert np.from_dlpack(y.host())[5, 7] == 150


def test_host_memory_has_no_stream(memory, values):
    if memory.dlpack_device() == HOST:
        with pytest.raises(DLPackError, match="has no stream"):
            memory.array(values).__dlpack__(stream=1)
