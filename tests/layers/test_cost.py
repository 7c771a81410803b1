from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.initializers import Constant
from neonport.layers import (
    GeneralizedCost,
    GeneralizedCostMask,
    Linear,
    SampleWeightedCost,
    Sequential,
)
from neonport.transforms import CrossEntropyMulti, SumSquared


def data(be, out_shape=(3, 2)):
    below = Linear(out_shape[0], Constant(1)).configure((4, out_shape[1]))
    rng = np.random.RandomState(0)
    shape = be.iobuf(out_shape).shape
    return below, rng.randn(*shape), rng.randn(*shape)


def test_cost_and_errors_against_numpy(be):
    below, y, t = data(be)
    cost = GeneralizedCost(SumSquared())
    cost.initialize(below)
    assert cost.nstep == 2
    assert cost.outputs.shape == (1, 64)
    assert cost.deltas.shape == (3, 64)
    value = cost.get_cost(be.array(y), be.array(t))
    assert isinstance(value, np.ndarray)
    assert value.shape == (1, 1)
    np.testing.assert_allclose(value.item(), ((y - t) ** 2).sum(0).mean() / 2, rtol=1e-5)
    assert cost.cost is value
    errors = cost.get_errors(be.array(y), be.array(t))
    assert errors is cost.deltas
    np.testing.assert_allclose(errors.get(), y - t, rtol=1e-4, atol=1e-6)


def test_the_cost_of_a_container(be):
    net = Sequential(Linear(3, Constant(1))).configure(4)
    cost = GeneralizedCost(SumSquared())
    cost.initialize(net)
    assert cost.get_cost(be.iobuf(3).fill(2.0), be.iobuf(3)).item() == 6


def test_mask(be):
    below, y, t = data(be)
    mask = (np.random.RandomState(1).rand(3, 64) > 0.5) * 1.0
    cost = GeneralizedCostMask(SumSquared(), weights=0.25)
    cost.initialize(below)
    pair = (be.array(t), be.array(mask))
    expected = 0.25 * (((y - t) * mask) ** 2).sum(0).mean() / 2
    np.testing.assert_allclose(cost.get_cost(be.array(y), pair).item(), expected, rtol=1e-5)
    errors = cost.get_errors(be.array(y), pair).get()
    np.testing.assert_allclose(errors, (y - t) * mask * 0.25, rtol=1e-4, atol=1e-6)
    with pytest.raises(ConfigurationError, match="pair"):
        cost.get_cost(be.array(y), be.array(t))


def test_mistakes(be):
    with pytest.raises(ConfigurationError, match="instance"):
        GeneralizedCost(SumSquared)
    cost = GeneralizedCost(CrossEntropyMulti(), name="c")
    with pytest.raises(ConfigurationError, match="before initialize"):
        cost.get_cost(be.iobuf(3), be.iobuf(3))
    with pytest.raises(ConfigurationError, match="last layer"):
        cost.initialize((3, 4))
    with pytest.raises(ConfigurationError, match="before configure"):
        cost.initialize(Linear(3, Constant(1)))
    cost.initialize(Linear(3, Constant(1)).configure(4))
    with pytest.raises(ShapeError, match=r"\(4, 32\), the cost was initialised for \(3, 32\)"):
        cost.get_errors(be.iobuf(4), be.iobuf(4))


def test_description(be):
    cost = GeneralizedCost(CrossEntropyMulti(), name="c")
    desc = cost.get_description()
    assert desc["type"] == "neon.layers.layer.GeneralizedCost"
    twin = GeneralizedCost.gen_class(desc["config"])
    assert isinstance(twin.costfunc, CrossEntropyMulti)


def test_weights_of_samples(be):
    below, y, t = data(be)
    weights = np.random.RandomState(1).rand(1, 64)
    cost = SampleWeightedCost(SumSquared())
    cost.initialize(below)
    pair = (be.array(t), be.array(weights))
    expected = ((y - t) ** 2).sum(0) / 2
    found = cost.get_cost(be.array(y), pair).item()
    np.testing.assert_allclose(found, (expected * weights).mean(), rtol=1e-5)
    errors = cost.get_errors(be.array(y), pair).get()
    np.testing.assert_allclose(errors, (y - t) * weights, rtol=1e-4, atol=1e-6)
    plain = cost.get_cost(be.array(y), be.array(t)).item()  # of held-out data
    np.testing.assert_allclose(plain, expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(cost.get_errors(be.array(y), be.array(t)).get(), y - t, rtol=1e-4)
    with pytest.raises(ShapeError, match="was initialised for"):
        cost.get_cost(be.iobuf(4), pair)
