"""Tables that are made for shapes, structures and kernels do not grow with their number."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from neonport.backends import backend as backends
from neonport.backends.autodiff import Autodiff
from neonport.backends.cpu.device import CPUBackend
from neonport.backends.host.jit import compiler as compilers
from neonport.backends.host.jit.choice import find_compiler
from neonport.engine import executor, recording
from neonport.foundation.bounded_table import BoundedTable
from neonport.optree import signature
from neonport.tensor import storage


def test_a_table_keeps_what_was_used_last():
    table = BoundedTable(10)
    for number in range(100):
        table.keep(number, str(number))
        assert table.find(0) == "0", "it is used all the time"
        assert len(table) + len(table.older) <= 20
    assert all(table.holds(number) for number in range(91, 100))
    assert not table.holds(50)
    assert table.find(50) is None


def test_a_hit_is_that_of_a_dictionary():
    table = BoundedTable(2)
    table.keep("a", 1)
    assert BoundedTable.get is dict.get
    assert BoundedTable.__getitem__ is dict.__getitem__
    assert table["a"] == table.get("a") == 1


def test_replacing_an_entry_forgets_nothing():
    table = BoundedTable(2)
    for value in range(5):
        table.keep("a", value)
        table.keep("b", value)
    assert (table.find("a"), table.find("b"), table.older) == (4, 4, {})


def test_entries_go_from_both_generations():
    table = BoundedTable(2)
    for number in range(3):
        table.keep(number, number)
    assert table.pop(0) == 0
    assert table.pop(2) == 2
    assert table.pop(7, None) is None
    with pytest.raises(KeyError):
        table.pop(7)
    assert table.holds(1)
    table.clear()
    assert not table.holds(1)


@pytest.fixture
def few(monkeypatch):
    """Small bounds, so that few shapes reach them."""
    monkeypatch.setattr(backends, "MAX_LEAVES", 8)
    monkeypatch.setattr(backends, "MAX_BOUND", 8)
    monkeypatch.setattr(executor, "MAX_PLANS", 8)
    monkeypatch.setattr(signature, "MAX_DERIVED", 8)
    monkeypatch.setattr(recording, "MAX_RECORDINGS", 4)
    be = CPUBackend()
    yield be
    be.cleanup_backend()


def live(kind):
    gc.collect()
    return sum(type(found) is kind for found in gc.get_objects())


def statement(be, rows, columns):
    x, y = be.ones((rows, columns)), be.empty((rows, columns))
    y[:] = be.exp(x) * 2 + be.sum(x, axis=0)
    slope = Autodiff(be.exp(x) * x, be).get_grad_asnumpyarray([x])[0]
    return y.get(), slope


def test_many_shapes(few):
    for rows in range(1, 41):
        statement(few, rows, 3)
    before = live(signature.Signature)
    for rows in range(41, 121):
        y, slope = statement(few, rows, 3)
        np.testing.assert_allclose(y, 2 * np.e + rows, rtol=1e-6)
        np.testing.assert_allclose(slope, 2 * np.e, rtol=1e-6)
    assert live(signature.Signature) <= before + 20
    for table in (few._leaf_signatures, few.executor._plans, few.bound):
        assert len(table) + len(table.older) <= 16


def test_many_structures_on_tensors_that_stay(few):
    x, y = few.ones((3, 4)), few.empty((3, 4))
    others = [few.ones((3, 4)) for _ in range(4)]
    for number in range(1, 200):
        tree = few.clip(x, 0.0, float(number))
        for other in others:
            tree = tree + other
        y[:] = tree
        assert (y.get() == 5).all()
    assert len(x.sig.derived) + len(x.sig.older) <= 16


def test_tensors_that_live_through_a_change_of_generations(few):
    x = few.ones((2, 5))
    tree = few.exp(x) * x
    for rows in range(1, 60):
        few.ones((rows, 7))
    again = few.exp(x) * x
    y = few.empty((2, 5))
    for t in (tree, again, few.exp(few.ones((2, 5))) * x):
        y[:] = t
        np.testing.assert_allclose(y.get(), np.e, rtol=1e-6)
        slope = Autodiff(t, few).get_grad_asnumpyarray([x])[0]
        assert np.isfinite(slope).all()


def test_views_of_one_tensor(few, monkeypatch):
    monkeypatch.setattr(storage, "MAX_TOKENS", 8)
    x = few.ones((20, 20))
    kept = x[2:5]
    tree = few.sum(kept * x[2:5])
    for row in range(20):
        for column in range(20):
            assert x[row:, column:].token != kept.token
    assert len(x.storage._tokens) + len(x.storage._tokens.older) <= 16
    x[2:5] += 1
    assert x.get().sum() == 460
    np.testing.assert_array_equal(Autodiff(tree, few).get_grad_asnumpyarray([kept])[0], 4)


def test_bound_statements_are_found_in_the_older_generation(few, monkeypatch):
    pairs = [(few.ones((3, 4)), few.empty((3, 4))) for _ in range(4)]
    others = [few.ones((3, 4)) for _ in range(4)]
    for x, y in pairs:
        y[:] = x + 1
    for other in others:
        other[:] = other + 1
    assert few.bound.older
    bound = []
    real = few.executor.bind
    monkeypatch.setattr(few.executor, "bind", lambda pairs: bound.append(1) or real(pairs))
    for x, y in pairs:
        y[:] = x + 1
    assert not bound, "there are eight in turns, and a generation is eight"


def test_a_statement_of_the_older_generation_goes_with_its_memory(few):
    x, y = few.ones((3, 4)), few.empty((3, 4))
    y[:] = x + 1
    others = [(few.ones((3, 4)), few.empty((3, 4))) for _ in range(6)]
    for a, b in others:
        b[:] = a + 1
    assert few.bound.older
    gone = weakref.ref(y.storage)
    count = len(few.bound) + len(few.bound.older)
    del y, x
    gc.collect()
    assert gone() is None
    assert len(few.bound) + len(few.bound.older) < count


def test_recordings_for_many_arguments(few):
    x = few.ones((3, 4))

    def step(number):
        x[:] = x * 0 + number

    recorded = few.record(step)
    for number in range(40):
        for _ in range(3):
            recorded(number)
        assert (x.get() == number).all()
    assert recorded.replays
    assert len(recorded._ready) + len(recorded._ready.older) <= 8


def test_libraries_that_nobody_uses_are_unloaded(monkeypatch, tmp_path):
    monkeypatch.setattr(compilers, "MAX_LOADED", 2)
    closed = []
    real = compilers.dlclose
    monkeypatch.setattr(compilers, "dlclose", lambda handle: closed.append(handle) or real(handle))
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    compiler = compilers.Compiler(find_compiler().command)
    text = "int answer(void) {{ return {}; }}\n"
    held = compiler.load(text.format(0))
    for number in range(1, 8):
        assert compiler.load(text.format(number)).answer() == number
    gc.collect()
    assert len(closed) >= 3
    assert held._handle not in closed
    assert held.answer() == 0
    assert compiler.load(text.format(1)).answer() == 1
    assert compiler.compiled == 8, "it was on disk"
