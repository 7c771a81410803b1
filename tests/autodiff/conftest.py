"""A float64 backend and tensors away from zero, for finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def quick_backend(
    make_backend: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Like `make_backend`, but the cpu backend runs its NumPy evaluator.

    Thousands of trees that run a few times each are not worth compiling, and the evaluator is what
    defines the ops. `test_compiled.py` compares the two.
    """

    def make(**kwargs: Any) -> Any:
        be = make_backend(**kwargs)
        if be.device.capabilities.host_memory:
            monkeypatch.setattr(be.executor, "run", be.executor.interpret)
        return be

    return make


@pytest.fixture
def be64(quick_backend: Callable[..., Any]) -> Any:
    return quick_backend(batch_size=8, rng_seed=0, dtype=np.float64)


@pytest.fixture
def values(be64: Any) -> Callable[..., Any]:
    """Factory of distinct float64 numbers in (low, high)."""
    rng = np.random.RandomState(7)

    def make(*shape: int, low: float = 0.2, high: float = 1.8, name: str = "") -> Any:
        n = int(np.prod(shape))
        # evenly spread and shuffled: no ties, and none after a small step
        spread = low + (high - low) * (rng.permutation(n) + 0.5) / max(n, 1)
        return be64.array(spread.reshape(shape), name=name or None)

    return make
