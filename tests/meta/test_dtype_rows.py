"""The rows of `neonport.dtypes` against NumPy, ml_dtypes, safetensors and NumPy's own capsules."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save

from neonport.dtypes import ROWS, as_dtype, compute_dtype, is_float, is_storable
from neonport.tensor.capsules import structs

rows = pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)


@rows
def test_a_row_agrees_with_the_type(row):
    dtype = as_dtype(row.name)
    assert dtype.name == row.name
    assert is_storable(dtype)
    assert row.dlpack[1] == 8 * dtype.itemsize
    assert row.eps == (float(ml_dtypes.finfo(dtype).eps) if is_float(dtype) else 0)
    assert compute_dtype([dtype]).name == row.compute


@rows
def test_the_word_of_safetensors_is_its_own(row):
    content = save({"x": np.zeros(3, as_dtype(row.name))})
    assert f'"dtype":"{row.safetensors}"'.encode() in content


@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"bfloat16"}))  # NumPy exports all others
def test_the_code_of_dlpack_is_that_of_numpy(name):
    row = ROWS[name]
    inner, _ = structs(np.zeros(3, as_dtype(row.name)).__dlpack__(max_version=None))
    assert (inner.code, inner.bits) == row.dlpack


@pytest.mark.parametrize("column", ["c", "plain_c", "opencl", "cuda"])
def test_types_that_differ_have_types_of_their_own_size(column):
    """Two dtypes may share a word only where they have the same bits (bool, bfloat16)."""
    sizes: dict[str, set[int]] = {}
    for row in ROWS.values():
        sizes.setdefault(getattr(row, column), set()).add(row.dlpack[1])
    sizes.pop(None, None)
    assert all(len(bits) == 1 for bits in sizes.values())
