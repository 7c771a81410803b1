"""A device that has memory and copies only: what it does not write has defaults."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from neonport.compiler.codegen.cpu.dialect import c_dialect
from neonport.dtypes import FLOAT_NAMES
from neonport.errors import CompileError, DLPackError
from neonport.tensor.storage import Storage
from tests.fixtures.byte_device import Bytes, BytesBackend


@pytest.fixture
def be():
    backend = BytesBackend(rng_seed=0)
    yield backend
    backend.cleanup_backend()


VALUES = np.arange(24, dtype=np.float32).reshape(4, 6)
VIEWS = [
    np.s_[:],
    np.s_[1:3],
    np.s_[:, 1::2],
    np.s_[::-1],
    np.s_[3:0:-2, ::-3],
    np.s_[2],
    np.s_[:0],
]


@pytest.mark.parametrize("key", VIEWS, ids=str)
def test_views_are_copied_out_and_in(be, key):
    host, t = VALUES.copy(), be.array(VALUES)
    np.testing.assert_array_equal(t[key].get(), host[key].reshape(t[key].shape))
    t[key].set(np.full(t[key].shape, -1))
    host[key] = -1
    np.testing.assert_array_equal(t.get(), host)  # what lies between is as it was


def test_turned_and_repeated_views_are_copied_out(be):
    t = be.array(VALUES)
    np.testing.assert_array_equal(t.T.get(), VALUES.T)
    assert t.T.get().flags.c_contiguous


def test_no_more_is_moved_than_a_tensor_spans(be):
    t = be.array(VALUES)
    be.device.moved.clear()
    t[1:3].get()
    t[1, 2].set(7)
    t[:, 2:4].set(np.zeros((4, 2)))
    assert be.device.moved == [
        ("read", 24, 48),
        ("write", 32, 4),
        ("read", 8, 80),
        ("write", 8, 80),
    ]


def test_nothing_is_moved_of_nothing(be):
    t = be.empty((0, 3))
    t.set(np.empty((0, 3)))
    assert t.get().shape == (0, 3)
    assert be.device.moved == []


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.5, 2.0), (-1.0, 0.0)])
def test_numpy_multiplies(be, dtype, alpha, beta):
    a, b = be.array(VALUES, dtype=dtype), be.array(VALUES.T / 8, dtype=dtype)
    c = be.array(np.ones((4, 4)) if beta else np.full((4, 4), np.nan), dtype=dtype)
    be.compound_dot(a, b, c, alpha=alpha, beta=beta)
    right = alpha * (VALUES @ VALUES.T / 8) + beta
    np.testing.assert_allclose(
        c.get().astype(np.float64), right, rtol=1e-2 if dtype.endswith("float16") else 1e-6
    )


def test_sums_of_short_floats_are_kept_in_float32(be):
    ones, c = be.ones((1, 4096), dtype="bfloat16"), be.empty((1, 1), dtype="bfloat16")
    be.compound_dot(ones, ones.T, c)  # from 256 on, 1 more is no more in bfloat16
    assert float(c) == 4096


def test_what_runs_in_numpy_is_not_recorded_and_says_why(be):
    a, c = be.ones((3, 3)), be.empty((3, 3))
    step = be.record(lambda: be.compound_dot(a, a, c))
    step()
    assert "a matrix product runs in NumPy" in step.reason


def test_a_product_keeps_no_memory_alive(be):
    def blocks():
        return sum(type(x) is Storage and x.space == "bytes" for x in gc.get_objects())

    gc.collect()
    before = blocks()
    a, c = be.ones((3, 3)), be.empty((3, 3))
    be.compound_dot(a, a, c)
    del a, c
    gc.collect()
    assert blocks() == before


def test_statements_cannot_be_bound_without_a_compiler(be):
    assert not be.device.compiles
    y = be.empty((2, 3))
    with pytest.raises(CompileError, match=r"bytes:0 compiles no kernels.*y\[:\] = tree"):
        be.executor.bind([(y, be.ones((2, 3)) + 1)])
    assert be.device.render_kernel(None) == ""


def test_a_dialect_or_bind_kernel_says_that_it_compiles():
    class Spoken(Bytes):
        dialect = c_dialect()

    class Bound(Bytes):
        def bind_kernel(self, kernel, places):
            raise NotImplementedError

    assert Spoken().compiles
    assert Bound().compiles


def test_a_dialect_without_a_compiler_is_named():
    class Spoken(Bytes):
        dialect = c_dialect()

    class SpokenBackend(BytesBackend):
        device_class = Spoken

    be = SpokenBackend(rng_seed=0)
    y = be.empty((2, 3))
    with pytest.raises(CompileError, match="compiles no kernels"):
        y[:] = be.ones((2, 3)) + 1


def test_its_memory_is_not_shared_but_copied(be):
    t = be.array(VALUES)
    assert t.__dlpack_device__() == (12, 0)  # kDLExtDev
    for export in (
        t.__dlpack__,
        lambda: t.__dlpack__(dl_device=(12, 0)),
        lambda: t.__dlpack__(stream=1),
    ):
        with pytest.raises(DLPackError, match="host"):
            export()
    np.testing.assert_array_equal(np.from_dlpack(t.host()), VALUES)
    np.testing.assert_array_equal(np.from_dlpack(t, device="cpu"), VALUES)
    with pytest.raises(DLPackError, match="copy=True"):
        be.from_dlpack(VALUES)
    np.testing.assert_array_equal(be.from_dlpack(VALUES, copy=True).get(), VALUES)
    twin = be.from_dlpack(t)
    twin[:] = 1
    assert np.all(t.get() == 1)
