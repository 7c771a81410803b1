"""bfloat16 on the host, compiled and by the evaluator: every pattern, every tie, as ml_dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
BITS = np.arange(65536, dtype=np.uint16).reshape(256, 256)
NUMBER = (BITS & 0x7FFF) <= 0x7F80  # the others are nan


@pytest.fixture(params=["compiled", "evaluator"])
def be(request, cpu):
    if request.param == "evaluator":
        cpu.executor.run = cpu.executor.interpret
    return cpu


def stored(be, values, dtype):
    """What float values become in memory, by a kernel."""
    x = be.array(values, dtype=dtype)
    out = be.empty(x.shape, dtype="bfloat16")
    out[:] = x * 1.0
    return out.get().view(np.uint16)


def around(high):
    """float32 numbers at, and next to, the middle between each bfloat16 and the next one."""
    middle = (high.astype(np.uint32) << 16) | 0x8000
    return np.concatenate([middle - 1, middle, middle + 1]).view(np.float32)


def test_every_pattern_is_read_and_written(be):
    h = be.array(BITS.view(BFLOAT16), dtype=BFLOAT16)
    wide = be.empty(h.shape)
    wide[:] = h * 1.0
    truth = BITS.astype(np.uint32) << 16
    assert np.array_equal(wide.get().view(np.uint32)[NUMBER], truth[NUMBER])
    assert np.isnan(wide.get()[~NUMBER]).all()
    back = stored(be, wide.get(), np.float32)
    assert np.array_equal(back[NUMBER], BITS[NUMBER])


def test_nan_stays_and_is_quiet(be):
    payloads = np.array([1, 0x8000, 0xFFFF, 0x10000, 0x3FFFFF, 0x400000, 0x7FFFFF], np.uint32)
    nan = np.concatenate([payloads | 0x7F800000, payloads | 0xFF800000]).view(np.float32)
    assert set((stored(be, nan, np.float32) & 0x7FC0).ravel().tolist()) == {0x7FC0}


def test_ties_go_to_even(be):
    x = around(BITS[NUMBER])
    x = x[~np.isnan(x)]
    with np.errstate(over="ignore"):
        truth = x.astype(BFLOAT16).view(np.uint16)
    assert np.array_equal(stored(be, x, np.float32)[:, 0], truth)


def test_float64_and_integers_are_rounded_once(be):
    # by way of float32 the first would become a tie, and go down to even
    x = np.array([1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-8 - 2.0**-40, 1e300, -1e-300, 1e-40, 3.0])
    truth = np.array([1 + 2.0**-7, 1.0, np.inf, -0.0, 1e-40, 3.0], BFLOAT16).view(np.uint16)
    assert np.array_equal(stored(be, x, np.float64)[:, 0], truth)
    whole = np.array([2**24 + 2**16 + 1, 2**24 + 2**16 - 1, 257, 259, -(2**31), 65535], np.int32)
    out = be.empty((6, 1), dtype=BFLOAT16)
    for tree in (be.array(whole, dtype=np.int32), be.array(whole, dtype=np.int32) + 0):
        out[:] = tree
        wanted = [2**24 + 2**17, 2**24, 256, 260, -(2**31), 65536]
        assert out.get()[:, 0].astype(np.int64).tolist() == wanted


def test_rows_columns_and_gathers_compute_in_float32(be):
    values = np.random.RandomState(0).normal(size=(130, 300)).astype(BFLOAT16)
    wide = values.astype(np.float64)
    x = be.array(values, dtype=BFLOAT16)
    for axis in (0, 1):
        out = be.empty(wide.sum(axis, keepdims=True).shape)
        out[:] = be.sum(x, axis=axis)
        assert np.allclose(out.get(), wide.sum(axis, keepdims=True), rtol=1e-5, atol=1e-4)
    rows = be.empty((3, 300), dtype=BFLOAT16)
    rows[:] = x[[7, 0, 129]].T.T
    assert np.array_equal(rows.get(), values[[7, 0, 129]])
    x[::2, 1::3] = x[::2, 1::3] * 2
    assert np.array_equal(x.get()[::2, 1::3].astype(np.float64), wide[::2, 1::3] * 2)


def test_numbers_of_the_type_are_operands(be):
    out = be.empty((1, 1))
    out[:] = be.ones((1, 1)) * ml_dtypes.bfloat16(1.5)
    assert out.item() == 1.5
    assert "1.5" in repr(be.array([[1.5]], dtype="bfloat16"))
