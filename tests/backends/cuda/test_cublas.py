"""cuBLAS by way of strides; its modes; life without it."""

from __future__ import annotations

import gc
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from neonport.backends.cuda import cublas as blas
from neonport.backends.cuda import device as products
from neonport.errors import BackendUnavailable
from neonport.optree.node import apply

TOLERANCE = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-12}


def laid(be, values, layout):
    """A matrix as rows, as columns, or within a larger one of either kind."""
    if "columns" in layout:
        return laid(be, np.ascontiguousarray(values.T), layout.replace("columns", "rows")).T
    if "part" in layout:
        room = np.full((values.shape[0] + 3, values.shape[1] + 2), np.nan, values.dtype)
        room[1:-2, 1:-1] = values
        return be.array(room, dtype=values.dtype)[1:-2, 1:-1]
    return be.array(values, dtype=values.dtype)


LAYOUTS = ("rows", "columns", "rows part", "columns part")


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sizes", [(5, 7, 3), (1, 4, 1), (6, 1, 2)])
def test_layouts_scales_and_types(cuda, monkeypatch, dtype, sizes):
    def refused(*args):
        raise AssertionError("cuBLAS takes these")

    monkeypatch.setattr("neonport.backends.gpu.device.matmul.bind_product", refused)
    m, k, n = sizes
    rng = np.random.RandomState(0)
    for kinds in itertools.product(LAYOUTS, LAYOUTS, LAYOUTS):
        a, b, c = (rng.normal(size=s).astype(dtype) for s in ((m, k), (k, n), (m, n)))
        x, y, z = (laid(cuda, v, kind) for v, kind in zip((a, b, c), kinds, strict=True))
        cuda.compound_dot(x, y, z, alpha=0.5, beta=2.0)
        want = 0.5 * (a.astype("d") @ b.astype("d")) + 2.0 * c.astype("d")
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(z.get(), want, rtol=tolerance, atol=4 * tolerance)
        # what a matrix does not read must not matter
        z.fill(np.nan)
        cuda.compound_dot(x, y, z)
        want = a.astype("d") @ b.astype("d")
        np.testing.assert_allclose(z.get(), want, rtol=tolerance, atol=4 * tolerance)


def test_a_layout_that_it_does_not_take(cuda):
    a, b = np.random.RandomState(0).randn(2, 6, 8).astype("f")
    x, y, z = cuda.array(a)[:, ::2], cuda.array(b).T[::2], cuda.zeros((6, 6))
    cuda.compound_dot(x, y, z)
    np.testing.assert_allclose(z.get(), a[:, ::2] @ b.T[::2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shared", ["none", "left", "right"])
@pytest.mark.parametrize("turned", [False, True])
def test_batches(cuda, shared, turned):
    rng = np.random.RandomState(0)
    a = rng.randn(*(() if shared == "left" else (3,)), 4, 5).astype("f")
    b = rng.randn(*(() if shared == "right" else (3,)), 5, 6).astype("f")
    c = cuda.zeros((3, 6, 4) if turned else (3, 4, 6))
    target = c.permute((0, 2, 1)) if turned else c
    library = cuda.device.library()
    calls = []
    bind = library.bind
    library.bind = lambda *args: calls.append(args) or bind(*args)
    target[:] = apply("batched_dot", cuda.array(a), cuda.array(b), reduce=False)
    np.testing.assert_allclose(target.get(), a @ b, rtol=1e-5, atol=1e-5)
    assert len(calls) == 1


def test_tf32_is_off_until_it_is_asked_for(cuda):
    rng = np.random.RandomState(0)
    a, b = rng.uniform(1, 2, (2, 64, 64)).astype("f")
    x, y, z = cuda.array(a), cuda.array(b), cuda.zeros((64, 64))

    def error():
        cuda.compound_dot(x, y, z)
        exact = a.astype("d") @ b.astype("d")
        return float(np.abs(z.get() / exact - 1).max())

    assert not cuda.tf32
    exact = error()
    cuda.tf32 = True
    rough = error()
    cuda.tf32 = False
    assert error() == exact < 1e-6 < rough < 1e-3


def test_the_environment_switches_tf32_on(make_cuda, monkeypatch):
    monkeypatch.setenv("NEONPORT_TF32", "1")
    assert make_cuda().tf32


def test_without_cublas(make_cuda, monkeypatch):
    def missing():
        raise BackendUnavailable("cuda: cuBLAS cannot be loaded (no such file)")

    monkeypatch.setattr(blas, "load_library", missing)
    be = make_cuda()
    a = np.random.RandomState(0).randn(5, 5).astype("f")
    out = be.zeros((5, 5))
    with pytest.warns(RuntimeWarning, match=r"cuBLAS cannot be loaded.*slower"):
        be.compound_dot(be.array(a), be.array(a), out)
    np.testing.assert_allclose(out.get(), a @ a, rtol=1e-5, atol=1e-5)
    be.compound_dot(be.array(a), be.array(a), out)  # warned once
    assert not be.tf32


def test_our_own_kernels_can_be_asked_for(cuda, monkeypatch):
    monkeypatch.setattr(products, "CuBlas", None)
    cuda.cublas = False
    out = cuda.zeros((3, 3))
    cuda.compound_dot(cuda.ones((3, 4)), cuda.ones((4, 3)), out)
    np.testing.assert_array_equal(out.get(), np.full((3, 3), 4.0))


def test_strides_of_single_rows_and_columns_mean_nothing():
    def matrix(*shape, strides):
        return SimpleNamespace(shape=shape, strides=strides, dtype=np.dtype("f"))

    found = blas.arrange(
        matrix(1, 4, strides=(77, 1)), matrix(4, 1, strides=(9, 5)), matrix(1, 1, strides=(3, 3))
    )
    assert found == ((1, 1, 4), True, ((0, 9), (0, 4), (0, 1)))


@pytest.mark.parametrize("way", ["closed", "forgotten"])
def test_the_handle_is_given_back_once(cuda, monkeypatch, way):
    real, given = blas.load_library(), []

    def destroy(handle):
        given.append(handle)
        return real.cublasDestroy_v2(handle)

    library = SimpleNamespace(cublasCreate_v2=real.cublasCreate_v2, cublasDestroy_v2=destroy)
    monkeypatch.setattr(blas, "load_library", lambda: library)
    handle = blas.CuBlas(cuda.device.queue, cuda.device.blocks)
    if way == "closed":
        handle.close()
        handle.close()
    del handle
    gc.collect()
    assert len(given) == 1
