"""Histograms of magnitudes: the device counts what NumPy's float32 logarithm says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.backends.api import diagnostics
from neonport.errors import ConfigurationError

BINS, OFFSET = 64, -48


def counted(values: np.ndarray, bins: int = BINS, offset: int = OFFSET) -> np.ndarray:
    """The definition."""
    with np.errstate(all="ignore"):
        level = np.rint(np.log2(np.abs(values.astype(np.float32)))).reshape(-1)
        index = np.clip(level[~np.isnan(level)] - offset, 0, bins - 1).astype(int)
    return np.bincount(index, minlength=bins).astype(np.int32)[None]


def at_the_edges() -> np.ndarray:
    """The float32 numbers around the ends of all bins, zeros, infinities and nan."""
    edges = np.exp2(np.arange(OFFSET - 2, OFFSET + BINS + 2) - 0.5).astype(np.float32)
    bits = edges.view(np.uint32)[:, None] + np.arange(-3, 4, dtype=np.int64)[None]
    near = bits.astype(np.uint32).view(np.float32).reshape(-1)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 2.0**30, 2.0**-60], np.float32)
    return np.concatenate([near, -near, odd]).astype(np.float32)


@pytest.fixture
def be(make_backend: Callable[..., Any]) -> Any:
    return make_backend(batch_size=4)


def test_values_at_the_edges_of_bins(be: Any) -> None:
    values = at_the_edges()[None]
    got = be.array(values, dtype=np.float32).hist("x")
    assert (got.shape, got.dtype) == ((1, BINS), np.int32)
    np.testing.assert_array_equal(got.get(), counted(values))


def test_the_published_example(be: Any) -> None:
    got = be.array([[0, 2.0**-50, 1, 3, -100, 2.0**20]]).hist("x").get()[0]
    assert {i: int(n) for i, n in enumerate(got) if n} == {0: 2, 48: 1, 50: 1, 55: 1, 63: 1}


@pytest.mark.parametrize("dtype", ["float16", "int32", "uint8"])
def test_other_dtypes_and_views(be: Any, dtype: str) -> None:
    values = np.arange(12, dtype=dtype).reshape(3, 4)
    tensor = be.array(values, dtype=dtype)
    for view, wanted in ((tensor[:, ::-1], values), (tensor[1:, 1:3], values[1:, 1:3])):
        np.testing.assert_array_equal(view.hist("x").get(), counted(wanted))


def test_more_values_than_a_float_counts(be: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "EXACT", 5)
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(be.array(values).hist("x").get(), counted(values))
    assert not be.empty((0, 3)).hist("x").get().any()


def test_other_bins_and_the_table(be: Any) -> None:
    be.set_hist_buffers(8, -3)
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    tensor = be.array(values)
    for tag in ("a", "b", "a"):
        tensor.hist(tag)
    table, rows = be.dump_hist_data()
    assert rows == {"a": 0, "b": 1}
    np.testing.assert_array_equal(table.get(), np.repeat(counted(values, 8, -3), 2, axis=0))
    assert be.dump_hist_data()[1] == {}


def test_a_full_table_is_an_error(be: Any) -> None:
    be.hist_max = 1
    tensor = be.array([[1.0]])
    tensor.hist("a")
    tensor.hist("a")
    with pytest.raises(ConfigurationError, match="1 histograms are stored; call dump_hist_data"):
        tensor.hist("b")
