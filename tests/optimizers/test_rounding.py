"""Stochastic rounding of parameters of 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neonport.optimizers import Adam, GradientDescentMomentum
from neonport.optimizers.shared.rounding import rounded

Make = Callable[..., Any]


def stepped(be: Any, optimizer: Any, start: float, gradient: float, dtype: str) -> np.ndarray:
    """A parameter after one step."""
    param = be.empty((100, 100), dtype=dtype).fill(start)
    grad = be.empty((100, 100), dtype=dtype).fill(gradient * be.bsz)
    layer = SimpleNamespace(get_params=lambda: ((param, grad), []))
    optimizer.optimize([layer], 0)
    return param.get().astype(np.float64)


def test_one_bit_as_in_neon(make_backend: Make) -> None:
    be = make_backend(batch_size=1, rng_seed=0)
    descent = GradientDescentMomentum(1.0, 0.0, stochastic_round=1)
    values = stepped(be, descent, 1.0, -0.1, "float16")
    assert set(np.unique(values)) == {1.0, 1.5}
    assert 0.1 < (values == 1.5).mean() < 0.3


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 10), ("bfloat16", 7)])
@pytest.mark.parametrize("start", [1.0, -3.0, 1000.0, 1e-3])
def test_the_mean_is_kept_and_neighbours_are_hit(
    make_backend: Make, dtype: str, bits: int, start: float
) -> None:
    be = make_backend(batch_size=1, rng_seed=0)
    start = float(np.float32(start)) if dtype == "bfloat16" else float(np.float16(start))
    stored = stepped(be, GradientDescentMomentum(0.0, 0.0), start, 0.0, dtype)[0, 0]
    unit = 2.0 ** (np.floor(np.log2(abs(stored))) - bits)
    plain = GradientDescentMomentum(1.0, 0.0)
    assert (stepped(be, plain, stored, -0.2 * unit, dtype) == stored).all()
    chance = GradientDescentMomentum(1.0, 0.0, stochastic_round=True)
    values = stepped(be, chance, stored, -0.25 * unit, dtype)
    assert set(np.unique(values)) <= {stored, stored + unit}
    assert values.mean() == pytest.approx(stored + 0.25 * unit, abs=0.03 * unit)


def test_many_small_steps_arrive(make_backend: Make) -> None:
    be = make_backend(batch_size=1, rng_seed=0)
    ends = {}
    for chance in (False, True):
        param = be.empty((20, 20), dtype="bfloat16").fill(1.0)
        grad = be.empty((20, 20), dtype="bfloat16").fill(-1.0)
        layer = SimpleNamespace(get_params=lambda p=param, g=grad: ((p, g), []))
        descent = GradientDescentMomentum(1e-3, 0.0, stochastic_round=chance)
        for _ in range(200):
            descent.optimize([layer], 0)
        ends[chance] = param.get().astype(np.float64).mean()
    assert ends[False] == 1.0
    assert ends[True] == pytest.approx(1.2, abs=0.02)


def test_numbers_at_the_edges(make_backend: Make) -> None:
    be = make_backend(batch_size=1, rng_seed=0)
    values = np.array([[0.0, 1.0, -1.0, 2.0, 2.0**-14, 2.0**-24, -65504.0, np.inf, np.nan]])
    x = be.array(values, dtype="float32")
    target = be.empty(values.shape, dtype="float16")
    target.rounding = True
    target[:] = rounded(x * 1.0, target)
    np.testing.assert_array_equal(target.get()[0, :7], values[0, :7].astype(np.float16))
    assert not np.isfinite(target.get()[0, 7:]).any()


def test_wide_types_keep_their_digits(make_backend: Make) -> None:
    be = make_backend(batch_size=1, rng_seed=0)
    found = [
        stepped(be, Adam(learning_rate=0.1, stochastic_round=chance), 1.0, 0.3, "float32")
        for chance in (False, True, 10)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
