"""A profile tells who did each op, and leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.cpu.device import CPUBackend, CPUDevice
from neonport.engine.device import Device
from neonport.engine.profile import DERIVED, FALLBACK, NATIVE, Enough, Profile, profiled
from neonport.engine.tracing import traced_by
from neonport.plugins.registry import create_backend


class HostDevice(CPUDevice):
    """Compiles nothing; what has no method of its own is NumPy's."""

    compiles = False
    matmul = Device.matmul
    batched_matmul = Device.batched_matmul
    library_call = Device.library_call


class HostBackend(CPUBackend):
    device_class = HostDevice


class ProductsDevice(CPUDevice):
    """Has one product, and no batches of them."""

    batched_matmul = Device.batched_matmul


class ProductsBackend(CPUBackend):
    device_class = ProductsDevice


def use(be):
    """A statement, a product of each kind, and an op that no device has to have."""
    x = be.array(np.linspace(0, 1, 16).reshape(4, 4))
    y, batch = be.empty((4, 4)), be.ones((2, 4, 4))
    y[:] = be.exp(x) + be.sum(x, axis=0)
    y[:] = be.dot(x, x)
    be.compound_dot(x, x, y)
    be.batched_dot(batch, batch, be.empty((2, 4, 4)))
    y[:] = be.sort(x, axis=0)
    return y.get()


def seen(be):
    with profiled(be) as profile:
        use(be)
    return {row.op: (row.origin, row.method) for row in profile.rows()}


def test_who_does_what():
    found = seen(CPUBackend(rng_seed=0))
    assert found["exp"] == found["sum"] == found["dot"] == (NATIVE, "")
    assert found["compound_dot"] == found["batched_dot"] == (NATIVE, "")
    assert found["sort"] == (FALLBACK, 'library_call("sort")')
    found = seen(ProductsBackend(rng_seed=0))
    assert found["batched_dot"] == (DERIVED, "batched_matmul")
    found = seen(HostBackend(rng_seed=0))
    assert found["exp"] == found["sum"] == (FALLBACK, "compile_c")
    assert found["dot"] == found["compound_dot"] == (FALLBACK, "matmul")
    assert found["sort"] == (FALLBACK, 'library_call("sort")')


def test_what_numpy_does_on_every_device_asks_for_nothing():
    be = CPUBackend(rng_seed=0)
    wide, out = be.array(np.arange(4).reshape(2, 2), dtype=np.uint64), be.empty((2, 2))
    with profiled(be) as profile:
        out[:] = wide
    assert [(row.origin, row.method) for row in profile.rows()] == [(FALLBACK, "")]


def test_times_and_calls_add_up():
    be = CPUBackend(rng_seed=0)
    x, y = be.ones((30, 30)), be.empty((30, 30))
    with profiled(be) as profile:
        for _ in range(3):
            y[:] = be.exp(x) * x
            be.compound_dot(x, x, y)
    calls = {row.op: row.calls for row in profile.rows()}
    assert calls == {"exp": 3, "mul": 3, "compound_dot": 3}
    assert all(row.seconds > 0 for row in profile.rows())
    with profiled(be) as profile, profile.paused():
        y[:] = be.exp(x) * x
    assert profile.rows() == []


def test_the_results_are_the_same_and_nothing_is_left_behind():
    be = CPUBackend(rng_seed=0)
    wanted, tracer, bound = use(be), be.tracer, be.bound
    with profiled(be):
        np.testing.assert_array_equal(use(be), wanted)
    assert be.tracer is tracer
    assert be.bound is bound


def test_backends_made_in_the_block_are_watched_and_others_are_not():
    before, profile = create_backend("cpu"), Profile()
    with traced_by(profile):
        inside = create_backend("cpu")
    for be, count in ((before, 0), (inside, 1)):
        be.ones((2, 2))[:] = be.exp(be.ones((2, 2)))
        assert sum(row.calls for row in profile.rows() if row.op == "exp") == count
    assert profile.backends == {"cpu"}
    assert profile.rows("opencl") == []


def test_a_profiled_step_is_not_replayed():
    profile = Profile()
    with traced_by(profile):
        be = create_backend("cpu")
    x = be.ones((2, 2))
    step = be.record(lambda: x.__setitem__(slice(None), x * 2))
    for _ in range(4):
        step()
    assert step.reason == "it is profiled"
    assert x.get()[0, 0] == 16


def test_after_the_limit_it_ends():
    profile = Profile(limit=0.0)
    with traced_by(profile):
        be = create_backend("cpu")
    with pytest.raises(Enough):
        be.ones((2, 2))[:] = be.exp(be.ones((2, 2)))
    assert not issubclass(Enough, Exception)  # what catches errors lets it through
