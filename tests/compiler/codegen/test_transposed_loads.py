"""Loads that run across the loops of the store go through tiles, and give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.host import threads
from neonport.backends.host.jit import launcher as jit
from neonport.compiler.codegen.cpu.transposed_loads import TILE_COLUMNS, TILE_ROWS
from neonport.compiler.lowering import Lowering
from neonport.optree.node import transpose

ODD = (TILE_ROWS + 11, 2 * TILE_COLUMNS + 13)
SHAPES = [ODD, (ODD[1], ODD[0]), (8, 520), (520, 8), (64, 64), (1024, 33), (8, 50_001)]


@pytest.fixture
def variant_of(cpu):
    def find(*pairs):
        (spec,) = cpu.executor.plan(Lowering().build(pairs)).kernels
        return jit.shape_of(spec).variant

    return find


def numbers(be, *shape, dtype="float32"):
    values = np.random.RandomState(shape[0]).randint(-60, 60, size=shape)
    return be.array(values if dtype != "bool" else values > 0, dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_copies(cpu, variant_of, shape):
    x, y = numbers(cpu, *shape), cpu.empty(shape[::-1])
    assert variant_of((y, x.T)).tiles
    y[:] = x.T
    np.testing.assert_array_equal(y.get(), x.get().T)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "float16", "int32", "float32", "int64", "float64"]
)
def test_stored_types(cpu, dtype):
    x, y = numbers(cpu, *ODD, dtype=dtype), cpu.empty(ODD[::-1], dtype=dtype)
    y[:] = x.T
    np.testing.assert_array_equal(y.get(), x.get().T)
    wide = cpu.empty(ODD[::-1], dtype="float64")
    wide[:] = x.T * 2.0
    np.testing.assert_array_equal(wide.get(), x.get().T.astype(np.float64) * 2)


def test_views_that_begin_anywhere(cpu, variant_of):
    big = numbers(cpu, ODD[0] + 9, ODD[1] + 9)
    for start in (0, 1, 7):
        x = big[start : start + ODD[0], start + 1 : start + 1 + ODD[1]]
        target = cpu.zeros((ODD[1] + 3, ODD[0] + 5))
        y = target[2 : 2 + ODD[1], 3 : 3 + ODD[0]]
        assert variant_of((y, x.T)).tiles
        y[:] = x.T
        np.testing.assert_array_equal(y.get(), x.get().T)
        assert target.get().sum() == y.get().sum(), "stored beside the target"


def test_trees_with_rows_and_columns_and_several_results(cpu, variant_of):
    a, b = numbers(cpu, *ODD), numbers(cpu, *ODD)
    z, row, column = (
        numbers(cpu, *s) for s in ((ODD[1], ODD[0]), (1, ODD[0]), (ODD[1], 1))
    )  # fmt: skip
    y, w = cpu.empty(z.shape), cpu.empty(z.shape)
    pairs = [(y, a.T * z + row), (w, cpu.maximum(b.T, column) - a.T)]
    assert variant_of(*pairs).tiles
    cpu.assign_many(pairs)
    A, B, Z = a.get().T, b.get().T, z.get()
    np.testing.assert_array_equal(y.get(), A * Z + row.get())
    np.testing.assert_array_equal(w.get(), np.maximum(B, column.get()) - A)


def test_more_axes(cpu, variant_of):
    x, y = numbers(cpu, 3, *ODD), cpu.empty((3, *ODD[::-1]))
    tree = transpose(x, (0, 2, 1)) + 1.0
    assert variant_of((y, tree)).tiles
    y[:] = tree
    np.testing.assert_array_equal(y.get(), x.get().transpose(0, 2, 1) + 1)


def test_a_matrix_and_its_own_transpose(cpu):
    x = numbers(cpu, 150, 150)
    before = x.get()
    x[:] = x.T - x * 2
    np.testing.assert_array_equal(x.get(), before.T - before * 2)


def test_what_is_not_turned(cpu, variant_of):
    x, y = numbers(cpu, 600, 600), cpu.empty((600, 600))
    assert not variant_of((y, x * 2)).tiles
    assert not variant_of((y, x[::-1] * 2)).tiles
    thin, wide = numbers(cpu, 5000, 4), cpu.empty((4, 5000))
    assert not variant_of((wide, thin.T)).tiles
    small, other = numbers(cpu, 20, 20), cpu.empty((20, 20))
    assert not variant_of((other, small.T)).tiles


def test_random_numbers_are_those_of_the_generator(cpu):
    x, y = numbers(cpu, *ODD), cpu.empty(ODD[::-1])
    cpu.rng_reset()
    y[:] = x.T + cpu.rand()
    turned = y.get() - x.get().T
    cpu.rng_reset()
    y[:] = cpu.rand()
    np.testing.assert_allclose(turned, y.get(), atol=1e-5)


def test_the_number_of_threads_does_not_change_a_bit(cpu):
    x, z = numbers(cpu, 700, 900), numbers(cpu, 900, 700)
    y = cpu.empty(z.shape)
    before, results = threads.num_threads(), set()
    try:
        for count in (1, 2, 3, 7):
            threads.set_num_threads(count)
            y[:] = cpu.tanh(x.T * 0.01) * z
            results.add(y.get().tobytes())
    finally:
        threads.set_num_threads(before)
    assert len(results) == 1
