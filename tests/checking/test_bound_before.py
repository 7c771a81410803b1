"""Statements that were bound before somebody asked for second opinions, and after."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.checking.opinion import second_opinion


@pytest.fixture
def cpu():
    yield gen_backend("cpu", batch_size=8, rng_seed=0)
    cleanup_backend()


def test_what_was_bound_before_is_not_bound_anew(cpu, monkeypatch):
    x, y = cpu.array(np.arange(12.0).reshape(3, 4)), cpu.zeros((3, 4))

    def step(factor):
        y[:] = cpu.exp(x) * factor

    step(1.5)
    bound = []
    bind = cpu.executor.bind
    monkeypatch.setattr(cpu.executor, "bind", lambda pairs: bound.append(1) or bind(pairs))
    for rate in ("1e-9", "1"):
        with second_opinion(cpu, f"cpu:{rate}:raise") as (opinion,):
            step(2.5)
            step(3.5)
            assert opinion.checked == 2 * (rate == "1")
            assert np.allclose(y.get(), np.exp(x.get()) * 3.5)
    step(4.5)
    assert not bound


def test_what_is_to_be_bound_anew_is_forgotten_behind_it_too(cpu, monkeypatch):
    x, y = cpu.array(np.arange(12.0).reshape(3, 4)), cpu.zeros((3, 4))

    def step():
        y[:] = cpu.exp(x)

    step()
    bound = []
    bind = cpu.executor.bind
    monkeypatch.setattr(cpu.executor, "bind", lambda pairs: bound.append(1) or bind(pairs))
    with second_opinion(cpu, "cpu:1e-9:raise"):
        cpu.device.forget_statements()
        step()
    step()
    assert len(bound) == 2


def test_what_was_bound_before_goes_with_its_memory(cpu):
    y = cpu.zeros((3, 4))
    x = cpu.array(np.arange(12.0).reshape(3, 4))
    y[:] = cpu.exp(x)
    (bound,) = [weakref.ref(call) for call in cpu.bound.values()]
    with second_opinion(cpu, "cpu:1e-9:raise"):
        y[:] = cpu.exp(x)
        assert bound() is not None
        del x
        gc.collect()
        assert bound() is None
