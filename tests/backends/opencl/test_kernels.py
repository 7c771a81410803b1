"""Rendered kernels on a device against NumPy in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.ops.philox import uniform
from neonport.optree.node import apply

# devices whose kernels every device can run: wide and narrow vectors, groups with barriers
SHAPES = {
    "vectors": DeviceTraits(
        vector_bytes=64, group=1, map_group=16, column_group=1, units=8, chunk=512
    ),
    "shares": DeviceTraits(vector_bytes=64, group=1, units=8, chunk=512, cores=3, largest=7),
    "scalars": DeviceTraits(
        vector_bytes=4, group=1, map_group=32, column_group=8, units=4, chunk=1024
    ),
    "groups": DeviceTraits(
        vector_bytes=16, group=64, map_group=64, column_group=16, units=16, chunk=512
    ),
}
SIZES = [(1, 1), (3, 5), (17, 33), (1, 5000), (5000, 3), (130, 64), (2, 40000)]


@pytest.fixture(params=SHAPES)
def device(request, ocl):
    ocl.device.traits = replace(SHAPES[request.param], float64=ocl.device.info.float64)
    return ocl


def _close(got, want):
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("size", SIZES)
def test_reductions(device, size, axes):
    x = np.random.RandomState(1).normal(size=size).astype(np.float32) + 3
    t, wide = device.array(x), x.astype(np.float64)
    for op, want in {
        "sum": wide.sum(axes, keepdims=True),
        "max": wide.max(axes, keepdims=True),
        "min": wide.min(axes, keepdims=True),
        "var": wide.var(axes, keepdims=True),
    }.items():
        _close(apply(op, t, axes=axes).get(), want)
    for op in ("argmax", "argmin"):
        values = np.round(x)  # ties: the first one counts
        flat = getattr(np, op)(values, axis=axes[0] if len(axes) == 1 else None)
        got = apply(op, device.array(values), axes=axes).get()
        assert np.array_equal(got.reshape(-1), np.reshape(flat, -1))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", SIZES)
def test_softmax(device, size, axis):
    x = np.random.RandomState(2).normal(size=size).astype(np.float32)
    t, y = device.array(x), device.empty(size)
    y[:] = device.fprop_softmax(t, axis)
    e = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    _close(y.get(), e / e.sum(axis, keepdims=True))


def test_nan_and_infinity_in_reductions(device):
    x = np.ones((4, 3000), np.float32)
    x[0, 2900], x[1, 5], x[2, 7], x[3, 1] = np.nan, np.inf, -np.inf, 3
    t = device.array(x)
    with np.errstate(invalid="ignore"):
        for op in ("sum", "max", "min", "var"):
            want = getattr(np, op)(x.astype(np.float64), axis=1, keepdims=True)
            np.testing.assert_allclose(apply(op, t, axes=(1,)).get(), want, rtol=1e-5)
    assert device.argmax(t, axis=1).get()[:2].ravel().tolist() == [2900, 5]


def test_a_variance_far_from_zero_keeps_its_digits(device):
    x = np.random.RandomState(3).normal(size=(2, 100_000)) + 1000
    x = x.astype(np.float32)
    want = x.astype(np.float64).var(axis=1, keepdims=True)
    np.testing.assert_allclose(device.var(device.array(x), axis=1).get(), want, rtol=1e-5)


def test_long_rows_and_columns_are_added_up_to_their_end(ocl):
    """Mesa's llvmpipe ends the loops of a work-item early, and says nothing."""
    x = ocl.ones((20, 400_000))
    np.testing.assert_array_equal(ocl.sum(x, axis=1).get(), 400_000)
    np.testing.assert_array_equal((ocl.sum(x, axis=1) * ocl.max(x * 2, axis=1)).get(), 8e5)
    np.testing.assert_array_equal(ocl.sum(x.reshape((400_000, 20)), axis=0).get(), 400_000)


def test_the_same_call_gives_the_same_bits(device):
    t = device.array(np.random.RandomState(4).normal(size=(3, 100_000)))
    first = device.sum(device.exp(t), axis=1).get()
    for _ in range(3):
        assert np.array_equal(device.sum(device.exp(t), axis=1).get(), first)


def test_random_numbers_have_the_bits_of_every_backend(device):
    y = device.empty((7, 101))
    key, offset = device.philox.reserve_with_key(0)
    y[:] = device.rand()
    assert np.array_equal(y.get().ravel(), uniform(key, offset, 707))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64", "bool"])
def test_stores_round_and_saturate(device, dtype):
    values = np.array([[0.5, 1.5, -0.5, 2.5, 1e20, -1e20, np.nan, 300, -300, 127.5, -128.5, 7]])
    from neonport.dtypes import cast

    out = device.empty(values.shape, dtype=np.dtype(dtype))
    x = device.array(values)
    out[:] = x * 1.0
    assert np.array_equal(out.get(), cast(values.astype(np.float32), np.dtype(dtype)))


def test_statements_without_elements(device):
    y = device.empty((0, 3))
    y[:] = device.exp(y) + 1
    s = device.ones((1, 3))
    s[:] = device.sum(y, axis=0)
    assert s.get().tolist() == [[0, 0, 0]]


def test_a_changed_number_compiles_nothing(device):
    x = device.ones((4, 4))
    x[:] = x * 0.5
    before = device.device.programs.compiled
    x[:] = x * 0.25
    assert device.device.programs.compiled == before
    assert x.get()[0, 0] == 0.125


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [(37, 131), (96, 64), (3, 300), (1, 16), (5, 1)])
@pytest.mark.parametrize("name", ["vectors", "scalars"])
def test_kept_and_streamed_values_have_the_same_bits(ocl, name, size, axis):
    results, texts = [], []
    x = np.random.RandomState(5).normal(size=size).astype(np.float32) * 3
    x[0, 0], x[-1, -1] = np.nan, 100
    for keep, cache in ((0, 0), (4096, 0), (0, 1), (4096, 1)):
        whole = replace(SHAPES[name], float64=ocl.device.info.float64, units=1)  # nothing is split
        ocl.device.traits = replace(whole, keep=keep, cache=cache)
        t, y = ocl.array(x), ocl.empty(size)
        e = ocl.exp(t - ocl.max(t, axis=axis))
        y[:] = e / ocl.sum(e, axis=axis)
        results.append(y.get().tobytes())
        writers = [w for (_, v), (w, _) in ocl.device._writers.items() if v.keep == keep]
        texts.append("".join(w.source() for w in writers))
    assert len(set(results)) == 1
    assert "kept" not in texts[0]
    if min(size) > 1:  # else nothing is folded along one of the axes
        assert "kept" in texts[1]


def test_large_results_pass_by_the_cache(ocl):
    x = np.random.RandomState(6).normal(size=(64, 128)).astype(np.float32)
    for part in (slice(None), slice(1, None)):  # the second one does not lie on whole vectors
        results = []
        for cache in (0, 1):
            ocl.device.traits = replace(
                SHAPES["vectors"], float64=ocl.device.info.float64, cache=cache
            )
            t, y = ocl.array(x), ocl.zeros((64, 130))
            y[:, part.start or 0 : 128] = t[:, part] * 2 + 1
            results.append(y.get())
        assert np.array_equal(*results)
    t, y = ocl.array(x), ocl.empty(x.shape)
    y[:] = t * 3 + 1
    assert np.array_equal(y.get(), x * 3 + 1)
    mains = [w.source().partition("neo_main")[2] for w, _ in ocl.device._writers.values()]
    assert any("NEO_STORE_PAST(" in text for text in mains)


@pytest.mark.parametrize("start", [0, 3, 8, 15])
@pytest.mark.parametrize("length", [100, 107, 128])
def test_rows_pass_by_the_cache_from_any_border_on(ocl, length, start):
    x = np.random.RandomState(8).normal(size=(9, length)).astype(np.float32)
    results = []
    for cache in (0, 1):
        ocl.device.traits = replace(
            SHAPES["vectors"], float64=ocl.device.info.float64, cache=cache, units=1
        )
        t, y = ocl.array(x), ocl.zeros((9, length + 22))
        y[:, start : start + length] = t - ocl.mean(t, axis=1)
        results.append(y.get())
    assert np.array_equal(*results)
    want = x.astype(np.float64) - x.mean(1, keepdims=True, dtype=np.float64)
    _close(results[1][:, start : start + length], want)
    assert not np.delete(results[1], np.s_[start : start + length], axis=1).any()
    texts = [w.source().partition("neo_main")[2] for w, _ in ocl.device._writers.values()]
    assert any("NEO_STORE_PAST(" in text and "peel" in text for text in texts)


def test_host_products_wait_for_launches_only(ocl):
    if not ocl.shared:
        pytest.skip("the host does not share the memory of this device")
    a, c = ocl.ones((64, 64)), ocl.empty((64, 64))
    product = ocl.device.matmul(a, a, c, 1.0, 0.0)
    for factor in (2, 3):
        a[:] = a * factor
        assert ocl.device.progress.last is not ocl.device.progress.done
        product()
        assert ocl.device.progress.last is ocl.device.progress.done
    product()
    assert (c.get() == 64 * 36).all()


def test_small_launches_run_at_once_unless_something_is_pending(ocl):
    if ocl.device.here is None:
        pytest.skip("no queue of this device runs kernels on the thread that calls")
    progress = ocl.device.progress
    small, large = ocl.ones((1, 8)), ocl.ones((64, 4096))
    ocl.synchronize()
    small[:] = small * 2
    assert progress.last is progress.done
    assert (small.native == 2).all()
    large[:] = ocl.exp(large * 0) + small[:, :1]
    assert progress.last is not progress.done
    small[:] = large[-1:, -8:] * 5  # reads what is pending
    assert progress.last is not progress.done
    assert (small.get() == 15).all()
    small[:] = small + 1
    assert (small.native == 16).all()


def test_short_rows_have_the_sums_of_long_vectors(ocl):
    x = np.random.RandomState(7).normal(size=(40, 20)).astype(np.float32)
    ocl.device.traits = replace(SHAPES["vectors"], float64=ocl.device.info.float64)
    t, wide = ocl.array(x), x.astype(np.float64)
    _close(ocl.var(t, axis=1).get(), wide.var(1, keepdims=True))
    _close(ocl.sum(t, axis=1).get(), wide.sum(1, keepdims=True))
    assert {v.width for _, v in ocl.device._writers} == {4}
