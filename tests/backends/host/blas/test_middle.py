"""Small and middle products by our own C: values, layouts, threads, and what is not theirs."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from neonport.backends.host.blas import gemm
from neonport.backends.host.blas.choice import current_engine
from neonport.backends.host.blas.compiled import CompiledRunner
from neonport.backends.host.blas.own import middle, panels
from neonport.backends.host.blas.own.middle import Block, Form, MiddleProduct, Tasks, cheapest
from neonport.backends.host.cpu_info import cpu_vendor

# rows, columns, terms: at and beside the sizes of tiles, blocks, tasks and parts of the sum
SIZES = [
    (20, 32, 16), (21, 33, 17), (25, 64, 512), (41, 65, 513), (64, 130, 1024), (67, 200, 1031),
    (193, 100, 96), (400, 257, 40),
]  # fmt: skip
LAYOUTS = {"a @ b": (0, 0), "a @ b.T": (0, 1), "a.T @ b": (1, 0), "a.T @ b.T": (1, 1)}
ERROR = {"float32": 3e-6, "float64": 1e-14}


@pytest.fixture(autouse=True)
def on_any_processor(monkeypatch):
    """The code is right, if not fast, with every width, by every vendor, and for small sizes."""
    if not isinstance(getattr(current_engine(), "runner", None), CompiledRunner):
        pytest.skip("no OpenBLAS, or no C compiler here")
    monkeypatch.setattr(panels, "VECTOR", 16)
    monkeypatch.setattr(middle, "VENDOR", cpu_vendor())
    monkeypatch.setattr(middle, "SMALL", 0)
    monkeypatch.setattr(middle, "SERIAL_WORK", 0)
    monkeypatch.setattr(middle.os, "cpu_count", lambda: 2)
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
    product = prepared(a, b, c)
    assert isinstance(product, MiddleProduct)
    gemm.bind_gemm(a, b, c, alpha, beta)()
    np.testing.assert_allclose(c, want, rtol=ERROR[c.dtype.name])
    return product


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


@pytest.mark.parametrize("layout", [(0, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_of_a_target_that_is_turned(monkeypatch, sizes, dtype, layout):
    forms = middle._forms
    monkeypatch.setattr(middle, "_forms", lambda product: [list(forms(product))[-1]])
    if sizes[1] < middle.LEAST_ROWS or sizes[0] < middle.LEAST_ROWS:
        pytest.skip("too few columns")
    for factors in ((1.0, 0.0), (2.0, 0.5)):
        assert check(*operands(sizes, dtype, 1, layout), *factors).form.swapped


@pytest.mark.parametrize("tasks", [(1, 32), (2, 64), (3, 128), (1, 4096)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_tasks_give_the_same_bits(monkeypatch, layout, tasks):
    a, b, c = operands((100, 190, 1050), layout=LAYOUTS[layout])
    check(a, b, c)
    want = c.copy()
    monkeypatch.setattr(middle, "_ways", lambda *args: [Tasks(*tasks)])
    cheapest.cache_clear()
    gemm._plans.clear()
    try:
        assert check(a, b, c).tasks == tasks
    finally:
        cheapest.cache_clear()
    np.testing.assert_array_equal(c, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_that_are_a_power_of_two_apart(layout, dtype):
    sizes, layout = (80, 272, 260), LAYOUTS[layout]
    m, n, k = sizes
    shapes = [(k, m) if layout[0] else (m, k), (n, k) if layout[1] else (k, n), (m, n)]
    a, b, c = (matrix(x, y, dtype, 4096 - y) for x, y in shapes)
    check(a.T if layout[0] else a, b.T if layout[1] else b, c, 1.5, 0.25)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_beside_the_operands_is_read(layout):
    """What stands behind the last numbers of rows, and behind the last row, changes nothing."""
    a, b, c = operands((45, 170, 530), apart=5, layout=LAYOUTS[layout])
    gemm.gemm(a, b, c)
    want = c.copy()
    for x, turned in zip((a, b), LAYOUTS[layout], strict=True):
        whole = x.base if not turned else x.T.base
        whole[:, (x.T if turned else x).shape[1] :] = np.nan
    gemm.gemm(a, b, c)
    np.testing.assert_array_equal(c, want)


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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_calls_see_what_the_operands_hold_then(layout):
    a, b, c = operands((70, 290, 1100), layout=LAYOUTS[layout])
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


def test_callers_at_the_same_time():
    cases = [operands((60, 128, 300 + i), layout=(i & 1, i >> 1 & 1)) for i in range(4)]

    def multiply(case):
        a, b, c = case
        call = gemm.bind_gemm(a, b, c)
        for _ in range(20):
            c[:] = 0
            call()
            np.testing.assert_allclose(c, a.astype("d") @ b, rtol=3e-6)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(multiply, cases))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sizes", [(200, 700, 1300), (64, 1024, 256), (256, 64, 1024)], ids=str)
def test_bits_do_not_depend_on_threads(sizes, layout, bits):
    a, b, c = operands(sizes, layout=LAYOUTS[layout])
    assert isinstance(prepared(a, b, c), MiddleProduct)
    assert len(bits(a, b, c)) == 1


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
@pytest.mark.parametrize("swapped", [False, True])
def test_each_core_has_some_of_the_tasks(cores, swapped):
    form = Form((600, 900, 300), (False, swapped), swapped)
    down, columns = cheapest(form, Block(64, 192, 512), cores)[1]
    tasks = down * -(-900 // columns)
    assert tasks >= cores // 2
    assert 600 // down >= middle.LEAST_ROWS
    if swapped:
        assert -(-600 // down) <= 192


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
    "sizes", [(19, 300, 300), (300, 31, 300), (300, 300, 15), (1, 300, 300)], ids=str
)
def test_other_products_are_for_others(sizes):
    assert not isinstance(prepared(*operands(sizes)), MiddleProduct)


@pytest.mark.parametrize(
    ("sizes", "layout", "own"),
    [
        ((64, 64, 64), (0, 1), False),
        ((64, 1024, 64), (0, 0), False),
        ((65, 64, 64), (1, 1), False),
        ((100, 100, 100), (0, 1), True),
        ((100, 128, 784), (0, 0), True),
        ((2048, 2048, 128), (0, 0), False),
        ((512, 4096, 65), (0, 0), False),
        ((512, 4096, 128), (0, 0), True),
    ],
    ids=str,
)
def test_which_sizes_are_ours(monkeypatch, sizes, layout, own):
    monkeypatch.undo()
    monkeypatch.setattr(panels, "VECTOR", 16)
    monkeypatch.setattr(panels, "last_level_cache", lambda: 1 << 40)  # nothing is written past it
    monkeypatch.setattr(middle, "VENDOR", cpu_vendor())
    monkeypatch.setattr(gemm, "_plans", {})
    assert isinstance(prepared(*operands(sizes, layout=layout)), MiddleProduct) == own


def test_stacks_are_for_the_blas():
    a, b, c = (np.ones(shape, np.float32) for shape in ((3, 70, 90), (3, 90, 300), (3, 70, 300)))
    plan = current_engine()._plan(a[0], b[0], c[0], count=3, jumps=(25200, 108000, 84000))
    assert not isinstance(plan.prepared, MiddleProduct)


def test_other_processors_leave_it_to_others(monkeypatch):
    monkeypatch.setattr(middle, "cpu_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(middle, "VENDOR", "GenuineIntel")
    assert not isinstance(prepared(*operands((70, 290, 1100))), MiddleProduct)


def test_narrow_registers_leave_it_to_others(monkeypatch):
    monkeypatch.setattr(panels, "VECTOR", 128)
    assert not isinstance(prepared(*operands((70, 290, 1100))), MiddleProduct)


def test_without_room_for_copies_it_is_for_the_blas(monkeypatch):
    asked = []
    monkeypatch.setattr(middle, "room_for", asked.append)  # there is none
    assert not isinstance(prepared(*operands((70, 290, 1100))), MiddleProduct)
    assert asked[0] > 512 << 10


def test_a_failing_compiler_leaves_it_to_the_blas(monkeypatch):
    monkeypatch.setattr(panels, "text_of", lambda *args: "no C at all")
    panels._compiled.cache_clear()
    try:
        assert not isinstance(prepared(*operands((70, 290, 1100))), MiddleProduct)
    finally:
        panels._compiled.cache_clear()
