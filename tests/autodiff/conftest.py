"""A float64 backend and tensors away from zero, for finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend


@pytest.fixture
def quick_backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Like `make_backend`, but always the cpu backend, which runs its NumPy evaluator.

    A gradient is a tree that no device has a say in, and the evaluator is what defines the ops. So
    thousands of trees that run a few times each are compiled nowhere: 170 kernels for 45 tests, on
    each of three OpenCL runtimes. That a device computes such trees as the evaluator does is what
    `test_compiled.py` compares, for the first and second order of every op, and the conformance
    suite.
    """

    def make(dtype: Any = np.float32, **kwargs: Any) -> Any:
        be = gen_backend("cpu", datatype=dtype, **kwargs)
        monkeypatch.setattr(be.executor, "run", be.executor.interpret)
        return be

    yield make
    cleanup_backend()


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
