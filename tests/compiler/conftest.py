from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from neonport.lower import Lowering
from neonport.nest import BoundKernel
from neonport.optree import OpTreeNode
from neonport.plan import Call, make_plan

Steps = list[BoundKernel | Call]


def plan_steps(pairs: Sequence[tuple[Any, Any]]) -> Steps:
    """The steps of a statement."""
    scalars = [s for _, v in pairs if isinstance(v, OpTreeNode) for s in v.scalars]
    return list(make_plan(Lowering(scalars).build(pairs)).steps)


@pytest.fixture
def steps() -> Callable[[Sequence[tuple[Any, Any]]], Steps]:
    return plan_steps


@pytest.fixture
def cpu() -> Any:
    from neonport.backends import gen_backend

    be = gen_backend("cpu", rng_seed=0, batch_size=8)
    yield be
    be.cleanup_backend()


@pytest.fixture
def fill() -> Callable[..., Any]:
    """A tensor of normal numbers."""
    rng = np.random.RandomState(0)

    def make(be: Any, *shape: int, dtype: str = "float32", low: float | None = None) -> Any:
        values = rng.normal(size=shape) if low is None else rng.uniform(low, low + 2, shape)
        return be.array(values, dtype=dtype)

    return make
