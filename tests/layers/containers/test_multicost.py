"""Multicost: weighted sums of costs, outputs without targets, nested costs."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import Builder
from neonport.initializers import Gaussian
from neonport.layers import (
    BranchNode,
    GeneralizedCost,
    GeneralizedCostMask,
    Linear,
    Multicost,
    Sequential,
    SingleOutputTree,
    SkipNode,
    Tree,
)
from neonport.layers.cost import minibatch_cost
from neonport.layers.deferred_cost import DeferredCost
from neonport.transforms import SumSquared

N = 32


def lin(n):
    return Linear(n, Gaussian())


def squares():
    return GeneralizedCost(SumSquared())


def two_outputs(kind=Tree):
    node = BranchNode()
    net = kind([[lin(3), node, lin(2)], [node, lin(4)]]).configure(3)
    net.allocate()
    net.allocate_deltas()
    return net


def rand(be, *shape, seed=0):
    return be.array(np.random.RandomState(seed).randn(*shape))


def half(y, t):
    return float(((y.get() - t.get()) ** 2).sum(axis=0).mean() / 2)


@pytest.fixture
def batch(be):
    ys = [rand(be, 2, N, seed=1), rand(be, 4, N, seed=2)]
    ts = [rand(be, 2, N, seed=3), rand(be, 4, N, seed=4)]
    return ys, ts


@pytest.mark.parametrize("weights", [None, [0.5, 3.0]])
def test_sum_of_costs_and_errors(be, batch, weights):
    ys, ts = batch
    cost = Multicost([squares(), squares()], weights)
    cost.initialize(two_outputs())
    parts = [half(y, t) for y, t in zip(ys, ts, strict=True)]
    w = weights or [1.0, 1.0]
    found = cost.get_cost(ys, ts)
    assert found.shape == (1, 1)
    assert found.item() == pytest.approx(np.dot(w, parts), rel=1e-5)
    assert cost.cost.item() == pytest.approx(parts[0], rel=1e-5)
    assert cost.outputs is cost.costs[0].outputs
    assert cost.costfunc is cost.costs[0].costfunc
    errors = cost.get_errors(ys, ts)
    for error, y, t, factor, part in zip(errors, ys, ts, w, cost.costs, strict=True):
        assert error is part.deltas
        np.testing.assert_allclose(error.get(), factor * (y.get() - t.get()), atol=1e-5)


def test_costs_wait_on_the_device(be, batch):
    cost = Multicost([squares(), squares()], [1, 2])
    cost.initialize(two_outputs())
    waiting = minibatch_cost(cost, *batch)
    assert isinstance(waiting, DeferredCost)
    assert waiting._value is None
    assert float(waiting) == pytest.approx(
        half(batch[0][0], batch[1][0]) + 2 * half(batch[0][1], batch[1][1]), rel=1e-5
    )


def test_an_output_without_target(be, batch):
    ys, ts = batch
    cost = Multicost([squares(), squares()], [1, 2])
    cost.initialize(two_outputs())
    cost.get_cost(ys, ts)
    cost.get_errors(ys, ts)
    for skipped in (0, 1):
        some = [None if i == skipped else t for i, t in enumerate(ts)]
        other = 1 - skipped
        wanted = [1, 2][other] * half(ys[other], ts[other])
        assert cost.get_cost(ys, some).item() == pytest.approx(wanted, rel=1e-5)
        assert cost.costs[skipped].cost.item() == 0
        errors = cost.get_errors(ys, some)
        assert not errors[skipped].get().any()
        assert errors[other].get().any()


def test_one_target_for_all(be):
    node = BranchNode()
    net = Tree([[lin(3), node, lin(2)], [node, lin(2)]]).configure(3)
    cost = Multicost([squares(), squares()])
    cost.initialize(net)
    ys, t = [rand(be, 2, N, seed=1), rand(be, 2, N, seed=2)], rand(be, 2, N, seed=3)
    wanted = half(ys[0], t) + half(ys[1], t)
    assert cost.get_cost(ys, t).item() == pytest.approx(wanted, rel=1e-5)


def test_one_output_at_inference_is_the_trunks(be, batch):
    ys, ts = batch
    cost = Multicost([squares(), squares()], [7, 1])
    cost.initialize(two_outputs(SingleOutputTree))
    for targets in (ts, ts[0]):
        assert cost.get_cost(ys[0], targets).item() == pytest.approx(half(ys[0], ts[0]), rel=1e-5)


def test_nested_costs_of_nested_trees(be):
    outer, inner = BranchNode(), BranchNode()
    tree = Tree(
        [[lin(3), outer, Tree([[lin(3), inner, lin(2)], [inner, lin(4)]])], [outer, lin(2)]]
    )
    net = Sequential([SkipNode(), tree]).configure(3)
    net.allocate()
    net.allocate_deltas()
    parts = [squares() for _ in range(3)]
    cost = Multicost([Multicost(parts[:2], [1, 2]), parts[2]], [3, 4])
    cost.initialize(net)
    ys = net.fprop(rand(be, 3, N))
    ts = [[rand(be, 2, N, seed=1), rand(be, 4, N, seed=2)], rand(be, 2, N, seed=3)]
    (a, b), c = ys
    values = [half(a, ts[0][0]), half(b, ts[0][1]), half(c, ts[1])]
    assert cost.get_cost(ys, ts).item() == pytest.approx(np.dot([3, 6, 4], values), rel=1e-5)
    errors = cost.get_errors(ys, ts)
    np.testing.assert_allclose(errors[0][1].get(), 6 * (b.get() - ts[0][1].get()), rtol=1e-4)
    net.bprop(errors)
    assert tree.layers[0].layers[0].dW.get().any()
    errors = cost.get_errors(ys, [None, ts[1]])
    assert not any(error.get().any() for error in errors[0])


def test_masks_and_lists_of_layers(be, batch):
    ys, ts = batch
    layers = [lin(2).configure(3), lin(4).configure(3)]
    cost = Multicost([GeneralizedCostMask(SumSquared()), squares()])
    cost.initialize(layers)
    masked = [(ts[0], be.zeros((2, N))), ts[1]]
    assert cost.get_cost(ys, masked).item() == pytest.approx(half(ys[1], ts[1]), rel=1e-5)


def test_mistakes(be, batch):
    ys, ts = batch
    for wrong in (squares(), [], [SumSquared()], [GeneralizedCost]):
        with pytest.raises(ConfigurationError, match="cost"):
            Multicost(wrong)
    one = squares()
    with pytest.raises(ConfigurationError, match="twice"):
        Multicost([one, one])
    with pytest.raises(ConfigurationError, match="weights"):
        Multicost([squares()], [1, 2])
    with pytest.raises(ConfigurationError, match=r"1 costs, but the network has 2"):
        Multicost([squares()]).initialize(two_outputs())
    with pytest.raises(ConfigurationError, match="has 1"):
        Multicost([squares(), squares()]).initialize(lin(3).configure(2))
    with pytest.raises(ConfigurationError, match="Multicost"):
        squares().initialize(two_outputs())
    cost = Multicost([squares(), squares()])
    cost.initialize(two_outputs())
    with pytest.raises(ConfigurationError, match="1 targets"):
        cost.get_cost(ys, ts[:1])
    with pytest.raises(ConfigurationError, match="3 outputs"):
        cost.get_errors([*ys, ys[0]], ts)


def test_a_description_rebuilds_it():
    cost = Multicost([squares(), Multicost([squares(), squares()], [1, 2])], [3, 4])
    description = cost.get_description()
    assert description["type"] == "neon.layers.container.Multicost"
    twin = Builder().build("cost layer", description)
    assert twin.weights == [3.0, 4.0]
    assert twin.costs[1].weights == [1.0, 2.0]
    assert isinstance(twin.costs[1].costs[1].costfunc, SumSquared)
