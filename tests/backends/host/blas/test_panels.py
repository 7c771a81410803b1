"""Products by our own C: values, layouts, threads, and which products it takes."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.host.blas import compiled, gemm
from neonport.backends.host.blas.choice import current_engine
from neonport.backends.host.blas.compiled import CompiledRunner
from neonport.backends.host.blas.own import middle, panels
from neonport.backends.host.blas.own.panels import PanelProduct
from neonport.backends.host.blas.own.wide import WideProduct

# rows, columns, terms: at and beside the sizes of blocks
WIDE = [
    (24, 32, 1024), (65, 128, 1030), (130, 300, 2049), (49, 513, 1151),
    (50, 65, 1100), (24, 66, 1024), (31, 99, 1500), (25, 68, 1280),
]  # fmt: skip
THIN = [(24, 1024, 16), (65, 1030, 128), (30, 1151, 256), (512, 2049, 65), (25, 1040, 17)]
KINDS = {"wide": WIDE, "thin": THIN}
MADE = {"wide": WideProduct, "thin": PanelProduct}


@pytest.fixture(autouse=True)
def on_any_registers(monkeypatch):
    """The code is right, if not fast, with every width."""
    if not isinstance(getattr(current_engine(), "runner", None), CompiledRunner):
        pytest.skip("no OpenBLAS, or no C compiler here")
    monkeypatch.setattr(panels, "VECTOR", 16)
    monkeypatch.setattr(compiled, "large_of", lambda *args: None)  # it comes first
    monkeypatch.setattr(panels, "THIN_WORK", 0)
    monkeypatch.setattr(middle, "VENDOR", "")
    monkeypatch.setattr(gemm, "_plans", {})


def matrix(rows, columns, dtype, apart, turned=False):
    """Random numbers; rows `apart` numbers longer than they look, or the transpose of such rows."""
    rng = np.random.default_rng(rows)
    if turned:
        return matrix(columns, rows, dtype, apart).T
    return rng.random((rows, columns + apart), dtype)[:, :columns]


def operands(kind, m, n, k, dtype="float32", apart=0, turned=False):
    """a, b and c of a product that the text of this name takes."""
    b = matrix(k, n, dtype, apart, turned=kind == "wide")
    return matrix(m, k, dtype, apart, turned), b, matrix(m, n, dtype, apart)


def prepared(a, b, c):
    plan = current_engine().plan(a, b, c)
    return plan and plan.prepared


def check(kind, sizes, dtype, apart, turned, factors):
    a, b, c = operands(kind, *sizes, dtype, apart, turned)
    alpha, beta = factors
    want = alpha * (a.astype("d") @ b.astype("d")) + beta * c
    beyond = c.base[:, c.shape[1] :].copy()
    if not beta:
        c[:] = np.nan  # is not read
    assert isinstance(prepared(a, b, c), MADE[kind])
    gemm.bind_gemm(a, b, c, alpha, beta)()
    np.testing.assert_allclose(c, want, rtol=3e-6 if dtype == "float32" else 1e-14)
    np.testing.assert_array_equal(c.base[:, c.shape[1] :], beyond)


@pytest.mark.parametrize("factors", [(1.0, 0.0), (2.0, 0.5)], ids=str)
@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", WIDE, ids=str)
def test_long_sums(sizes, dtype, apart, factors):
    check("wide", sizes, dtype, apart, False, factors)


@pytest.mark.parametrize("factors", [(1.0, 0.0), (2.0, 0.5)], ids=str)
@pytest.mark.parametrize("turned", [False, True], ids=["a", "a.T"])
@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", THIN, ids=str)
def test_short_sums(sizes, dtype, apart, turned, factors):
    check("thin", sizes, dtype, apart, turned, factors)


@pytest.mark.parametrize("columns", [2048, 2050])
def test_targets_too_large_for_the_cache_are_written_past_it(monkeypatch, columns):
    monkeypatch.setattr(panels, "last_level_cache", lambda: 0)
    check("thin", (50, columns, 64), "float32", 0, False, (1.0, 0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_infinities_and_nan_stay_in_their_row(kind):
    a, b, c = operands(kind, *{"wide": (30, 41, 1100), "thin": (30, 1100, 41)}[kind])
    a[3, 7], a[5, -1] = np.nan, np.inf
    b += 0.1
    gemm.gemm(a, b, c)
    assert np.isnan(c[3]).all()
    assert np.isposinf(c[5]).all()
    assert np.isfinite(np.delete(c, [3, 5], 0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_threads(kind, bits):
    sizes = {"wide": (100, 70, 3000), "thin": (100, 3000, 70)}[kind]
    assert len(bits(*operands(kind, *sizes))) == 1


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("wide", (24, 32, 1023)),
        ("wide", (23, 32, 2000)),
        ("wide", (64, 31, 2000)),
        ("thin", (64, 64, 2000)),
        ("thin", (64, 1023, 64)),
        ("thin", (23, 1024, 64)),
        ("thin", (64, 1024, 15)),
        ("thin", (64, 1024, 257)),
        ("thin", (4096, 1024, 200)),
    ],
    ids=lambda x: str(x),
)
def test_other_products_are_for_the_blas(kind, sizes):
    assert not isinstance(prepared(*operands(kind, *sizes)), (PanelProduct, WideProduct))


def test_short_sums_without_copies_are_for_the_blas(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(panels, "VECTOR", 16)
    monkeypatch.setattr(middle, "VENDOR", "")
    monkeypatch.setattr(compiled, "large_of", lambda *args: None)
    monkeypatch.setattr(gemm, "_plans", {})
    assert not isinstance(prepared(*operands("thin", 64, 1024, 64)), PanelProduct)
    assert isinstance(prepared(*operands("thin", 512, 4096, 65)), PanelProduct)


SOME = {"wide": (64, 64, 2000), "thin": (64, 2000, 64)}


@pytest.mark.parametrize("kind", KINDS)
def test_narrow_registers_leave_it_to_the_blas(monkeypatch, kind):
    monkeypatch.setattr(panels, "VECTOR", 128)
    assert not isinstance(prepared(*operands(kind, *SOME[kind])), (PanelProduct, WideProduct))


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_compiler_leaves_it_to_the_blas(monkeypatch, kind):
    monkeypatch.setattr(panels, "text_of", lambda *args: "no C at all")
    panels._compiled.cache_clear()
    try:
        assert not isinstance(prepared(*operands(kind, *SOME[kind])), (PanelProduct, WideProduct))
    finally:
        panels._compiled.cache_clear()
