"""Large products by our own C: values, layouts, further calls, threads, and what is not theirs."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from neonport.backends.host.blas import gemm
from neonport.backends.host.blas.choice import current_engine
from neonport.backends.host.blas.compiled import CompiledRunner
from neonport.backends.host.blas.own import large, middle, panels
from neonport.backends.host.blas.own.large import LargeProduct
from neonport.backends.host.blas.own.panels import PanelProduct

# rows, columns, terms: at and beside the sizes of groups, blocks, tasks and parts of the sum
SIZES = [
    (64, 256, 64), (65, 257, 67), (96, 513, 1024), (101, 300, 1025), (75, 1100, 130),
    (145, 271, 2100), (70, 290, 1031),
]  # fmt: skip
LAYOUTS = {"a @ b": (0, 0), "a @ b.T": (0, 1), "a.T @ b": (1, 0), "a.T @ b.T": (1, 1)}
ERROR = {"float32": 3e-6, "float64": 1e-14}


@pytest.fixture(autouse=True)
def on_any_registers(monkeypatch):
    """The code is right, if not fast, with every width, and for small sizes."""
    if not isinstance(getattr(current_engine(), "runner", None), CompiledRunner):
        pytest.skip("no OpenBLAS, or no C compiler here")
    monkeypatch.setattr(panels, "VECTOR", 16)
    monkeypatch.setattr(panels, "last_level_cache", lambda: 1 << 40)  # nothing is written past it
    monkeypatch.setattr(large, "in_small_kernels", lambda work, terms: False)
    monkeypatch.setattr(large.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(middle, "VENDOR", "")
    monkeypatch.setattr(gemm, "_plans", {})


def matrix(rows, columns, dtype="float32", apart=0, turned=0):
    """Random numbers; rows `apart` numbers longer than they look, or the transpose of such rows."""
    if turned:
        return matrix(columns, rows, dtype, apart).T
    return np.random.default_rng(rows).random((rows, columns + apart), dtype)[:, :columns]


def operands(sizes, dtype="float32", apart=0, layout=(0, 0)):
    m, n, k = sizes
    a, b = matrix(m, k, dtype, apart, layout[0]), matrix(k, n, dtype, apart, layout[1])
    return a, b, matrix(m, n, dtype, apart)


def prepared(a, b, c):
    return current_engine().plan(a, b, c).prepared


def check(a, b, c, alpha=1.0, beta=0.0):
    want = alpha * (a.astype("d") @ b.astype("d")) + beta * c
    if not beta:
        c[:] = np.nan  # is not read
    assert isinstance(prepared(a, b, c), LargeProduct)
    gemm.bind_gemm(a, b, c, alpha, beta)()
    np.testing.assert_allclose(c, want, rtol=ERROR[c.dtype.name])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("factors", [(1.0, 0.0), (2.0, 0.5)], ids=str)
@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values(sizes, dtype, apart, factors, layout):
    a, b, c = operands(sizes, dtype, apart, LAYOUTS[layout])
    beyond = c.base[:, c.shape[1] :].copy()
    check(a, b, c, *factors)
    np.testing.assert_array_equal(c.base[:, c.shape[1] :], beyond)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_that_are_a_power_of_two_apart(layout, dtype):
    sizes, layout = (80, 272, 260), LAYOUTS[layout]
    m, n, k = sizes
    shapes = [(k, m) if layout[0] else (m, k), (n, k) if layout[1] else (k, n), (m, n)]
    a, b, c = (matrix(x, y, dtype, 4096 - y) for x, y in shapes)
    check(a.T if layout[0] else a, b.T if layout[1] else b, c, 1.5, 0.25)


def test_a_target_of_columns_and_many_cores(monkeypatch):
    monkeypatch.setattr(large.os, "cpu_count", lambda: 16)
    a, b, c = operands((300, 700, 200))
    check(b.T, a.T, c.T)
    tall, wide = prepared(a, b, c).shape
    assert -(-300 // tall) * -(-700 // wide) >= large.TASKS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_infinities_and_nan_stay_in_their_row_and_column(layout):
    a, b, c = operands((70, 290, 1100), layout=LAYOUTS[layout])
    a += 0.1
    b += 0.1
    a[3, 7], a[69, -1], b[9, 289] = np.nan, np.inf, np.nan
    gemm.gemm(a, b, c)
    assert np.isnan(c[3]).all()
    assert np.isnan(c[:, 289]).all()
    assert np.isposinf(c[69, :-1]).all()
    assert np.isfinite(np.delete(c, [3, 69], 0)[:, :-1]).all()


def test_calls_see_what_the_operands_hold_then():
    a, b, c = operands((70, 290, 1100))
    negative, other = -b, np.empty_like(c)
    calls = [gemm.bind_gemm(a, b, c), gemm.bind_gemm(a, negative, other)]
    for _ in range(3):
        for call in calls:
            call()
        np.testing.assert_allclose(c, a.astype("d") @ b, rtol=3e-6)
        np.testing.assert_array_equal(other, -c)
        a *= 2
        b += 1
        negative -= 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bits_do_not_depend_on_threads(layout, bits):
    assert len(bits(*operands((200, 700, 1300), layout=LAYOUTS[layout]))) == 1


# the last one's copy would be too large, as its rows fill up a panel: nobody writes past the cache
@pytest.mark.parametrize(
    ("sizes", "cache", "kind"),
    [
        ((512, 4096, 65), 0, PanelProduct),
        ((512, 4096, 65), 1 << 40, LargeProduct),
        ((512, 4096, 257), 0, LargeProduct),
        ((511, 4096, 256), 0, LargeProduct),
    ],
    ids=["past the cache", "into the cache", "a longer sum", "a copy that is too large"],
)
def test_who_makes_what_goes_past_the_cache(monkeypatch, sizes, cache, kind):
    monkeypatch.setattr(panels, "last_level_cache", lambda: cache)
    assert isinstance(prepared(*operands(sizes)), kind)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_multiplies_too():
    a, b, c = operands((70, 290, 1100))
    product = gemm.bind_gemm(a, b, c)
    product()
    want = 2 * c
    child = os.fork()
    if not child:
        b *= 2
        product()
        os._exit(0 if (c == want).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "sizes", [(63, 300, 300), (300, 255, 300), (300, 300, 63), (1, 300, 300)], ids=str
)
def test_other_products_are_for_others(sizes):
    assert not isinstance(prepared(*operands(sizes)), LargeProduct)


def test_small_products_are_for_the_blas(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(panels, "VECTOR", 16)
    monkeypatch.setattr(middle, "VENDOR", "")
    monkeypatch.setattr(gemm, "_plans", {})
    assert not isinstance(prepared(*operands((256, 256, 256))), LargeProduct)


def test_stacks_are_for_the_blas():
    a, b, c = (np.ones(shape, np.float32) for shape in ((3, 70, 90), (3, 90, 300), (3, 70, 300)))
    plan = current_engine()._plan(a[0], b[0], c[0], count=3, jumps=(25200, 108000, 84000))
    assert not isinstance(plan.prepared, LargeProduct)


def test_too_few_tasks_for_many_cores_are_for_others(monkeypatch):
    monkeypatch.setattr(large.os, "cpu_count", lambda: 16)
    assert not isinstance(prepared(*operands((70, 290, 1100))), LargeProduct)


def test_narrow_registers_leave_it_to_the_blas(monkeypatch):
    monkeypatch.setattr(panels, "VECTOR", 128)
    assert not isinstance(prepared(*operands((70, 290, 1100))), LargeProduct)


def test_without_room_for_copies_it_is_for_the_blas(monkeypatch):
    asked = []
    monkeypatch.setattr(large, "room_for", asked.append)  # there is none
    assert not isinstance(prepared(*operands((70, 290, 1100))), LargeProduct)
    assert asked[0] > 2 << 20


def test_a_failing_compiler_leaves_it_to_the_blas(monkeypatch):
    monkeypatch.setattr(panels, "text_of", lambda *args: "no C at all")
    panels._compiled.cache_clear()
    try:
        assert not isinstance(prepared(*operands((70, 290, 1100))), LargeProduct)
    finally:
        panels._compiled.cache_clear()
