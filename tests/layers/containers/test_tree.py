"""Tree: outputs and gradients are those of the same layers wired by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    Activation,
    Affine,
    BatchNorm,
    BranchNode,
    Dropout,
    Layer,
    Linear,
    MergeSum,
    Reshape,
    Sequential,
    SingleOutputTree,
    SkipNode,
    Tree,
)
from neonport.transforms import Tanh

N = 4


def lin(n):
    return Linear(n, Gaussian())


def build(tree, in_shape=3, **allocate):
    tree.configure(in_shape)
    tree.allocate(**allocate)
    tree.allocate_deltas()
    return tree


def rand(be, *shape, seed=0):
    return be.array(np.random.RandomState(seed).randn(*shape))


def arrays(layers):
    return [layer.W.get().astype("f8") for layer in layers]


def test_factors_of_paths():
    a, b, c = BranchNode(), BranchNode(), BranchNode()
    trunk = [lin(4), a, lin(4), b, lin(2)]
    tree = Tree([trunk, [a, lin(2)], [a, lin(2)], [b, lin(2)]], alphas=[1, 2, 3, 4])
    assert tree.betas == [1.0, 1.0, 0.0, 0.0]
    assert tree.alphas == [1.0, 2.0, 3.0, 4.0]
    assert Tree([[lin(2), c, lin(2)], [c, lin(2)]]).betas == [1.0, 0.0]


@pytest.mark.parametrize("alphas", [None, [1.5, 0.5, 2.0]])
def test_gradients_are_those_of_the_same_layers_by_hand(be64, alphas):
    be = be64
    a, b, c, d, e = (lin(n) for n in (5, 4, 2, 3, 6))
    one, two = BranchNode("one"), BranchNode("two")
    paths = [[a, one, b, two, c], [BranchNode("one"), d], [BranchNode("two"), e]]
    tree = build(Tree(paths, alphas=alphas))
    x = rand(be, 3, N)
    outs = [y.get() for y in tree.fprop(x)]
    wa, wb, wc, wd, we = arrays([a, b, c, d, e])
    h = wa @ x.get()
    k = wb @ h
    for found, wanted in zip(outs, [wc @ k, wd @ h, we @ k], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    errors = [rand(be, n, N, seed=n) for n in (2, 3, 6)]
    f = alphas or [1.0, 1.0, 1.0]
    assert tree.bprop(errors) is None
    e0, e1, e2 = (np.random.RandomState(n).randn(n, N) for n in (2, 3, 6))
    at_two = f[0] * wc.T @ e0 + f[2] * we.T @ e2
    at_one = f[0] * wb.T @ at_two + f[1] * wd.T @ e1
    np.testing.assert_allclose(b.dW.get(), at_two @ h.T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(a.dW.get(), at_one @ x.get().T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(d.dW.get(), e1 @ h.T, rtol=1e-9, atol=1e-9)
    for _ in range(2):  # what buffers hold from the step before does not matter
        tree.fprop(x)
        tree.bprop(errors)
    np.testing.assert_allclose(a.dW.get(), at_one @ x.get().T, rtol=1e-9, atol=1e-9)


class Summed:
    """A net with several outputs as one with one, for finite differences."""

    def __init__(self, tree):
        self.tree = tree
        self.layers_to_optimize = tree.layers_to_optimize

    def fprop(self, x):
        ys = [y.get() for y in self.tree.fprop(x)]
        self.rows = [len(y) for y in ys]
        stacked = np.concatenate(ys)
        return SimpleNamespace(get=lambda: stacked, shape=stacked.shape)

    def bprop(self, error):
        cuts = np.cumsum(self.rows)[:-1]
        parts = np.split(error.get(), cuts)
        return self.tree.bprop([self.tree.be.array(part) for part in parts])


def act(n):
    return Affine(n, Gaussian(scale=0.5), bias=Gaussian(), activation=Tanh())


def test_numeric_gradients_of_paths_that_branch_off_paths(be64, tools):
    one, two, three = (BranchNode() for _ in range(3))
    inner = Tree([[act(3), three, lin(2)], [three, SkipNode(), act(2)]])
    net = Sequential(
        [
            act(4),
            Tree(
                [
                    [act(5), act(4), one, act(3), MergeSum([SkipNode(), lin(3)]), lin(2)],
                    [one, lin(3), two, act(6), act(2)],
                    [two, SkipNode(), act(2), BatchNorm(), act(3)],
                ],
                alphas=[1, 1, 1],
            ),
        ]
    )
    tools.drive(net, 3)
    assert tools.check_gradients(be64, Summed(net), np.random.RandomState(1).randn(3, N)) < 1e-7
    tools.drive(inner, 3)
    for layer in (inner.layers[0], inner.layers[0].layers[0]):
        layer.prev_layer = True
    inner.allocate_deltas()
    assert tools.check_gradients(be64, Summed(inner), np.random.RandomState(2).randn(3, N)) < 1e-7


def test_a_tree_inside_of_a_tree(be64, tools):
    outer, middle = BranchNode("outer"), BranchNode("middle")
    inner = Tree([[act(3), middle, lin(2)], [middle, lin(3)]])
    tree = Tree([[act(4), outer, act(3), inner], [outer, lin(2)]])
    build(tree)
    x = rand(be64, 3, N)
    (y0, y1), y2 = tree.fprop(x)
    assert [y.shape for y in (y0, y1, y2)] == [(2, N), (3, N), (2, N)]
    assert tree.out_shape == [[(2, 1), (3, 1)], (2, 1)]
    errors = [
        be64.array(np.random.RandomState(i).randn(*y.shape)) for i, y in enumerate((y0, y1, y2))
    ]
    first = tree.layers[0].layers[0]
    tree.bprop([errors[:2], errors[2]])
    gradient, w = first.dW.get(), first.W.get()

    def value():
        (a, b), c = tree.fprop(x)
        return sum((y.get() * e.get()).sum() for y, e in zip((a, b, c), errors, strict=True))

    for i in ((0, 0), (3, 2)):
        ends = []
        for step in (1e-5, -1e-5):
            moved = w.copy()
            moved[i] += step
            first.W.set(moved)
            ends.append(value())
        first.W.set(w)
        assert abs((ends[0] - ends[1]) / 2e-5 - gradient[i]) < 1e-7


def test_error_buffers_at_a_node_outlive_the_paths(be, tools):
    node = BranchNode()
    tree = build(Tree([[lin(3), node, lin(3), lin(3)], [node, lin(3), lin(3), lin(3)]]))
    trunk, path = tree.layers
    assert trunk.layers[2].deltas is node.deltas is path.layers[1].deltas
    for layer in (trunk.layers[3],):  # run after the path wrote the node's gradient
        assert not tools.shares_memory(node.deltas, layer.deltas)
    assert trunk.layers[0].deltas is None


def test_a_single_output_at_inference(be):
    node = BranchNode("n")
    tree = build(SingleOutputTree([[lin(3), node, lin(2)], [BranchNode("n"), lin(5)]]))
    x = rand(be, 3, 32)
    train = tree.fprop(x)
    assert len(train) == 2
    alone = tree.fprop(x, inference=True)
    np.testing.assert_array_equal(alone.get(), train[0].get())
    full = build(Tree([[lin(3), node, lin(2)], [BranchNode("n"), lin(5)]]))
    assert len(full.fprop(x, inference=True)) == 2


def test_accumulating_gradients_goes_into_all_paths(be64):
    node = BranchNode()
    tree = build(Tree([[act(3), node, lin(2)], [node, lin(2)]]), accumulate_updates=True)
    x = rand(be64, 3, N)
    errors = [[rand(be64, 2, N, seed=s), rand(be64, 2, N, seed=s + 9)] for s in (1, 2)]
    tree.fprop(x)
    alone = []
    for pair in errors:
        tree.bprop(pair)
        alone.append([layer.dW.get() for layer in tree.layers_to_optimize])
    tree.bprop(errors[0])
    tree.set_acc_on(True)
    tree.bprop(errors[1])
    for layer, first, second in zip(tree.layers_to_optimize, *alone, strict=True):
        np.testing.assert_allclose(layer.dW.get(), first + second, rtol=1e-9)


class InPlace(Layer):
    """Writes over its error, as a layer of three methods may."""

    def configure(self, in_obj):
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs, inference=False):
        self.outputs[:] = inputs
        return self.outputs

    def bprop(self, error):
        return error


NODE = BranchNode("wrong")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([[lin, NODE, lin], [BranchNode(), lin]], "path 1 begins with"),
        ([[lin, NODE, lin], [lin]], "path 1 begins with"),
        ([[lin, NODE], [NODE, lin]], "ends a chain"),
        ([[lin, NODE, BranchNode(), lin], [NODE, lin]], "stands before"),
        ([[lin, NODE, lambda n: Activation(Tanh())], [NODE, lin]], "works in the buffer"),
        ([[lin, NODE, lambda n: Reshape(-1), lin], [NODE, lin]], "works in the buffer"),
        ([[lin, NODE, lin], [NODE, lambda n: Dropout(0.5), lin]], "works in the buffer"),
        ([[lin, NODE, lambda n: InPlace(), lin], [NODE, lin]], "gradient of its input"),
        ([[lin, NODE, lin, NODE, lin], [NODE, lin]], "twice"),
    ],
)
def test_where_gradients_would_be_lost(be, paths, message):
    made = [[f if isinstance(f, BranchNode) else f(3) for f in path] for path in paths]
    with pytest.raises(ConfigurationError, match=message):
        Tree(made).configure(3)


def test_nodes_of_a_tree_inside_have_other_names(be):
    inner = Tree([[lin(3), BranchNode("a"), lin(2)], [BranchNode("a"), lin(2)]])
    tree = Tree([[lin(3), BranchNode("a"), inner], [BranchNode("a"), lin(2)]])
    with pytest.raises(ConfigurationError, match="other names"):
        tree.configure(3)


def test_mistakes():
    with pytest.raises(ConfigurationError, match="one entry a path"):
        Tree(lin(3))
    with pytest.raises(ValueError, match="path 1 is 'fc'"):
        Tree([lin(3), "fc"])
    with pytest.raises(ConfigurationError, match="at least one path"):
        Tree([])
    with pytest.raises(ConfigurationError, match="alphas"):
        Tree([lin(3)], alphas=[1, 2])
    path = Sequential(lin(3))
    with pytest.raises(ConfigurationError, match="twice"):
        Tree([path, path])


def test_an_error_for_each_output(be):
    node = BranchNode()
    tree = build(Tree([[lin(3), node, lin(2)], [node, Linear(2, Constant(1))]]))
    tree.fprop(rand(be, 3, 32))
    with pytest.raises(ConfigurationError, match="2 errors"):
        tree.bprop(rand(be, 2, 32))
