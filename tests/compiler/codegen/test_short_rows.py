"""Rows of a few registers: what is left of a row is computed under a mask, nothing beside it."""

from __future__ import annotations

import numpy as np
import pytest

LENGTHS = [1, 2, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int8"])
@pytest.mark.parametrize("length", LENGTHS)
def test_reductions_of_rows(cpu, length, dtype):
    rng = np.random.RandomState(length)
    wide = (rng.standard_normal((5, length + 3)) * 50).astype(dtype)
    whole = cpu.array(wide, dtype=dtype)
    x, rows = whole[:, :length], wide[:, :length].astype(np.float64)
    total, top, low, spread = (cpu.empty((5, 1), dtype=np.float64) for _ in range(4))
    cpu.assign_many(
        [
            (total, cpu.sum(x * 2.0, axis=1)),
            (top, cpu.max(x, axis=1)),
            (low, cpu.min(-x, axis=1)),
            (spread, cpu.var(x, axis=1)),
        ]
    )
    size = np.abs(rows).sum(axis=1, keepdims=True) + 1
    assert np.all(np.abs(total.get() - 2 * rows.sum(axis=1, keepdims=True)) < 1e-5 * size)
    assert np.array_equal(top.get(), rows.max(axis=1, keepdims=True))
    assert np.array_equal(low.get(), -rows.max(axis=1, keepdims=True))
    assert np.allclose(spread.get(), rows.var(axis=1, keepdims=True), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", LENGTHS)
def test_kept_and_stored_values_end_with_the_row(cpu, length):
    rng = np.random.RandomState(length)
    wide = rng.standard_normal((5, length + 70)).astype(np.float32)
    x, whole, total = cpu.array(wide)[:, :length], cpu.array(wide), cpu.empty((5, 1))
    e = cpu.exp(x - cpu.max(x, axis=1))
    scaled = x * 3.0
    cpu.assign_many([(whole[:, :length], e / cpu.sum(e, axis=1)), (total, cpu.sum(scaled, axis=1))])
    row = np.exp(wide[:, :length] - wide[:, :length].max(axis=1, keepdims=True))
    assert np.allclose(whole.get()[:, :length], row / row.sum(axis=1, keepdims=True), rtol=1e-5)
    assert np.array_equal(whole.get()[:, length:], wide[:, length:])
    cpu.assign_many([(whole[:, :length], scaled), (total, cpu.sum(scaled, axis=1))])
    assert np.allclose(total.get(), 3 * wide[:, :length].sum(axis=1, keepdims=True), atol=1e-3)
    assert np.array_equal(whole.get()[:, :length], wide[:, :length] * np.float32(3))
    assert np.array_equal(whole.get()[:, length:], wide[:, length:])


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 16, 36])
def test_special_values_in_what_is_left(cpu, special, place):
    row = np.linspace(-1, 1, 37, dtype=np.float32)[None].repeat(2, axis=0)
    row[1, place] = special
    x = cpu.array(row)
    for op, meaning in ((cpu.max, np.max), (cpu.min, np.min), (cpu.sum, np.sum)):
        wanted = meaning(row.astype(np.float64), axis=1, keepdims=True)
        assert np.allclose(op(x, axis=1).get(), wanted, atol=1e-5, equal_nan=True)
