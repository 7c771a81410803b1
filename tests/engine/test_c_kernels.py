"""Kernels in C on a device that compiles: the one method, and what it may do with tasks."""

from __future__ import annotations

from ctypes import c_int64, c_void_p

import numpy as np
import pytest

from neonport.backends.host.jit.launcher import shared_jit
from neonport.compiler.codegen.cpu.dialect import c_dialect
from neonport.errors import CompileError
from tests.fixtures.byte_device import Bytes, BytesBackend


class Compiling(Bytes):
    """Compiles with the host's compiler; `cut` says in which ranges tasks are run."""

    dialect = c_dialect()
    texts = ()

    def cut(self, tasks):
        return [(0, tasks)]

    def compile_c(self, source, names):
        self.texts = (*self.texts, source)
        library = shared_jit().compiler.load(source)

        def entry(name):
            function = getattr(library, name)

            def run(words, tasks):
                for begin, end in self.cut(tasks):
                    function(c_void_p(words.ctypes.data), c_int64(begin), c_int64(end))

            return run

        return [entry(name) for name in names]


class Backwards(Compiling):
    """Runs tasks one by one, the last one first."""

    def cut(self, tasks):
        return [(i, i + 1) for i in reversed(range(tasks))]


class Silent(Compiling):
    """Its compiler refuses everything."""

    def compile_c(self, source, names):
        raise CompileError("no such intrinsic: neo_exp_f32")


def made(device):
    be = type("Made", (BytesBackend,), {"device_class": device})(rng_seed=3)
    be.executor.interpret = None  # nothing is left to NumPy
    return be


STATEMENTS = {
    "map": ((300, 500), lambda be, x: be.exp(x) * 2 + 1),
    "rows": ((50, 700), lambda be, x: x / be.sum(x, axis=1)),
    "one long row": ((1, 200_000), lambda be, x: x - be.mean(x, axis=1)),
    "columns": ((4000, 40), lambda be, x: be.var(x, axis=0) + x),
    "turned": ((120, 90), lambda be, x: x.T * 3),
    "positions": ((1, 200_000), lambda be, x: be.argmax(x, axis=1)),
    "random": ((30, 70), lambda be, x: be.rand() + x),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_tasks_may_run_in_any_order(name):
    shape, tree = STATEMENTS[name]
    values = np.random.RandomState(0).standard_normal(shape)
    found = []
    for device in (Compiling, Backwards):
        be = made(device)
        value = tree(be, be.array(values))
        out = be.empty(value.shape or shape)
        out[:] = value
        found.append(out.get())
        assert len(be.device.texts) == 1
    assert found[0].tobytes() == found[1].tobytes()


def test_numbers_and_random_numbers_change_without_a_compilation():
    be = made(Compiling)
    x, y = be.ones((2, 3)), be.empty((2, 3))
    drawn = []
    for number in (0.5, -2, 7.25):
        y[:] = x * number
        np.testing.assert_array_equal(y.get(), np.full((2, 3), number))
        y[:] = be.rand()
        drawn.append(y.get())
    assert len(be.device.texts) == len(set(be.device.texts))
    assert not np.array_equal(drawn[0], drawn[1])


def test_equal_kernels_are_compiled_once():
    be = made(Compiling)
    for size in (4, 5, 6):
        be.empty((3, size))[:] = be.ones((3, size)) + 1
    assert len(be.device.texts) == len(set(be.device.texts))


def test_what_the_compiler_says_is_passed_on():
    be = made(Silent)
    y = be.empty((2, 3))
    with pytest.raises(CompileError, match="no such intrinsic"):
        y[:] = be.exp(be.zeros((2, 3)))


def test_its_text_can_be_seen():
    be = made(Compiling)
    x = be.zeros((2, 3))
    shown = str(be.explain(be.exp(x), source=True))
    assert "neo_main" in shown
    assert "neo_exp_f32" in shown
