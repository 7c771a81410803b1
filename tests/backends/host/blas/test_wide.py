"""Long sums by our own C: values, layouts, threads, and which products it takes."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.host import threads
from neonport.backends.host.blas import gemm
from neonport.backends.host.blas import wide as long_sums
from neonport.backends.host.blas.choice import current_engine
from neonport.backends.host.blas.compiled import CompiledRunner
from neonport.backends.host.blas.wide import WideProduct

# rows, columns, terms: at and beside the sizes of blocks
SIZES = [(24, 32, 1024), (65, 128, 1030), (130, 300, 2049), (49, 513, 1151)]


@pytest.fixture(autouse=True)
def on_any_registers(monkeypatch):
    """The code is right, if not fast, with every width."""
    if not isinstance(getattr(current_engine(), "runner", None), CompiledRunner):
        pytest.skip("no OpenBLAS, or no C compiler here")
    monkeypatch.setattr(long_sums, "VECTOR", 16)
    monkeypatch.setattr(gemm, "_plans", {})


def operands(m, n, k, dtype, apart=0):
    """a, the matrix whose transpose is b, and c; rows `apart` numbers longer than they look."""
    rng = np.random.default_rng(m)
    a, b, c = (rng.random((rows, size + apart), dtype) for rows, size in ((m, k), (n, k), (m, n)))
    return a[:, :k], b[:, :k], c[:, :n]


def prepared(a, b, c):
    plan = current_engine().plan(a, b, c)
    return plan and plan.prepared


@pytest.mark.parametrize("factors", [(1.0, 0.0), (2.0, 0.5)])
@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values(sizes, dtype, apart, factors):
    a, b, c = operands(*sizes, dtype, apart)
    alpha, beta = factors
    want = alpha * (a.astype("d") @ b.T.astype("d")) + beta * c
    if not beta:
        c[:] = np.nan  # is not read
    assert isinstance(prepared(a, b.T, c), WideProduct)
    gemm.bind_gemm(a, b.T, c, alpha, beta)()
    bound = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(c, want, rtol=bound)


def test_infinities_and_nan_stay_in_their_row():
    a, b, c = operands(30, 40, 1100, "float32")
    a[3, 7], a[5, 1099] = np.nan, np.inf
    gemm.gemm(a, b.T, c)
    assert np.isnan(c[3]).all()
    assert np.isposinf(c[5]).all()
    assert np.isfinite(np.delete(c, [3, 5], 0)).all()


def test_bits_do_not_depend_on_threads():
    a, b, c = operands(100, 70, 3000, "float32")
    before, found = threads.num_threads(), []
    try:
        for count in (1, 2, 5):
            threads.set_num_threads(count)
            gemm.gemm(a, b.T, c)
            found.append(c.copy())
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


@pytest.mark.parametrize(
    ("sizes", "turned"),
    [
        ((24, 32, 1023), True),
        ((23, 32, 2000), True),
        ((64, 31, 2000), True),
        ((64, 64, 2000), False),
    ],
    ids=["short", "few rows", "few columns", "b by rows"],
)
def test_other_products_are_for_the_blas(sizes, turned):
    a, b, c = operands(*sizes, "float32")
    right = b.T if turned else np.ascontiguousarray(b.T)
    assert not isinstance(prepared(a, right, c), WideProduct)


def test_narrow_registers_leave_it_to_the_blas(monkeypatch):
    monkeypatch.setattr(long_sums, "VECTOR", 128)
    a, b, c = operands(64, 64, 2000, "float32")
    assert not isinstance(prepared(a, b.T, c), WideProduct)


def test_a_failing_compiler_leaves_it_to_the_blas(monkeypatch):
    monkeypatch.setattr(long_sums, "text_of", lambda *args: "no C at all")
    long_sums._library.cache_clear()
    try:
        a, b, c = operands(64, 64, 2000, "float32")
        assert not isinstance(prepared(a, b.T, c), WideProduct)
    finally:
        long_sums._library.cache_clear()
