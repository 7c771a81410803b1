"""Ticker: the layout of each task, step by step, and what is masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.data import CopyTask, PrioritySortTask, RepeatCopyTask, Ticker
from neonport.errors import ConfigurationError

Make = Callable[..., Any]
N, V = 4, 3


def batches(make_backend: Make, task: Any, count: int = 12) -> list[list[np.ndarray]]:
    """x, y and mask of some batches, (rows, T, N)."""
    be = make_backend(batch_size=N)
    np.random.seed(0)
    ticker = Ticker(task)
    assert (ticker.nbatches, ticker.ndata) == (100, 100 * N)
    assert ticker.shape == (task.nin, task.time_steps_max)
    found = []
    for (x, (y, mask)), _ in zip(ticker, range(count), strict=False):
        assert x.backend is be
        found.append([t.get().reshape(t.shape[0], -1, N) for t in (x, y, mask)])
    return found


def used(mask: np.ndarray) -> int:
    """Steps that are not masked, the same for all rows and samples."""
    steps = int(mask[0, :, 0].sum())
    assert (mask[:, :steps] == 1).all()
    assert (mask[:, steps:] == 0).all()
    return steps


def test_copy(make_backend: Make) -> None:
    lengths = set()
    for x, y, mask in batches(make_backend, CopyTask(3, V)):
        length = (used(mask) - 2) // 2
        lengths.add(length)
        expected = np.zeros_like(x)
        expected[V, 0] = expected[V + 1, length + 1] = 1
        bits = expected[:V, 1 : length + 1] = x[:V, 1 : length + 1]
        np.testing.assert_array_equal(x, expected)
        assert set(np.unique(bits)) <= {0, 1}
        np.testing.assert_array_equal(y[:, length + 2 : 2 * length + 2], bits)
        assert not y[:, : length + 2].any()
    assert lengths == {1, 2, 3}


def test_repeat_copy(make_backend: Make) -> None:
    counts = set()
    for x, y, mask in batches(make_backend, RepeatCopyTask(3, 2, V)):
        length = int(x[V + 1].any(axis=1).argmax()) - 1
        repeats = int(x[V + 1, length + 1, 0])
        counts.add(repeats)
        steps = length * (repeats + 1) + 3
        assert used(mask) == steps
        bits = x[:V, 1 : length + 1]
        np.testing.assert_array_equal(y[:V, length + 2 : steps - 1], np.tile(bits, (1, repeats, 1)))
        assert np.flatnonzero(y[V].any(axis=1)).tolist() == [steps - 1]
    assert counts == {1, 2}


def test_priority_sort(make_backend: Make) -> None:
    for x, y, mask in batches(make_backend, PrioritySortTask(4, V)):
        length = (used(mask) - 2) // 2
        priorities = x[V + 2, 1 : length + 1]
        assert abs(priorities).max() < 1
        for n in range(N):
            bits = x[:V, 1 : length + 1, n][:, np.argsort(priorities[:, n])]
            np.testing.assert_array_equal(y[:, length + 2 : 2 * length + 2, n], bits)


def test_refusals(make_backend: Make) -> None:
    with pytest.raises(ConfigurationError, match="seq_len_max=0"):
        CopyTask(0, 3)
    with pytest.raises(ConfigurationError, match=r"repeat_count_max=1\.5"):
        RepeatCopyTask(2, 1.5, 3)  # type: ignore[arg-type]
