"""Devices over an array library: the definitions run in it, what it lacks runs on the host."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from neonport import Autodiff
from neonport.backends.arrays.device import forward_layout
from neonport.backends.arrays.duck_array import HostNeeded
from neonport.dtypes import FLOAT32
from neonport.ops.op import Kind, of_kind
from neonport.testing import conformance
from tests.backends.arrays.numpy_device import NarrowBackend, NumpyBackend, NumpyNamespace

THIN = 9  # every so many cases; the plugins run all of them


@pytest.fixture
def be():
    backend = NumpyBackend(rng_seed=0)
    backend.bsz = 4
    return backend


@pytest.mark.parametrize("kind", [NumpyBackend, NarrowBackend])
def test_conformance(kind):
    backend = kind(rng_seed=0)
    backend.bsz = 4
    cases = list(conformance.applicable(backend))[::THIN]
    failed = {}
    for case in cases:
        outcome = case.run(backend)
        if outcome.message:
            failed[f"{case.op} {case.id}"] = outcome.message
    assert len(cases) > 400
    assert not failed


def test_definitions_run_in_the_library(be):
    """Elementwise work, reductions and movements need the host for nothing but erf."""
    ops = of_kind(Kind.ELEMENTWISE, Kind.REDUCTION, Kind.MOVEMENT, Kind.CONTRACTION)
    cases = list(conformance.applicable(be, ops))[::THIN]
    assert {case.op for case in cases} >= {"add", "var", "argmax", "slice", "dot"}
    assert not [case for case in cases if case.run(be).message]
    assert set(be.device.computer.fallbacks) & ops <= {"erf"}


def test_window_ops_run_in_the_library(be):
    for op in ("conv", "pool", "lrn", "lstm"):
        assert all(r.passed for r in conformance.run(be, only=[op]))
    assert not be.device.computer.fallbacks


def test_a_function_that_is_missing_goes_to_the_host(be):
    class WithoutExp:
        def __getattr__(self, name):
            if name == "exp":
                raise AttributeError(name)
            return getattr(np, name)

    be.device.arrays.xp = WithoutExp()
    x, y = be.array([[0.0, 1.0]]), be.empty((1, 2))
    y[:] = be.exp(x) + 1
    assert np.allclose(y.get(), np.exp([[0, 1]]) + 1)
    assert be.device.computer.fallbacks == {"exp": "the library has no exp"}


def test_the_librarys_own_function_of_an_op(be):
    calls = []

    def erf(x):
        calls.append(x)
        return np.zeros_like(x)

    be.device.arrays.library["erf"] = erf
    y = be.empty((1, 2))
    y[:] = be.erf(be.array([[0.0, 1.0]]))
    assert len(calls) == 1
    assert not y.get().any()


@pytest.mark.parametrize(
    "assign",
    [
        lambda be, x: x.__setitem__(slice(None), x.T),
        lambda be, x: x[:, ::-1].__setitem__(slice(None), x),
        lambda be, x: x[1:].__setitem__(slice(None), x[:-1]),
        lambda be, x: be.assign_many([(x[0:1], x[1:2]), (x[1:2], x[0:1])]),
    ],
    ids=["transpose", "backward", "shift", "swap"],
)
def test_reads_come_before_stores(be, assign):
    from neonport.plugins.registry import create_backend

    values = np.arange(9.0).reshape(3, 3)
    cpu = create_backend("cpu")
    results = []
    for backend in (be, cpu):
        x = backend.array(values)
        assign(backend, x)
        results.append(x.get())
    assert np.array_equal(*results)


def test_a_statement_is_bound_once_and_takes_other_numbers(be):
    x, y = be.array([[1.0, 2.0]]), be.empty((1, 2))
    graphs = []
    bind = be.device.bind_graph
    be.device.bind_graph = lambda *a: graphs.append(a) or bind(*a)
    for rate in (1.0, 0.5, 0.25):
        y[:] = x * rate
        assert np.array_equal(y.get(), x.get() * rate)
    assert len(graphs) == 1


def test_a_step_is_recorded(be):
    x, y = be.array([[1.0, 2.0]]), be.zeros((1, 2))
    step = be.record(lambda: y.__setitem__(slice(None), y + x))
    for _ in range(4):
        step()
    assert step.replays == 3
    assert y.get().tolist() == [[4.0, 8.0]]


def test_random_numbers_are_those_of_cpu(be):
    from neonport.plugins.registry import create_backend

    cpu = create_backend("cpu", rng_seed=0)
    a, b = be.empty((3, 5)), cpu.empty((3, 5))
    a[:], b[:] = be.rand(), cpu.rand()
    assert np.array_equal(a.get(), b.get())


def test_gradients(be):
    x = be.array([[0.5, -1.0, 2.0]])
    (gradient,) = Autodiff(be.sum(be.tanh(x) * x), be).get_grad_asnumpyarray([x])
    t = np.tanh(x.get())
    assert np.allclose(gradient, t + x.get() * (1 - t * t), atol=1e-6)


def test_bound_statements_keep_no_memory_alive(be):
    import gc
    import weakref

    x, y = be.ones((4, 4)), be.empty((4, 4))
    y[:] = be.exp(x)
    kept = weakref.ref(x.storage)
    del x
    gc.collect()
    assert kept() is None


def test_float64_goes_to_float16_with_one_rounding(be):
    """1 + 2^-11 + 2^-30 lies above the tie of float16; float32 in between would make it the tie."""
    x = be.array([[1 + 2.0**-11 + 2.0**-30]], dtype=np.float64)
    y = be.empty((1, 1), dtype=np.float16)
    y[:] = x
    assert y.get()[0, 0] == np.float16(1 + 2.0**-10)


def test_forward_layout():
    values = np.arange(24).reshape(2, 3, 4)
    for view in (values[::-1], values[:, ::-2], values[::-1, 1:, ::-1]):
        strides = tuple(s // 8 for s in view.strides)
        offset = (view.ctypes.data - values.ctypes.data) // 8
        (shape, steps, first), axes = forward_layout((view.shape, strides, offset))
        forward = np.lib.stride_tricks.as_strided(
            values.reshape(-1)[first:], shape, tuple(8 * s for s in steps)
        )
        assert np.array_equal(np.flip(forward, axes), view)


class TestDucks:
    """What a definition may do with the arrays that it gets."""

    @pytest.fixture
    def duck(self):
        return NumpyNamespace(np).duck(np.arange(6, dtype=np.float32).reshape(2, 3))

    def test_dtypes_are_numpys(self, duck):
        assert (duck + 1).dtype == FLOAT32
        assert (duck * np.float64(2)).dtype == np.float64
        assert (duck > 2).dtype == bool
        assert np.where(duck > 2, 1, duck).dtype == FLOAT32
        assert np.sum(duck, axis=0, dtype=np.float64).dtype == np.float64

    def test_in_place(self, duck):
        out = np.zeros_like(duck)
        out[0] += duck[1]
        out[:, ::-1] = duck
        assert out.array.tolist() == [[2, 1, 0], [5, 4, 3]]
        out[:, ::-1] += duck
        assert out.array.tolist() == [[4, 2, 0], [10, 8, 6]]

    @pytest.mark.parametrize(
        "use",
        [
            lambda x: np.asarray(x),
            lambda x: np.add.reduce(x),
            lambda x: np.add(x[0], 1, out=np.ones(3)),
            lambda x: x[x > 2],
            lambda x: np.nonzero(x),
            lambda x: np.zeros(x.shape).__setitem__(0, x[0]),
            lambda x: float(x.sum()),
        ],
    )
    def test_what_needs_the_host_says_so(self, duck, use):
        with pytest.raises(HostNeeded):
            use(duck)

    def test_integers_divided_by_zero_are_zero(self):
        arrays = NumpyNamespace(SimpleNamespace(**{n: getattr(np, n) for n in np.__all__}))
        a, b = (arrays.duck(np.array([[v]], np.int64)) for v in (7, 0))
        assert (a % b).array.tolist() == (a // b).array.tolist() == [[0]]


class Immutable(NumpyNamespace):
    """NumPy as a library whose arrays cannot be written to."""

    immutable = True

    def set_item(self, array, key, value):
        return super().set_item(array.copy(), key, value)


class TestImmutableArrays:
    """Writes of a definition make new arrays; one that relies on two views goes to the host."""

    @pytest.fixture
    def duck(self):
        return Immutable(np).duck(np.arange(6, dtype=np.float32).reshape(2, 3))

    def test_writes_do_not_reach_the_operand(self, duck):
        out = np.zeros_like(duck)
        out[0] += duck[1]
        out[0] += 1
        assert out.array.tolist() == [[4, 5, 6], [0, 0, 0]]
        duck[0] = 9
        before = duck.array
        duck += 1
        assert before.tolist() == [[9, 9, 9], [3, 4, 5]]

    def test_a_view_that_would_not_see_a_write(self, duck):
        out = np.zeros_like(duck)
        view = out[0]
        with pytest.raises(HostNeeded):
            out[1] = 1
        assert not view.array.any()

    @pytest.mark.parametrize(
        "write",
        [
            lambda x: x.reshape(3, 2).__setitem__(0, 1),
            lambda x: np.transpose(x).__iadd__(1),
            lambda x: x[0][1:].__iadd__(1),
        ],
    )
    def test_a_write_that_would_not_find_its_way(self, duck, write):
        with pytest.raises(HostNeeded):
            write(duck)

    def test_ops_are_right(self, be):
        be.device.arrays.__class__ = Immutable
        for op in ("conv", "pool", "lrn", "rnn", "lstm", "gru", "cumsum", "slice"):
            for result in conformance.run(be, only=[op]):
                assert result.passed, result
