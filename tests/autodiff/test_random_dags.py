"""Random expressions with shared parts, views and broadcasting, against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neonport.optree.node import apply
from neonport.testing import check_grads

DEPTH = 6
SMOOTH = ["neg", "sqr", "tanh", "sig", "sig2", "tanh2", "exp_", "log_", "sqrt_", "pow_"]
BINARY = ["add", "sub", "mul", "div_", "dot_", "gate"]
SHAPE = ["T", "sum0", "sum1", "mean", "var", "rows", "flip", "take", "reshape", "batched"]
NUMBER = ["plus", "times", "minus_from"]


def positive(x: Any) -> Any:
    """A smooth function with values in (0.5, 1.5)."""
    return apply("sig", x) + 0.5


def grow(be: Any, pool: list[Any], op: str, i: int, j: int, number: float) -> Any:
    """A new expression of bounded values from two of the pool."""
    x, y = pool[i % len(pool)], pool[j % len(pool)]
    rank2 = len(x.shape) == 2
    smooth = {
        "exp_": lambda: be.exp(be.tanh(x)),
        "log_": lambda: be.log(positive(x)),
        "sqrt_": lambda: be.sqrt(positive(x)),
        "pow_": lambda: positive(x) ** number,
        "plus": lambda: x + number,
        "times": lambda: number * x,
        "minus_from": lambda: number - x,
        "T": lambda: x.T,
        "sum0": lambda: be.sum(x, axis=0),
        "sum1": lambda: be.sum(x, axis=1),
        "mean": lambda: be.mean(x),
        "var": lambda: be.var(x, axis=1),
        "rows": lambda: cut(x, 1),
        "flip": lambda: cut(x, -1),
        "take": lambda: be.take(x, [0, x.shape[1] - 1, 0], 1),
        "reshape": lambda: apply("reshape", x, shape=(int(np.prod(x.shape)), 1)),
        "batched": lambda: batched(be, x, y) if rank2 else x,
    }
    if op in smooth:
        return smooth[op]()
    if op in SMOOTH:
        return apply(op, x)
    if op == "dot_":
        return be.dot(x, x.T) * 0.2 if rank2 else x
    try:
        if op == "div_":
            return x / positive(y)
        if op == "gate":
            return be.where(be.sig(pool[0][0, 0]) > 0.1, x * 2, y)
        return apply(op, x, y)
    except ValueError:  # the shapes do not fit
        return apply("sub", x, be.tanh(x))


def cut(x: Any, step: int) -> Any:
    n = x.shape[0]
    keep = max(1, n - 1)
    start = 0 if step > 0 else n - 1
    rest = [0] * (len(x.shape) - 1)
    ones = [1] * (len(x.shape) - 1)
    shape = (keep, *x.shape[1:])
    return apply("slice", x, starts=(start, *rest), steps=(step, *ones), shape=shape)


def batched(be: Any, x: Any, y: Any) -> Any:
    stack = apply("broadcast", x, shape=(2, *x.shape))
    return apply("batched_dot", stack, x.T, reduce=y.shape[0] % 2 == 0) * 0.1


STEP = st.tuples(
    st.sampled_from(SMOOTH + BINARY * 2 + SHAPE + NUMBER),
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from([-1.0, 0.5, 1.0, 1.7]),
)


@pytest.mark.parametrize("order", [1, 2])
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEP, min_size=2, max_size=DEPTH), seed=st.integers(0, 1000))
def test_random_expression(be64, order, steps, seed):
    rng = np.random.RandomState(seed)
    x, y, row = (be64.array(rng.uniform(-0.9, 0.9, s)) for s in ((3, 4), (3, 4), (1, 4)))
    pool = [x, y, row, x.T, y[::2, 1:], x.reshape(2, 6), y.share((2, 4))]
    for op, i, j, number in steps:
        pool.append(grow(be64, pool, op, i, j, number))
    # the last one with some of the others, so that parts are shared
    tree = be64.mean(be64.tanh(pool[-1])) + be64.sum(pool[-2] * 0.1) * be64.mean(x * y)
    check_grads(tree, [x, y, row], be64, order=order, seed=seed, rtol=1e-4, atol=2e-6)
