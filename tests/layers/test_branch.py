from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import BranchNode, Linear, Sequential
from neonport.layers.branch import unify_branches


def two_paths(tools, first, second):
    """A trunk [a, node, b] and a path [node, c], wired as a Tree does it."""
    trunk = Sequential([Linear(4, Gaussian()), first, Linear(2, Gaussian())])
    path = Sequential([second, Linear(3, Gaussian())])
    unify_branches([trunk, path])
    trunk.configure(5)
    path.configure(None)
    for part in (trunk, path):
        part.allocate()
    for part in (path, trunk):
        part.allocate_deltas()
    return trunk, path


@pytest.mark.parametrize("by_name", [False, True])
def test_gradients_of_both_paths_meet_at_the_node(be, tools, by_name):
    nodes = [BranchNode("n"), BranchNode("n")] if by_name else [BranchNode()] * 2
    trunk, path = two_paths(tools, *nodes)
    assert trunk.layers[1] is path.layers[0]
    a, _, b = trunk.layers
    c = path.layers[1]
    x = np.random.RandomState(0).randn(5, 32)
    y1, y2 = trunk.fprop(be.array(x)).get(), path.fprop(None).get()
    h = a.W.get() @ x
    np.testing.assert_allclose(y1, b.W.get() @ h, atol=1e-4)
    np.testing.assert_allclose(y2, c.W.get() @ h, atol=1e-4)
    e1, e2 = np.random.RandomState(1).randn(2, 32), np.random.RandomState(2).randn(3, 32)
    path.bprop(be.array(e2), alpha=0.5, beta=0.0)
    trunk.bprop(be.array(e1), alpha=1.0, beta=1.0)
    error = b.W.get().T @ e1 + 0.5 * c.W.get().T @ e2
    np.testing.assert_allclose(a.dW.get(), error @ x.T, atol=1e-3)


def test_nodes_without_a_name_stay_different():
    trunk = Sequential([Linear(4, Constant(1)), BranchNode(), Linear(2, Constant(1))])
    path = Sequential([BranchNode(), Linear(3, Constant(1))])
    unify_branches([trunk, path])
    assert trunk.layers[1] is not path.layers[0]
    path = Sequential([BranchNode(trunk.layers[1].name), Linear(3, Constant(1))])
    unify_branches([trunk, path])  # a name that the counter gave is nobody's choice
    assert trunk.layers[1] is not path.layers[0]


def test_a_second_model_with_the_same_names_is_a_second_model(be, tools):
    one = two_paths(tools, BranchNode("n"), BranchNode("n"))
    two = two_paths(tools, BranchNode("n"), BranchNode("n"))
    assert one[0].layers[1] is not two[0].layers[1]
    x = be.iobuf(5).fill(1.0)
    one[0].fprop(x)
    with pytest.raises(ConfigurationError, match="trunk has not run"):
        two[1].fprop(None)


def test_configuring_again_forgets_tensors(be, tools):
    trunk, _ = two_paths(tools, *[BranchNode("n")] * 2)
    trunk.fprop(be.iobuf(5))
    node = trunk.layers[1]
    assert node.outputs is not None
    assert node.deltas is not None
    trunk.configure(5)
    assert node.outputs is None
    assert node.deltas is None


def test_another_input_replaces_the_remembered_one(be, tools):
    node = BranchNode().configure(3)
    first, second = be.iobuf(3), be.iobuf(3)
    assert node.fprop(first) is first
    assert node.fprop() is first
    assert node.fprop(second) is second
    assert node.fprop(None) is second


def test_a_path_without_its_trunk(be):
    path = Sequential([BranchNode("lonely"), Linear(3, Constant(1))])
    with pytest.raises(ConfigurationError, match="lonely"):
        path.configure(None)


def test_the_layer_behind_the_node_uses_the_nodes_deltas(be, tools):
    trunk, path = two_paths(tools, *[BranchNode("n")] * 2)
    node = trunk.layers[1]
    assert trunk.layers[2].deltas is node.deltas
    assert path.layers[1].deltas is node.deltas


def test_layers_above_and_below_the_node_leave_its_deltas_alone(be, tools):
    node = BranchNode()
    chain = [Linear(4, Constant(1)), Linear(4, Constant(1)), node]
    net = Sequential([*chain, *(Linear(4, Constant(1)) for _ in range(2))]).configure(4)
    net.allocate()
    net.allocate_deltas()
    for layer in (net.layers[1], net.layers[4]):
        assert not tools.shares_memory(node.deltas, layer.deltas)
