"""The contract of error buffers: who may share memory with whom."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from neonport.initializers import Constant, Gaussian
from neonport.layers import Activation, Affine, BatchNorm, Dropout, Linear, Sequential, SkipNode
from neonport.layers.container import DeltasTree
from neonport.layers.deltas import DeltasTree as Same
from neonport.transforms import Tanh


def build(layers, in_shape=5):
    net = Sequential(layers).configure(in_shape)
    net.allocate()
    net.allocate_deltas()
    return net


def chain(width=4):
    return [
        Affine(3, Gaussian(), bias=Constant(0), activation=Tanh()),
        Dropout(0.9),
        Affine(width, Gaussian(), batch_norm=True, activation=Tanh()),
        Affine(2, Gaussian(), bias=Constant(0)),
    ]


def test_neighbours_never_share_and_the_first_has_none(be, tools):
    owners = [layer for layer in build(chain()).layers if layer.owns_delta]
    assert owners[0].deltas is None
    for below, above in pairwise(owners[1:]):
        assert not tools.shares_memory(below.deltas, above.deltas)


def test_two_buffers_serve_a_whole_chain(be, tools):
    net = build([Linear(4, Constant(1)) for _ in range(6)])
    deltas = [layer.deltas for layer in net.layers[1:]]
    assert all(tools.shares_memory(a, b) for a, b in zip(deltas, deltas[2:], strict=False))


def test_buffers_are_measured_by_the_widest_input(be):
    net = build([Linear(3, Constant(1)), Linear(50, Constant(1)), Linear(2, Constant(1))])
    assert net.global_deltas.max_shape == 50
    assert [b.shape for b in net.global_deltas.buffers] == [(50, 32)] * 2
    assert net.layers[2].deltas.shape == (50, 32)


def test_error_tensors_are_the_same_in_every_step(be):
    net = build(chain())
    seen = []
    for layer in net.layers:
        original = layer.bprop
        layer.bprop = lambda error, original=original: seen.append(error) or original(error)
    x, error = be.iobuf(5).fill(1.0), be.iobuf(2).fill(1.0)
    for _ in range(2):
        net.fprop(x)
        net.bprop(error)
    half = len(seen) // 2
    assert all(a is b for a, b in zip(seen[:half], seen[half:], strict=True))


@pytest.mark.parametrize("depth", [1, 2])
def test_a_nested_wide_sequential_is_measured(be, tools, depth):
    inner = [Linear(100, Gaussian()), Linear(4, Gaussian())]
    for _ in range(depth):
        inner = [Sequential(inner)]
    net = build([Linear(3, Gaussian()), *inner, Linear(2, Gaussian())])
    assert net.global_deltas.max_shape == 100
    flat = [layer for layer in net.layers_fprop() if layer.owns_delta]
    for below, above in pairwise(flat[1:]):
        assert not tools.shares_memory(below.deltas, above.deltas)


def test_a_nested_sequential_may_come_first(be):
    inner = Sequential([Linear(60, Gaussian()), Linear(3, Gaussian())])
    net = build([inner, Linear(2, Gaussian())])
    assert inner.layers[0].deltas is None
    assert inner.layers[1].deltas.shape == (60, 32)
    net.fprop(be.iobuf(5))
    assert net.bprop(be.iobuf(2)) is None


def test_a_tree_given_empty_only_measures(be):
    net = Sequential(chain(20)).configure(5)
    net.allocate()
    tree = DeltasTree()
    net.allocate_deltas(tree)
    assert tree.max_shape == 20
    assert net.layers[-2].deltas is None
    tree.allocate_buffers()
    net.set_deltas(tree)
    assert net.layers[-2].deltas.shape == (20, 32)
    again = Sequential([SkipNode(), SkipNode()]).configure(5)
    again.allocate()
    again.allocate_deltas(tree)  # has buffers: handed out
    assert again.layers[1].deltas.shape == (5, 32)


def test_the_child_is_made_on_demand_and_has_buffers_of_its_own(be, tools):
    assert DeltasTree is Same
    tree = DeltasTree()
    child = tree.decend()
    assert tree.decend() is child
    assert child.ascend() is tree
    layer = BatchNorm().configure(7)
    tree.proc_layer(layer)
    child.proc_layer(SkipNode().configure((3, 4)))
    tree.allocate_buffers()
    kept = list(tree.buffers)
    tree.allocate_buffers()
    assert kept[0] is tree.buffers[0]
    assert [b.shape for b in child.buffers] == [(12, 32)] * 2
    assert not tools.shares_memory(kept[0], child.buffers[0].share((7, 32)))


def test_nothing_registered_means_no_buffers(be):
    tree = DeltasTree()
    tree.allocate_buffers()
    assert tree.buffers == [None, None]


def test_in_place_layers_between_owners_keep_gradients_right(be64, tools):
    net = tools.drive(Sequential([Linear(3, Gaussian()), Activation(Tanh()), chain()]), 5)
    assert tools.check_gradients(be64, net, np.random.RandomState(0).randn(5, 4)) < 1e-7
