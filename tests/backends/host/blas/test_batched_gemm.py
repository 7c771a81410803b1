"""Products over a leading axis."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.backends.host.blas import gemm
from neonport.backends.host.blas.gemm import bind_batched_gemm
from neonport.dtypes import as_dtype
from neonport.errors import DtypeError, ReadOnlyError, ShapeError
from neonport.optree.node import apply

pytestmark = pytest.mark.usefixtures("engine")


TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-5, "float64": 1e-13}


def draw(seed, *shape, dtype="float32"):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(as_dtype(dtype))


def check(a, b, c, alpha, beta):
    product = np.matmul(a.astype(float), b.astype(float))
    if c.ndim == 2:
        product = product.sum(axis=0)
    expected = alpha * product + (beta * c.astype(float) if beta else 0)
    bind_batched_gemm(a, b, c, alpha, beta)()
    atol = TOLERANCE[str(c.dtype)] * 3
    np.testing.assert_allclose(c, expected, rtol=TOLERANCE[str(c.dtype)], atol=atol)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (-0.5, 1.0), (2.0, 0.5)])
@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("shared", ["none", "a", "b"])
def test_stacks_and_shared_operands(dtype, alpha, beta, summed, shared):
    x, m, k, n = 6, 4, 5, 3
    a = draw(1, *(() if shared == "a" else (x,)), m, k, dtype=dtype)
    b = draw(2, *(() if shared == "b" else (x,)), k, n, dtype=dtype)
    c = draw(3, *(() if summed else (x,)), m, n, dtype=dtype)
    if beta == 0.0:
        c[...] = np.nan
    check(a, b, c, alpha, beta)


def swapped(array):
    return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)


def feature_major(array):
    """The leading axis last in memory: no entry has a unit stride."""
    return np.ascontiguousarray(np.moveaxis(array, 0, -1)).transpose(2, 0, 1)


def interleaved(array):
    """Rows of all entries next to each other, so that entries overlap in their bounds."""
    return np.ascontiguousarray(array.transpose(1, 0, 2)).transpose(1, 0, 2)


def backwards(array):
    return np.ascontiguousarray(array[::-1])[::-1]


@pytest.mark.parametrize("store_c", [np.array, swapped, feature_major, interleaved, backwards])
@pytest.mark.parametrize("store", [np.array, swapped, feature_major, interleaved, backwards])
def test_layouts(store, store_c):
    a, b, c = store(draw(1, 6, 4, 5)), store(draw(2, 6, 5, 3)), store_c(draw(3, 6, 4, 3))
    check(a, b, c, 0.5, 2.0)
    check(a, b, store_c(np.full((6, 4, 3), np.nan, np.float32)), 1.0, 0.0)


@pytest.mark.parametrize(("x", "m", "k", "n"), [(3, 80, 90, 70), (40, 80, 90, 70), (1, 9, 9, 9)])
def test_few_and_many_large_entries(x, m, k, n):
    check(draw(1, x, m, k), draw(2, x, k, n), draw(3, x, m, n), 0.5, 0.25)


@pytest.mark.parametrize(("m", "n"), [(1, 5), (5, 1), (1, 1)])
def test_single_rows_and_columns(m, n):
    check(draw(1, 4, m, 3), draw(2, 4, 3, n), draw(3, 4, m, n), 0.5, 0.25)
    check(draw(1, 4, m, 3), draw(2, 4, 3, n), draw(3, m, n), 0.5, 0.25)


@pytest.mark.parametrize(("x", "m", "k", "n"), [(0, 2, 3, 4), (3, 0, 2, 2), (3, 2, 0, 2)])
def test_empty_sizes(x, m, k, n):
    check(draw(1, x, m, k), draw(2, x, k, n), draw(3, x, m, n), 1.0, 0.5)
    check(draw(1, x, m, k), draw(2, x, k, n), draw(3, m, n), 1.0, 0.5)


def test_a_target_may_overlap_an_operand():
    w, y = draw(1, 3, 4, 4), draw(2, 3, 4, 4)
    expected = np.matmul(w, y)
    bind_batched_gemm(w, y, y)()
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_a_bound_stack_reads_its_buffers_anew():
    a, b, c = draw(1, 3, 4, 5), draw(2, 5, 6), np.empty((3, 4, 6), np.float32)
    run = bind_batched_gemm(a, b, c)
    a *= 2
    run()
    np.testing.assert_allclose(c, a @ b, atol=1e-5)


def test_wrong_arguments():
    a, b, c = draw(1, 3, 4, 5), draw(2, 3, 5, 6), draw(3, 3, 4, 6)
    with pytest.raises(ShapeError, match="a stack as a or b"):
        bind_batched_gemm(a[0], b[0], c)
    with pytest.raises(ShapeError, match="a stack as a or b"):
        bind_batched_gemm(a[None], b, c)
    with pytest.raises(ShapeError, match="leading axes differ"):
        bind_batched_gemm(a[:2], b, c)
    with pytest.raises(ShapeError, match="leading axes differ"):
        bind_batched_gemm(a, b, c[:1])
    with pytest.raises(ShapeError, match="does not fit"):
        bind_batched_gemm(a, b[:, :4], c)
    with pytest.raises(DtypeError, match="float64"):
        bind_batched_gemm(a, b.astype(float), c)
    c.flags.writeable = False
    with pytest.raises(ReadOnlyError, match="read-only"):
        bind_batched_gemm(a, b, c)


@pytest.mark.parametrize("reduce", [False, True])
def test_a_product_of_stacks_on_the_cpu_backend_is_one_call(monkeypatch, reduce):
    bound = []

    def bind(a, b, c, *factors):
        bound.append((a.shape, b.shape, c.shape))
        return bind_batched_gemm(a, b, c, *factors)

    monkeypatch.setattr(gemm, "bind_batched_gemm", bind)
    be = gen_backend("cpu", batch_size=8)
    x, y = draw(1, 7, 3, 4), draw(2, 4, 5)
    c = be.empty((3, 5) if reduce else (7, 3, 5))
    c[:] = apply("batched_dot", be.array(x), be.array(y), reduce=reduce)
    assert bound == [(x.shape, y.shape, c.shape)]
    expected = (x @ y).sum(axis=0) if reduce else x @ y
    np.testing.assert_allclose(c.get(), expected, rtol=1e-5, atol=1e-5)
    be.cleanup_backend()
