"""Folded columns ask for memory ahead of time: once for each operand, with the bits of NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.compiler.codegen.cpu.prefetch import FEW_ROWS


@pytest.fixture
def be():
    return gen_backend("cpu", batch_size=4)


def _text(be, target, tree):
    (part,) = be.explain([(target, tree)]).kernels
    return be.device.render_kernel(part.spec)


def test_each_operand_is_fetched_in_the_first_pass_that_reads_it(be):
    x, t = be.ones((10, 300)), be.ones((10, 300))
    e = be.exp(x - be.max(x, axis=0))
    lines = _text(be, be.empty((10, 300)), e / be.sum(e, axis=0) - t).splitlines()
    fetches = [i for i, line in enumerate(lines) if "neo_ahead" in line]
    assert len(fetches) == 2
    passes = [i for i, line in enumerate(lines) if "for (neo_i64 r0" in line]
    assert len(passes) == 3
    assert passes[0] < fetches[0] < passes[1]
    assert passes[2] < fetches[1]


def test_rows_and_maps_are_left_to_the_processor(be):
    x, row = be.ones((10, 300)), be.ones((10, 1))
    assert "neo_ahead" not in _text(be, row, be.sum(x, axis=1))
    assert "neo_ahead" not in _text(be, be.empty((10, 300)), x * 2)


@pytest.mark.parametrize("rows", [1, 9, FEW_ROWS, FEW_ROWS + 1, 200])
@pytest.mark.parametrize("columns", [1, 127, 129, 1000])
def test_sums_of_columns_at_the_end_of_memory(be, rows, columns):
    values = np.random.RandomState(rows).normal(size=(rows, columns)).astype("f")
    x = be.array(values)
    got = be.sum(x * x, axis=0).get()
    np.testing.assert_allclose(got, np.sum(values.astype("d") ** 2, 0, keepdims=True), rtol=1e-6)
