"""c = alpha * a @ b + beta * c on every layout, by both engines, against float64 NumPy."""

from __future__ import annotations

import gc
import itertools
import threading

import numpy as np
import pytest

from neonport.backends.host.blas.gemm import bind_gemm, gemm
from neonport.dtypes import as_dtype
from neonport.errors import DtypeError, ReadOnlyError, ShapeError

pytestmark = pytest.mark.usefixtures("engine")

TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 2e-6, "float64": 5e-15}


def fill(rng, rows, columns, dtype):
    return rng.uniform(-1, 1, (rows, columns)).astype(as_dtype(dtype))


def stored(layout, values):
    """A view with the given values and a certain layout in memory."""
    rows, columns = values.shape
    dtype = values.dtype
    if layout == "rows":
        view = np.empty((rows, columns), dtype)
    elif layout == "columns":
        view = np.empty((columns, rows), dtype).T
    elif layout == "slice":
        view = np.full((rows + 3, columns + 5), np.nan, dtype)[2 : rows + 2, 3 : columns + 3]
    elif layout == "slice of columns":
        view = np.full((columns + 3, rows + 5), np.nan, dtype)[2 : columns + 2, 3 : rows + 3].T
    elif layout == "steps":
        view = np.full((2 * rows, 3 * columns), np.nan, dtype)[::2, ::3]
    elif layout == "backwards":
        view = np.empty((rows, columns), dtype)[::-1, ::-1]
    else:
        raise AssertionError(layout)
    view[...] = values
    return view


LAYOUTS = ["rows", "columns", "slice", "slice of columns", "steps", "backwards"]


def check(a, b, c, alpha, beta, call):
    """Run c = alpha * a @ b + beta * c and compare, also what surrounds c in memory."""
    whole = c if c.base is None else c.base
    before, old = whole.copy(), c.copy()
    product = a.astype(np.float64) @ b.astype(np.float64)
    expected = alpha * product + (beta * old.astype(np.float64) if beta else 0)
    call(a, b, c, alpha, beta)
    scale = max(1.0, abs(alpha)) * max(1, a.shape[1]) ** 0.5 + abs(beta)
    np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE[str(c.dtype)] * scale)
    c[...] = old
    np.testing.assert_array_equal(*(x.astype(np.float64) for x in (whole, before)))


def bound(a, b, c, alpha, beta):
    bind_gemm(a, b, c, alpha, beta)()


@pytest.fixture(params=[gemm, bound], ids=["gemm", "bind_gemm"])
def call(request):
    return request.param


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("layout_c", LAYOUTS)
def test_every_layout(dtype, layout_c, call):
    rng = np.random.default_rng(0)
    for layout_a, layout_b in itertools.product(LAYOUTS, LAYOUTS):
        a = stored(layout_a, fill(rng, 5, 7, dtype))
        b = stored(layout_b, fill(rng, 7, 4, dtype))
        c = stored(layout_c, fill(rng, 5, 4, dtype))
        for alpha, beta in ((1.0, 0.0), (1.0, 1.0), (-0.5, 2.0)):
            check(a, b, c, alpha, beta, call)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 1, 1), (1, 6, 5), (5, 6, 1), (1, 6, 1), (5, 1, 4), (1, 1, 4), (5, 1, 1)]
)
def test_single_rows_and_columns(m, k, n, layout, call):
    rng = np.random.default_rng(1)
    for layout_b, layout_c in itertools.product(LAYOUTS, LAYOUTS):
        a = stored(layout, fill(rng, m, k, "float32"))
        b = stored(layout_b, fill(rng, k, n, "float32"))
        c = stored(layout_c, fill(rng, m, n, "float32"))
        check(a, b, c, 1.0, 0.0, call)
        check(a, b, c, -2.0, 0.5, call)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("m", "k", "n"), [(100, 784, 128), (257, 63, 130), (300, 200, 1)])
def test_sizes_that_use_threads_and_blocks(m, k, n, dtype, call):
    rng = np.random.default_rng(2)
    a, b = fill(rng, m, k, dtype), fill(rng, n, k, dtype).T
    check(a, b, fill(rng, m, n, dtype), 0.5, 1.5, call)
    check(a, b, fill(rng, n, m, dtype).T, 1.0, 0.0, call)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("k", "n"), [(3, 4), (3, 1), (0, 4)])
def test_beta_zero_never_reads_the_target(dtype, layout, k, n, call):
    rng = np.random.default_rng(3)
    a, b = fill(rng, 5, k, dtype), fill(rng, k, n, dtype)
    for garbage in (np.nan, np.inf):
        for alpha in (1.0, 0.25, 0.0):
            c = stored(layout, np.full((5, n), garbage, dtype))
            call(a, b, c, alpha, 0.0)
            np.testing.assert_allclose(c, alpha * (a @ b), atol=5 * TOLERANCE[dtype])


def test_alpha_zero_does_not_read_the_operands(call):
    a = np.full((3, 4), np.nan, np.float32)
    for n in (1, 5):
        c = np.ones((3, n), np.float32)
        call(a, np.full((4, n), np.inf, np.float32), c, 0.0, 2.0)
        np.testing.assert_array_equal(c, np.full((3, n), 2.0))


def test_nan_and_infinity_pass_through(call):
    a = np.ones((2, 3), np.float32)
    a[0, 1], a[1, 1] = np.nan, np.inf
    c = np.zeros((2, 2), np.float32)
    call(a, np.ones((3, 2), np.float32), c, 1.0, 1.0)
    assert np.isnan(c[0]).all()
    assert np.isposinf(c[1]).all()


@pytest.mark.parametrize(("m", "k", "n"), [(0, 3, 2), (2, 3, 0), (0, 0, 0), (2, 0, 3), (1, 0, 1)])
def test_empty_sizes(m, k, n, call):
    a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
    for beta, expected in ((0.0, 0.0), (1.0, 3.0), (0.5, 1.5)):
        c = np.full((m, n), 3.0, np.float32)
        call(a, b, c, 1.0, beta)
        np.testing.assert_array_equal(c, np.full((m, n), expected))


def test_broadcast_operands_are_copied(call):
    row = np.broadcast_to(np.arange(4, dtype=np.float32), (3, 4))
    column = np.broadcast_to(np.arange(4, dtype=np.float32)[:, None], (4, 5))
    check(row, column, np.zeros((3, 5), np.float32), 1.0, 0.0, call)


def test_windows_whose_rows_share_elements_are_copied(call):
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(11, dtype=np.float32), 7)
    check(windows, np.eye(7, 6, dtype=np.float32), np.zeros((5, 6), np.float32), 1.0, 0.0, call)
    check(np.eye(6, 7, dtype=np.float32), windows.T, np.zeros((6, 5), np.float32), 1.0, 0.0, call)


def test_a_target_may_overlap_an_operand(call):
    rng = np.random.default_rng(4)
    w = fill(rng, 6, 6, "float32")
    for pick in (lambda y: (w, y, y), lambda y: (y, w, y), lambda y: (y, y.T, y)):
        y = fill(rng, 6, 6, "float32")
        a, b, c = pick(y)
        expected = 2 * (a.astype(float) @ b) + 0.5 * y
        call(a, b, c, 2.0, 0.5)
        np.testing.assert_allclose(y, expected, atol=1e-5)
    store = fill(rng, 8, 6, "float32")
    expected = w.astype(float) @ store[:6]
    call(w, store[:6], store[2:], 1.0, 0.0)
    np.testing.assert_allclose(store[2:], expected, atol=1e-5)


def test_neighbours_in_one_buffer_do_not_count_as_overlap():
    store = np.random.default_rng(5).uniform(size=(4, 12)).astype(np.float32)
    a, b, c = store[:, :4], store[:, 4:8], store[:, 8:]
    check(a, b, c, 1.0, 0.5, gemm)
    check(a, b, c, 1.0, 0.5, gemm)


def test_float16_is_rounded_once(call):
    a = np.full((1, 4096), 1 / 64, np.float16)
    c = np.zeros((1, 2), np.float16)
    call(a, a.T @ np.ones((1, 2), np.float16), c, 1.0, 0.0)
    np.testing.assert_array_equal(c, [[1.0, 1.0]])  # float16 sums would stop growing
    call(np.full((1, 2), 300, np.float16), np.full((2, 2), 300, np.float16), c, 1.0, 0.0)
    assert np.isposinf(c).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_scaling_a_short_float_rounds_once(call, dtype):
    c = fill(np.random.default_rng(0), 30, 30, dtype)
    truth = (c.astype(np.float32) * np.float32(0.1)).astype(c.dtype)
    call(np.ones((30, 0), c.dtype), np.ones((0, 30), c.dtype), c, 1.0, 0.1)
    np.testing.assert_array_equal(c, truth)


def test_scalars_of_other_types(call):
    rng = np.random.default_rng(6)
    a, b, c = (fill(rng, 3, 3, "float32") for _ in range(3))
    expected = 2 * (a @ b) + 0.5 * c
    for alpha, beta in ((2, 0.5), (np.float64(2), np.float32(0.5)), (np.int64(2), np.array(0.5))):
        target = c.copy()
        call(a, b, target, alpha, beta)
        np.testing.assert_allclose(target, expected, rtol=1e-6)


def test_a_bound_product_reads_its_buffers_anew_and_keeps_them():
    rng = np.random.default_rng(7)
    a, b, c = fill(rng, 4, 5, "float32"), fill(rng, 5, 6, "float32"), np.empty((4, 6), np.float32)
    run = bind_gemm(a, b, c)
    a[...] = fill(rng, 4, 5, "float32")
    expected = a @ b
    del a, b
    gc.collect()
    junk = [np.full((4, 5), np.nan, np.float32) for _ in range(50)]
    run()
    np.testing.assert_allclose(c, expected, rtol=1e-6)
    assert len(junk) == 50


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_call_gives_the_same_bits(dtype):
    rng = np.random.default_rng(8)
    a, b = fill(rng, 150, 333, dtype), fill(rng, 333, 170, dtype)
    results = []
    for _ in range(5):
        c = np.empty((150, 170), dtype)
        gemm(a, b, c)
        results.append(c.tobytes())
        bind_gemm(a, b, c)()
        results.append(c.tobytes())
    assert len(set(results)) == 1


def test_several_threads_at_once():
    rng = np.random.default_rng(9)
    wrong = []

    def work(seed):
        mine = np.random.default_rng(seed)
        for size in (3, 40, 130) * 6:
            a, b = fill(mine, size, 90, "float32"), fill(mine, 90, size + 1, "float32")
            c = np.empty((size, size + 1), np.float32)
            gemm(a, b, c)
            bind_gemm(a, b, c, 1.0, 1.0)()
            if abs(c - 2 * (a @ b)).max() > 1e-4:
                wrong.append((seed, size))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in rng.integers(0, 999, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def arrays(dtype="float32"):
    return np.ones((2, 3), dtype), np.ones((3, 4), dtype), np.full((2, 4), 7, dtype)


def refused(error, text, a, b, c, call):
    before = np.array(c)
    for _ in range(2):  # also when a fitting product has been prepared in between
        with pytest.raises(error, match=text):
            call(a, b, c, 1.0, 0.0)
        gemm(*arrays())
    np.testing.assert_array_equal(c, before)


def test_wrong_shapes(call):
    a, b, c = arrays()
    refused(ShapeError, r"\(2, 3\), b \(2, 3\)", a, a, c, call)
    refused(ShapeError, "does not fit", a, b, c.T, call)
    refused(ShapeError, "takes matrices", a, b[:, 0], c, call)
    refused(ShapeError, "takes matrices", a[None], b, c, call)


def test_wrong_dtypes(call):
    a, b, c = arrays()
    refused(DtypeError, "b float64", a, b.astype(float), c, call)
    refused(DtypeError, "int32", *arrays("int32"), call)
    refused(DtypeError, "a >f4", *arrays(">f4"), call)
    refused(DtypeError, "a must be an ndarray, got list", a.tolist(), b, c, call)


def test_a_read_only_target(call):
    a, b, c = arrays()
    c.flags.writeable = False
    refused(ReadOnlyError, "read-only", a, b, c, call)


def test_subclasses_of_ndarray_are_matrices_too(call):
    class Mine(np.ndarray):
        pass

    a, b, c = arrays()
    call(a.view(Mine), b, c, 1.0, 0.0)
    np.testing.assert_array_equal(c, np.full((2, 4), 3.0))
