"""Memory lives until the last one who holds it lets go: tensors, consumers, and what is adopted."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.tensor.dlpack.test_table import CONSUMERS, TABLE, World, _consumer, _values

SHAPE = (20, 30)
VIEWS = {
    "whole": lambda t: t,
    "rows": lambda t: t[3:9],
    "turned": lambda t: t.T,
    "another shape": lambda t: t.reshape((60, 10))[5:],
}


def _cell(memory, consumer):
    marks = [pytest.mark.opencl] if "opencl" in memory else []
    marks += _consumer(consumer).marks
    return pytest.param(memory, CONSUMERS[consumer], marks=marks, id=f"{memory}-{consumer}")


# every cell of the table that shares
CELLS = [_cell(m, name) for m, row in TABLE.items() for name in CONSUMERS if row[name] == "shares"]


def _forget(be):
    """Let go of what only the library's own bookkeeping could hold."""
    be.bound.clear()
    gc.collect()


def _fill_memory(be):
    """Tensors over whatever may be handed out, of the sizes that the tests use."""
    made = [be.empty(SHAPE).fill(-1) for _ in range(8)]
    be.synchronize()
    return made


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("memory", "how"), CELLS)
def test_a_consumer_keeps_the_memory(with_memory, memory, how, view):
    world = World(with_memory, memory)
    be = with_memory(memory)
    values = np.random.RandomState(0).rand(*SHAPE).astype(np.float32)
    t = be.array(values)
    got = how(world, VIEWS[view](t))
    del t
    _forget(be)
    others = _fill_memory(be)
    assert np.array_equal(_values(got), VIEWS[view](values))
    part = got[1:, :2]
    del got, others
    _forget(be)
    others = _fill_memory(be)
    assert np.array_equal(_values(part), VIEWS[view](values)[1:, :2])
    assert all((other.get() == -1).all() for other in others)


@pytest.mark.parametrize(("memory", "how"), CELLS)
def test_a_consumer_outlives_the_backend(with_memory, memory, how):
    world = World(with_memory, memory)
    be = with_memory(memory)
    values = np.random.RandomState(1).rand(*SHAPE).astype(np.float32)
    t = be.array(values)
    got = how(world, t)
    own = getattr(got, "backend", None) is be
    be.cleanup_backend()
    del t
    gc.collect()
    others = _fill_memory(with_memory(memory))
    if not own:  # tensors of a backend that is cleaned up are refused
        assert np.array_equal(_values(got), values)
    del got
    gc.collect()
    assert all((other.get() == -1).all() for other in others)


def test_native_keeps_the_memory(memory):
    values = np.random.RandomState(2).rand(*SHAPE).astype(np.float32)
    t = memory.array(values)
    native = t.native
    del t
    _forget(memory)
    others = _fill_memory(memory)
    if isinstance(native, np.ndarray):
        assert np.array_equal(native, values)
    else:
        import pyopencl as cl

        found = np.empty(SHAPE, np.float32)
        cl.enqueue_copy(memory.device.queue, found, native, is_blocking=True)
        assert np.array_equal(found, values)
    del others


@pytest.mark.opencl
@pytest.mark.parametrize("kind", ["opencl, shared", "opencl, device memory"])
def test_memory_that_is_held_counts_as_in_use(with_memory, kind):
    be = with_memory(kind)
    before = be.memory_stats()["in_use"]
    t = be.ones((256, 1024))
    native = t.native
    _forget(be)
    del t
    gc.collect()
    assert be.memory_stats()["in_use"] == before + (1 << 20)
    del native
    gc.collect()
    assert be.memory_stats()["in_use"] == before
    assert be.memory_stats()["held"] >= 1 << 20


# ---- the other direction -------------------------------------------------------------------------


def _numpy(values):
    return values.copy()


def _torch(values):
    import torch

    return torch.from_numpy(values.copy())


def _tensor(values):
    from neonport.plugins.registry import create_backend

    return create_backend("cpu").array(values)


OWNERS = [_numpy, _tensor, pytest.param(_torch, marks=pytest.mark.interop)]


@pytest.mark.parametrize("make", OWNERS)
@pytest.mark.parametrize("view", VIEWS)
def test_adopted_memory_outlives_its_owner(with_memory, make, view):
    be = with_memory("cpu")
    values = np.random.RandomState(3).rand(*SHAPE).astype(np.float32)
    owner = make(values)
    t = VIEWS[view](be.from_dlpack(owner))
    del owner
    gc.collect()
    rest = [np.full(SHAPE, -1, np.float32) for _ in range(20)]
    assert np.array_equal(t.get(), VIEWS[view](values))
    again = np.from_dlpack(t)  # and a consumer of it keeps the owner's memory
    del t, rest
    _forget(be)
    rest = [np.full(SHAPE, -1, np.float32) for _ in range(20)]
    assert np.array_equal(again, VIEWS[view](values))
    del rest


class Handle:
    """A tensor as another library's array."""

    __dlpack_data__ = "cl_mem"

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, **kwargs):
        return self.tensor.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


@pytest.mark.opencl
def test_an_adopted_handle_outlives_its_owner(with_memory):
    import pyopencl as cl

    owner, be = with_memory("opencl, device memory"), with_memory("opencl, device memory")
    values = np.random.RandomState(4).rand(*SHAPE).astype(np.float32)
    t = be.from_dlpack(Handle(owner.array(values)))
    _forget(owner)
    others = _fill_memory(owner)
    assert np.array_equal(t.get(), values)
    native = t.native
    del t, others
    _forget(be)
    others = _fill_memory(owner)
    found = np.empty(SHAPE, np.float32)
    cl.enqueue_copy(be.device.queue, found, native, is_blocking=True)
    assert np.array_equal(found, values)
    del others


# ---- the end of the interpreter ------------------------------------------------------------------

EXIT = """
import atexit, sys
import numpy as np

def late():
    values = got if isinstance(got, np.ndarray) else np.zeros(1)
    print("held", float(values.sum()), flush=True)

atexit.register(late)  # runs after the backend's own handler
from neonport.backends import gen_backend

class Last:
    def __init__(self, got):
        self.got = got

    def __del__(self):
        self.got = None

be = gen_backend(sys.argv[1])
t = be.ones((100, 10))
got = t.native if sys.argv[2] == "native" else np.asarray(t)
sys.last = Last(got)
y = be.empty((100, 10))
y[:] = be.exp(t) * 3
del t
"""


@pytest.mark.parametrize("how", ["native", "asarray"])
@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("cpu", ""),
        pytest.param("opencl", "1", marks=pytest.mark.opencl),
        pytest.param("opencl", "0", marks=pytest.mark.opencl),
    ],
)
def test_memory_may_be_held_at_the_end_of_the_interpreter(with_memory, name, shared, how):
    with_memory("cpu" if name == "cpu" else "opencl, device memory")  # or a skip with the reason
    done = subprocess.run(
        [sys.executable, "-c", EXIT, name, how],
        env={**os.environ, "NEONPORT_OPENCL_SHARED": shared or "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "held" in done.stdout
    assert not done.stderr, done.stderr
