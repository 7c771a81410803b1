"""Long sums that share a matrix: which are made together, values, threads, layouts."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.host import threads
from neonport.backends.host.blas import gemm
from neonport.backends.host.blas.choice import current_engine
from neonport.backends.host.blas.compiled import CompiledRunner
from neonport.backends.host.blas.own import panels, wide
from tests.backends.host.blas.conftest import COUNTS


@pytest.fixture(autouse=True)
def on_any_registers(monkeypatch):
    """The code is right, if not fast, with every width."""
    if not isinstance(getattr(current_engine(), "runner", None), CompiledRunner):
        pytest.skip("no OpenBLAS, or no C compiler here")
    monkeypatch.setattr(panels, "VECTOR", 16)


def rand(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).random(shape, dtype)


def together(products):
    calls, left = current_engine().bind_together(products)
    return len(calls), [tuple(x.shape for x in product) for product in left]


def target(rows, columns, dtype="float32"):
    return np.full((rows, columns), np.nan, dtype)


def of_rows(a, columns, first=0, last=None, seed=1, apart=0):
    """A product of some columns of a with those of a new matrix, into a new target."""
    part = a[:, first:last]
    b = rand(columns, part.shape[1] + apart, seed=seed, dtype=a.dtype)[:, : part.shape[1]]
    return part, b.T, target(len(a), columns + apart, a.dtype)[:, :columns]


def check(products, beyond=True):
    gemm.bind_gemms(products)()
    for a, b, c in products:
        want = a.astype("d") @ b.astype("d")
        np.testing.assert_allclose(c, want, rtol=3e-6 if c.dtype == np.float32 else 1e-14)
        if beyond and c.base is not None:
            assert np.isnan(c.base[:, c.shape[1] :]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("rows", [24, 30, 65, 100, 150])
@pytest.mark.parametrize("columns", [(1, 40), (65, 128, 1), (33, 300), (2, 3, 4, 5)], ids=str)
def test_values(rows, columns, apart, dtype):
    a = rand(rows, 1300 + apart, dtype=dtype)[:, :1300]
    spans = [(0, None), (7, None), (0, -9), (130, -130)]
    products = [
        of_rows(a, n, *span, seed=n, apart=apart) for n, span in zip(columns, spans, strict=False)
    ]
    assert together(products) == (1, [])
    check(products)


def test_rows_that_are_not_common_are_made_apart():
    a = rand(120, 1200)
    whole, upper = of_rows(a, 40), of_rows(a[:80], 30, first=16)
    lower = of_rows(a[80:], 20)
    assert together([whole, upper, lower]) == (2, [])
    assert together([whole, upper]) == (1, [((40, 1200), (1200, 40), (40, 40))])
    check([whole, upper, lower])
    check([of_rows(a[80:], 5), of_rows(a, 4), of_rows(a[:80], 3)])


@pytest.mark.parametrize(
    "name",
    ["other matrix", "few terms", "few rows", "b along its rows", "turned a", "hardly common"],
)
def test_others_are_made_one_by_one(name):
    a = rand(30, 1100)
    first = of_rows(a, 8)
    second = {
        "other matrix": lambda: of_rows(rand(30, 1100, seed=5), 9),
        "few terms": lambda: of_rows(a, 9),
        "few rows": lambda: of_rows(a, 9),
        "b along its rows": lambda: (a, rand(1100, 9), target(30, 9)),
        "turned a": lambda: (rand(1100, 30).T, *of_rows(a, 9)[1:]),
        "hardly common": lambda: of_rows(a, 9, first=600),
    }[name]()
    if name == "few terms":
        first, second = ((x[:, :500], y[:500], c) for x, y, c in (first, second))
    if name == "few rows":
        first, second = ((x[:10], y, c[:10]) for x, y, c in (first, second))
    products = [first, second]
    calls, left = current_engine().bind_together(products)
    assert not calls
    assert len(left) == 2
    check(products, beyond=False)


def test_a_product_that_reads_what_another_writes_is_made_in_order():
    a = rand(30, 1100)
    first = of_rows(a, 30)
    second = (first[2], rand(30, 4), target(30, 4))
    gemm.bind_gemms([first, second])()
    np.testing.assert_allclose(second[2], (a @ first[1]) @ second[1], rtol=1e-4)


def test_too_large_a_copy_is_left_to_the_blas(monkeypatch):
    monkeypatch.setattr(wide, "MOST_COPY", 1 << 18)
    a = rand(30, 1100)
    assert together([of_rows(a, 60), of_rows(a, 60)])[0] == 0


@pytest.mark.parametrize("cores", [2, 64])
@pytest.mark.parametrize("rows", [30, 65, 512])
def test_bits_do_not_depend_on_threads(monkeypatch, rows, cores):
    monkeypatch.setattr(wide.os, "cpu_count", lambda: cores)
    a, found, before = rand(rows, 2100), set(), threads.num_threads()
    products = [of_rows(a, 65), of_rows(a, 40, first=64)]
    try:
        for count in COUNTS:
            threads.set_num_threads(count)
            gemm.bind_gemms(products)()
            found.add(b"".join(c.tobytes() for *_, c in products))
    finally:
        threads.set_num_threads(before)
    assert len(found) == 1
    check(products)


def test_infinities_and_nan_stay_in_their_row():
    a = rand(30, 1100)
    a[3, 7], a[5, -1] = np.nan, np.inf
    products = [of_rows(a, 41), of_rows(a, 2, last=-20)]
    gemm.bind_gemms(products)()
    for c, wrong in zip((c for *_, c in products), ([3, 5], [3]), strict=True):
        assert not np.isfinite(c[wrong]).any()
        assert np.isfinite(np.delete(c, wrong, 0)).all()
