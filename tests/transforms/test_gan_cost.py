"""GANCost: values of its parts, and that the gradients are theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms import GANCost

ROWS = {
    "original": (
        lambda d: -np.log(d),
        lambda n: -np.log(1 - n),
        lambda n: np.log(1 - n),
    ),
    "modified": (lambda d: -np.log(d), lambda n: -np.log(1 - n), lambda n: -np.log(n)),
    "wasserstein": (lambda d: d, lambda n: -n, lambda n: n),
}


@pytest.mark.parametrize("func", ROWS)
@pytest.mark.parametrize("shape", [(1, 6), (3, 5)])
def test_values_are_means_over_rows(be: Any, func: str, shape: Any) -> None:
    rng = np.random.RandomState(0)
    d, n = rng.uniform(0.05, 0.95, (2, *shape))
    data, noise, generator = ROWS[func]
    cost, row = GANCost(func=func), be.empty((1, shape[1]))
    for cost_type, expected in {
        "dis_data": data(d),
        "dis_noise": noise(n),
        "dis": data(d) + noise(n),
        "gen": generator(n),
    }.items():
        row[:] = cost(be.array(d), be.array(n), cost_type=cost_type)
        np.testing.assert_allclose(row.get(), expected.mean(0, keepdims=True), rtol=1e-5)
    row[:] = cost(be.array(d), be.array(n))
    np.testing.assert_allclose(row.get(), (data(d) + noise(n)).mean(0, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("func", ROWS)
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_gradients_are_those_of_the_values(make_backend: Any, func: str, scale: float) -> None:
    be = make_backend(dtype=np.float64)
    y = np.random.RandomState(1).uniform(0.1, 0.9, (1, 7))
    cost, t, step = GANCost(scale=scale, func=func), be.array(y), 1e-6

    def value(a: Any, cost_type: str) -> Any:
        row = be.empty((1, 7))
        row[:] = cost(be.array(a), be.array(a), cost_type)
        return row.get()

    for cost_type, bprop in {
        "dis_data": cost.bprop_data,
        "dis_noise": cost.bprop_noise,
        "gen": cost.bprop_generator,
    }.items():
        out = be.empty((1, 7))
        out[:] = bprop(t)
        assert bprop(t).shape == (1, 7)
        numeric = (value(y + step, cost_type) - value(y - step, cost_type)) / (2 * step)
        np.testing.assert_allclose(out.get(), scale * numeric, rtol=1e-6)


def test_wasserstein_gradients_follow_the_batch_size(be: Any) -> None:
    cost = GANCost(func="wasserstein")
    for n in (4, 6):
        out = be.zeros((1, n))
        out[:] = cost.bprop_noise(be.ones((1, n)))
        np.testing.assert_array_equal(out.get(), -np.ones((1, n)))


def test_wasserstein_gradients_ignore_nan(be: Any) -> None:
    out = be.zeros((1, 1))
    out[:] = GANCost(func="wasserstein").bprop_data(be.array([[float("nan")]]))
    assert out.item() == 1


def test_mistakes_are_named(be: Any) -> None:
    with pytest.raises(ConfigurationError, match="cost_type='discriminator'"):
        GANCost(cost_type="discriminator")
    with pytest.raises(ConfigurationError, match="func='new'"):
        GANCost(func="new")
    y = be.ones((1, 3))
    with pytest.raises(ConfigurationError, match="cost_type='gan'"):
        GANCost()(y, y, cost_type="gan")
    with pytest.raises(ShapeError, match="GANCost"):
        GANCost()(y, be.ones((1, 4)))
    with pytest.raises(ConfigurationError, match="bprop_data"):
        GANCost().bprop(y, y)
