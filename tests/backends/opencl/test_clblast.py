"""Products by CLBlast against NumPy: layouts, batches, what it does not take."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

from neonport.backends.opencl import clblast, clblast_choice
from neonport.dtypes import bfloat16
from neonport.tensor.tensor import Tensor
from tests.backends.gpu.conftest import laid

SIZES = [(1, 1, 1), (3, 5, 2), (1, 50, 7), (7, 50, 1), (65, 17, 130), (200, 300, 257)]


@pytest.fixture(params=["in place", "rearranged"])
def lib(ocl, monkeypatch, request):
    """A backend that gives CLBlast whatever it takes; it counts the calls that were bound.

    CLBlast reads operands of small products in place, and rearranges those of large ones first;
    here it does the same with all.
    """
    library, reason = clblast.load()
    if library is None:
        pytest.skip(f"CLBlast: {reason}")
    least = 1 if request.param == "rearranged" else 1 << 16
    override = ctypes.CDLL(library.name).CLBlastOverrideParameters
    names = (ctypes.c_char_p * 1)(b"XGEMM_MIN_INDIRECT_SIZE")
    values, device = (ctypes.c_size_t * 1)(least), ctypes.c_void_p(ocl.device.info.handle.int_ptr)
    for precision in (32, 64):
        count = ctypes.c_size_t(1)
        assert override(device, b"GemmRoutine", precision, count, names, values) == 0
    ocl.device.shared = ocl.device.blocks.shared = False
    ocl.device.clblast.wanted = True
    ocl.taken = []
    bind = clblast.Library.bind

    def counted(self, *args):
        call = bind(self, *args)
        if call is not None:
            ocl.taken.append(call)
        return call

    monkeypatch.setattr(clblast.Library, "bind", counted)
    yield ocl
    assert not ocl.device.clblast.failed


def dtypes(be):
    return [d for d in ("float32", "float64") if d in be.default_dtypes]


@pytest.mark.parametrize("turned", ["nnn", "tnn", "ntn", "ttt", "nnt"])
@pytest.mark.parametrize("layout", ["plain", "offset"])
def test_products(lib, turned, layout):
    def put(values, how):
        if how == "n":
            return laid(lib, values, layout)
        return laid(lib, np.ascontiguousarray(values.T), layout).T

    rng, count = np.random.RandomState(0), 0
    for dtype in dtypes(lib):
        tolerance = {"float32": 1e-4, "float64": 1e-11}[dtype]
        for m, k, n in SIZES:
            x, y, z = (rng.normal(size=s).astype(dtype) for s in ((m, k), (k, n), (m, n)))
            a, b, c = (put(v, how) for v, how in zip((x, y, z), turned, strict=True))
            lib.device.matmul(a, b, c, 0.5, 2.0)()
            np.testing.assert_allclose(
                c.get(), 0.5 * x @ y + 2 * z, rtol=tolerance, atol=tolerance, err_msg=f"{m},{k},{n}"
            )
            count += 1
    assert len(lib.taken) == count


def test_what_lies_around_the_target_stays(lib):
    room = lib.array(np.full((140, 150), 9, np.float32))
    lib.device.matmul(lib.ones((130, 70)), lib.ones((70, 120)), room[3:133, 5:125], 1.0, 0.0)()
    want = np.full((140, 150), 9, np.float32)
    want[3:133, 5:125] = 70
    np.testing.assert_array_equal(room.get(), want)


@pytest.mark.parametrize("side", [3, 200])
def test_without_beta_the_target_is_not_read(lib, side):
    c = lib.array(np.full((side, side), np.nan))
    lib.device.matmul(lib.ones((side, 4)), lib.ones((4, side)), c, 1.0, 0.0)()
    np.testing.assert_array_equal(c.get(), np.full((side, side), 4.0))


def test_the_target_may_be_an_operand(lib):
    x = np.random.RandomState(0).normal(size=(150, 150)).astype(np.float32)
    a = lib.array(x)
    lib.device.matmul(a, a.T, a, 1.0, 0.0)()
    np.testing.assert_allclose(a.get(), x @ x.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("common", ["none", "left", "right"])
@pytest.mark.parametrize("layout", ["plain", "offset"])
@pytest.mark.parametrize("shape", [(3, 20, 33, 9), (3, 64, 64, 64), (2, 200, 150, 130)])
def test_a_batch_is_one_call(lib, common, layout, shape):
    batch, m, k, n = shape
    rng = np.random.RandomState(1)
    x = rng.normal(size=(m, k) if common == "left" else (batch, m, k)).astype(np.float32)
    y = rng.normal(size=(k, n) if common == "right" else (batch, k, n)).astype(np.float32)
    c = laid(lib, np.full((batch, m, n), np.nan, np.float32), layout)
    lib.device.batched_matmul(laid(lib, x, layout), laid(lib, y, layout), c)()
    np.testing.assert_allclose(c.get(), x @ y, rtol=1e-4, atol=1e-4)
    assert len(lib.taken) == (common == "none" or layout == "offset")


def test_batches_that_it_would_not_find(lib):
    rng = np.random.RandomState(1)
    x, y = (rng.normal(size=(6, 64, 64)).astype(np.float32) for _ in "ab")
    a, b = lib.array(x), lib.array(y)
    for i, j in ((slice(0, 6, 2), slice(0, 3)), (slice(1, 4), slice(1, 6, 2))):
        c = lib.empty((3, 64, 64))
        lib.device.batched_matmul(a[i], b[j], c)()
        np.testing.assert_allclose(c.get(), x[i] @ y[j], rtol=1e-4, atol=1e-4)
    lib.device.batched_matmul(a[:3], b[0], c)()
    np.testing.assert_allclose(c.get(), x[:3] @ y[0], rtol=1e-4, atol=1e-4)
    lib.device.batched_matmul(a[:3], b[:3], a[1::2])()
    np.testing.assert_allclose(a.get()[1::2], x[:3] @ y[:3], rtol=1e-4, atol=1e-4)
    assert not lib.taken


def test_what_clblast_has_no_product_for_is_ours(lib):
    rng = np.random.RandomState(2)
    x, y = (rng.normal(size=(40, 40)).astype(np.float32) for _ in range(2))
    a, b, c = lib.array(x), lib.array(y), lib.empty((20, 40))
    lib.device.matmul(a[::2], b, c, 1.0, 0.0)()  # rows far apart are a leading dimension
    assert len(lib.taken) == 1
    lib.device.matmul(a[:20, ::2], b[:20], c, 1.0, 0.0)()
    np.testing.assert_allclose(c.get(), x[:20, ::2] @ y[:20], rtol=1e-4, atol=1e-4)
    sliding = Tensor(lib, b.storage, b.dtype, ((40, 40), (2, 1), 0))  # rows that overlap
    lib.device.matmul(a[:20], sliding, c, 1.0, 0.0)()
    want = x[:20] @ y.reshape(-1)[np.add.outer(2 * np.arange(40), np.arange(40))]
    np.testing.assert_allclose(c.get(), want, rtol=1e-4, atol=1e-4)
    stack = lib.array(np.stack([x, y]))
    total = lib.empty((40, 40))
    lib.device.batched_matmul(stack, b, total)()
    np.testing.assert_allclose(total.get(), x @ y + y @ y, rtol=1e-4, atol=1e-4)
    lib.device.matmul(lib.empty((3, 0)), lib.empty((0, 4)), lib.ones((3, 4)), 1.0, 0.0)()
    for dtype in (np.dtype(np.float16), bfloat16()):
        half = lib.array(x, dtype=dtype)
        out = lib.empty((40, 40), dtype=dtype)
        lib.device.matmul(half, half, out, 1.0, 0.0)()
        exact = half.get().astype(np.float64)
        np.testing.assert_allclose(out.get().astype(np.float64), exact @ exact, rtol=0.02, atol=0.1)
    assert len(lib.taken) == 1


def test_the_same_call_gives_the_same_bits(lib):
    rng = np.random.RandomState(3)
    a, b = (lib.array(rng.normal(size=s).astype(np.float32)) for s in ((190, 333), (333, 170)))
    found = set()
    for _ in range(4):
        c = lib.empty((190, 170))
        c[:] = lib.dot(a, b)
        found.add(c.get().tobytes())
    assert len(found) == 1
    assert len(lib.taken) >= 1


def test_two_threads_share_the_memory_between_kernels(lib):
    rng = np.random.RandomState(4)
    values = [[rng.normal(size=(180, 180)).astype(np.float32) for _ in "ab"] for _ in range(2)]
    wrong = []

    def work(x, y):
        a, b, c = lib.array(x), lib.array(y), lib.empty((180, 180))
        call = lib.device.matmul(a, b, c, 1.0, 0.0)
        for _ in range(20):
            call()
        if not np.allclose(c.get(), x @ y, rtol=1e-4, atol=1e-4):
            wrong.append(c)

    threads = [threading.Thread(target=work, args=pair) for pair in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_no_other_thread_comes_between_kernels(lib, monkeypatch):
    call, free = clblast.Call.__call__, []

    def look():
        free.append(lib.device._scratch_lock.acquire(blocking=False))

    def watched(self):
        other = threading.Thread(target=look)
        other.start()
        other.join()
        return call(self)

    monkeypatch.setattr(clblast.Call, "__call__", watched)
    lib.device.matmul(lib.ones((70, 70)), lib.ones((70, 70)), lib.empty((70, 70)), 1.0, 0.0)()
    assert free == [False]


def test_memory_of_forgotten_tensors_is_used_again(lib):
    a, b, c = (lib.ones((64, 64)) for _ in range(3))
    call = lib.device.matmul(a, b, c, 1.0, 0.0)
    call()
    before = lib.memory_stats()["in_use"]
    del a, b, c
    assert lib.memory_stats()["in_use"] < before
    lib.device.blocks.release()
    call()  # into memory that nobody reads; it must be there
    lib.synchronize()


def test_measuring_runs_both(lib, monkeypatch, tmp_path):
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(clblast_choice.tuning, "shapes_of", lambda kind: ((64, 64),) * 3)
    monkeypatch.setattr(clblast_choice, "WORTH", 1)
    lib.device.clblast.wanted = None
    x = np.random.RandomState(5).normal(size=(100, 100)).astype(np.float32)
    c = lib.empty((100, 100))
    lib.device.matmul(lib.array(x), lib.array(x), c, 1.0, 0.0)()
    np.testing.assert_allclose(c.get(), x @ x, rtol=1e-4, atol=1e-4)
    assert list(lib.device.clblast.known) == [(np.dtype(np.float32), "small")]
    assert lib.taken
