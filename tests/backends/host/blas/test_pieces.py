"""Products in pieces: the same bits on any number of threads, with and without a C compiler."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.host import threads
from neonport.backends.host.blas import choice as blas_choice
from neonport.backends.host.blas import compiled
from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.blas.compiled import CompiledRunner
from neonport.backends.host.blas.engines import OpenBlasEngine
from neonport.backends.host.blas.gate import Gate
from neonport.backends.host.blas.pieces import MOST, SMALL_WORK, cut
from neonport.backends.host.blas.product import KINDS
from neonport.backends.host.blas.threaded import ThreadedRunner

COUNTS = (1, 2, 3, 4, 7)
SIZES = [
    (333, 700, 129), (784, 128, 100), (100, 784, 128), (512, 520, 500), (65, 64, 63),
    (31, 9000, 33), (40, 20000, 1), (1, 300_000, 1), (1, 700, 1000), (3000, 10, 300),
    (7, 100_000, 5), (2, 3, 4),
]  # fmt: skip
BATCHES = [(7, 60, 50, 40), (3, 200, 210, 220), (40, 30, 31, 1), (500, 16, 24, 20), (64, 90, 80, 2)]


@pytest.fixture(params=["small kernels", "copies"])
def private(request, fresh, openblas, monkeypatch):
    """Products go through OpenBLAS, cut for either kind of core."""
    for own in ("middle_of", "large_of"):
        monkeypatch.setattr(compiled, own, lambda *args: None)
    fresh.engine = OpenBlasEngine(openblas)
    if not isinstance(fresh.engine.runner, CompiledRunner):
        pytest.skip("no C compiler: there is no pool")
    fresh.engine.runner.small_kernels = request.param != "copies"
    fresh.choice = blas_choice.Choice("openblas", forced=True)
    return fresh.engine


def draw(seed, *shape, dtype="float32"):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def columns(array):
    return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)


def inside(array):
    *outer, rows, width = array.shape
    whole = np.zeros((*outer, rows + 3, width + 5), array.dtype)
    whole[..., 1:-2, 2:-3] = array
    return whole[..., 1:-2, 2:-3]


LAYOUTS = [np.copy, columns, inside, lambda x: columns(inside(x))]
NAMES = ["rows", "columns", "inside", "columns of inside"]


def results(a, b, c, alpha, beta):
    """What a bound product and one at new addresses store, as bytes."""
    bind = blas.bind_batched_gemm if max(a.ndim, b.ndim) == 3 else blas.bind_gemm
    found = set()
    for call in (bind, blas.gemm) if c.ndim == a.ndim == b.ndim == 2 else (bind,):
        target = np.lib.stride_tricks.as_strided(c.copy("K"), c.shape, c.copy("K").strides)
        made = call(a, b, target, alpha, beta)
        if made is not None:
            made()
        found.add(np.ascontiguousarray(target).tobytes())
    return found, target


def same_bits(a, b, c, alpha=1.0, beta=0.0):
    found = set()
    for count in COUNTS:
        threads.set_num_threads(count)
        new, target = results(a, b, c, alpha, beta)
        found |= new
    assert len(found) == 1
    product = np.matmul(a.astype(float), b.astype(float))
    terms = a.shape[-1]
    if c.ndim < product.ndim:
        product, terms = product.sum(axis=0), terms * len(product)
    expected = alpha * product + (beta * c.astype(float) if beta else 0)
    atol = (2e-6 if c.dtype == np.float32 else 5e-15) * max(terms, 4) ** 0.5
    np.testing.assert_allclose(target, expected, rtol=0, atol=atol)
    return found.pop()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_the_number_of_threads_does_not_change_a_bit(private, dtype, m, k, n):
    a, b, c = (draw(i, *s, dtype=dtype) for i, s in enumerate([(m, k), (k, n), (m, n)]))
    same_bits(a, b, c)
    same_bits(a, b, c, -0.5, 0.75)


@pytest.mark.parametrize("of_a", LAYOUTS, ids=NAMES)
@pytest.mark.parametrize("of_b", LAYOUTS, ids=NAMES)
@pytest.mark.parametrize("of_c", [np.copy, columns], ids=NAMES[:2])
@pytest.mark.parametrize(("m", "k", "n"), [(140, 150, 160), (20, 5000, 24), (30, 9000, 1)])
def test_every_layout_is_cut_alike(private, of_a, of_b, of_c, m, k, n):
    same_bits(of_a(draw(1, m, k)), of_b(draw(2, k, n)), of_c(draw(3, m, n)), 0.5, 0.25)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize(("x", "m", "k", "n"), BATCHES)
def test_stacks(private, dtype, summed, x, m, k, n):
    a, b = draw(1, x, m, k, dtype=dtype), draw(2, x, k, n, dtype=dtype)
    c = draw(3, *(() if summed else (x,)), m, n, dtype=dtype)
    same_bits(a, b, c)
    same_bits(columns(a)[::-1], b[0], c, -0.5, 0.75)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_floats(private, dtype):
    from neonport.dtypes import as_dtype

    a, b = draw(1, 333, 700).astype(as_dtype(dtype)), draw(2, 700, 129).astype(as_dtype(dtype))
    found = set()
    for count in COUNTS:
        threads.set_num_threads(count)
        c = np.empty((333, 129), a.dtype)
        blas.gemm(a, b, c)
        found.add(c.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_threads_of_python_give_the_same_bits(private, openblas, m, k, n):
    a, b, c = draw(1, m, k), draw(2, k, n), draw(3, m, n)
    expected = same_bits(a, b, c, 0.5, 0.25)
    names = [kind + name for kind in KINDS.values() for name in ("gemm", "gemv")]
    functions = {name: openblas.function(f"cblas_{name}") for name in names}
    private.runner = ThreadedRunner(functions, private.runner.small_kernels)
    blas._plans.clear()
    assert same_bits(a, b, c, 0.5, 0.25) == expected
    stack_a, stack_b, stack_c = draw(4, 5, 70, 80), draw(5, 5, 80, 90), draw(6, 5, 70, 90)
    same_bits(stack_a, stack_b, stack_c, 0.5, 0.25)
    same_bits(stack_a, stack_b, stack_c[0], 0.5, 0.25)


@pytest.mark.parametrize("small", [True, False])
def test_pieces_cover_a_product_and_are_as_many_as_its_size_asks_for(small):
    rng = np.random.default_rng(0)
    for _ in range(500):
        m, n, k = (int(2 ** rng.uniform(0, 13)) for _ in range(3))
        pieces = cut(m, n, k, 1, vector=False, small_kernels=small)
        sizes, steps = (m, n, k), (pieces.rows, pieces.columns, pieces.terms)
        for size, step, parts in zip(sizes, steps, pieces.parts, strict=True):
            assert (parts - 1) * step < size <= parts * step
        assert pieces.number <= MOST
        if m * n * k <= SMALL_WORK // 2:
            assert pieces.number == 1


@pytest.mark.parametrize(("cores", "of_512", "of_1024"), [(2, 4, 4), (4, 8, 16), (64, 8, 16)])
def test_few_cores_get_larger_pieces(monkeypatch, cores, of_512, of_1024):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    cut.cache_clear()
    try:
        found = [cut(n, n, n, 1, vector=False, small_kernels=True).number for n in (512, 1024)]
    finally:
        cut.cache_clear()
    assert found == [of_512, of_1024]


def test_memory_for_one_call_at_a_time_is_enough(monkeypatch):
    monkeypatch.setattr("neonport.backends.host.blas.gate.room_for", lambda nbytes: False)
    gate = Gate()
    with gate.passed():
        assert not gate._admits()
    assert gate._admits()
    monkeypatch.undo()
    with gate.passed():
        assert gate._admits()
