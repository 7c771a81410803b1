"""Warm statements allocate nothing, and bound statements keep nothing alive."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

from neonport.backends.cpu.device import CPUBackend
from neonport.backends.host.jit import launcher as jit
from neonport.errors import CompileError


def test_a_warm_statement_makes_no_temporary_arrays(cpu):
    x, w = cpu.array(np.ones((500, 500))), cpu.array(np.ones((500, 1)))
    y, s = cpu.empty((500, 500)), cpu.empty((500, 1))

    def step():
        y[:] = cpu.tanh(x * w + 0.5) - cpu.exp(-x)
        s[:] = cpu.sum(y * x, axis=1)
        y[:] = cpu.fprop_softmax(y, 0)

    for _ in range(3):
        step()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(5):
            step()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 20_000, f"{peak} bytes: one array of this size is a million"


def test_bound_statements_keep_no_tensor_alive(cpu):
    w, y = cpu.array(np.ones((3, 4))), cpu.empty((3, 5))
    died = []
    for i in range(5):
        x = cpu.array(np.full((4, 5), float(i)))
        y[:] = cpu.dot(w, x) + 1.0
        y[:] = cpu.exp(x[:3])
        died.append(weakref.ref(x.storage))
        del x
    gc.collect()
    assert [ref() for ref in died] == [None] * 5
    assert not any(t for t in cpu.bound if "dead" in str(t))


def test_released_memory_forgets_its_statements(cpu):
    y = cpu.empty((2, 2))
    x = cpu.array(np.ones((2, 2)))
    y[:] = x * 2.0
    known = len(cpu.bound)
    del x
    gc.collect()
    assert len(cpu.bound) < known


def test_a_tensor_at_an_old_address_is_not_mistaken(cpu):
    y = cpu.empty((100, 1))
    for i in range(50):
        x = cpu.array(np.full((100, 1), float(i)))
        y[:] = x + 1.0
        assert y.get()[0, 0] == i + 1
        del x


def test_a_statement_is_bound_before_anything_ran():
    be = CPUBackend()
    x, y = be.array(np.ones((2, 3))), be.empty((2, 3))
    statement = be.executor.bind([(y, x * 2 + 1)])
    assert not y.get().any()
    statement.run()
    np.testing.assert_array_equal(y.get(), np.full((2, 3), 3.0))


def test_without_a_compiler_binding_says_what_to_do(monkeypatch):
    monkeypatch.setattr(jit, "shared_jit", lambda: None)
    be = CPUBackend()
    x, y = be.array(np.ones((2, 3))), be.empty((2, 3))
    with pytest.raises(CompileError, match="assign it instead"):
        be.executor.bind([(y, x * 2)])
    y[:] = x * 2
    np.testing.assert_array_equal(y.get(), np.full((2, 3), 2.0))
