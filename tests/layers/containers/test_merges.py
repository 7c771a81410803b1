"""MergeSum, Residual, MergeBroadcast and MergeMultistream against the same layers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.initializers import Gaussian
from neonport.layers import (
    LSTM,
    Activation,
    Affine,
    BatchNorm,
    BranchNode,
    Conv,
    Dropout,
    Linear,
    MergeBroadcast,
    MergeMultistream,
    MergeSum,
    Pooling,
    Recurrent,
    Reshape,
    Residual,
    Sequential,
    SkipNode,
    Tree,
)
from neonport.layers.shapes import interpret_in_shape
from neonport.transforms import Logistic, Rectlin, Tanh

N = 4


def lin(n, **kwargs):
    return Linear(n, Gaussian(), **kwargs)


def act(n):
    return Affine(n, Gaussian(scale=0.5), bias=Gaussian(), activation=Tanh())


def rand(be, *shape, seed=0):
    return be.array(np.random.RandomState(seed).randn(*shape))


def build(net, in_shape=3, **allocate):
    net.configure(in_shape)
    net.allocate(**allocate)
    net.allocate_deltas()
    return net


def by_hand(be, layers, weights_of, in_shape=3):
    """Two layers in a chain, driven alone, with the weights of others and a bottom gradient."""
    chain = Sequential(layers).configure(in_shape)
    chain.prev_layer = chain.layers[0].prev_layer = True
    chain.allocate()
    chain.allocate_deltas()
    for mine, theirs in zip(chain.layers_to_optimize, weights_of.layers_to_optimize, strict=True):
        mine.W[:] = theirs.W
    return chain


def test_a_sum_has_the_bits_of_the_same_layers_by_hand(be, tools):
    net = MergeSum([[lin(5), lin(4)], lin(4), [lin(6), Activation(Rectlin()), lin(4)]])
    tools.drive(net, 3)
    hands = [
        by_hand(be, [lin(5), lin(4)], net.layers[0]),
        by_hand(be, lin(4), net.layers[1]),
        by_hand(be, [lin(6), Activation(Rectlin()), lin(4)], net.layers[2]),
    ]
    x, error = rand(be, 3, 32), rand(be, 4, 32, seed=1)
    y = be.empty((4, 32))
    for _ in range(2):
        total = net.fprop(x).get()
        deltas = net.bprop(error).get()
    outs = [hand.fprop(x) for hand in hands]
    hands[0].layers[-1].fprop(hands[0].layers[-1].inputs)
    y[:] = outs[0]
    for hand in hands[1:]:
        last = hand.layers[-1]
        be.compound_dot(last.W, last.inputs, y, beta=1.0)
    np.testing.assert_array_equal(total, y.get())
    bottom = be.zeros((3, 32))
    for i in (2, 1, 0):
        hand = hands[i]
        top = error
        for layer in reversed(hand._layers[1:]):
            top = layer.bprop(top)
        first = hand._layers[0]
        be.compound_dot(first.W.T, top, bottom, beta=0.0 if i == 2 else 1.0)
        first.bprop(top)
    np.testing.assert_array_equal(deltas, bottom.get())
    for path, hand in zip(net.layers, hands, strict=True):
        for mine, theirs in zip(path.layers_to_optimize, hand.layers_to_optimize, strict=True):
            np.testing.assert_array_equal(mine.dW.get(), theirs.dW.get())


@pytest.mark.parametrize("merge", ["depth", "stack", "recurrent"])
@pytest.mark.parametrize("in_shape", [3, (3, 2)])
def test_a_broadcast_has_the_bits_of_the_same_layers_by_hand(be, tools, merge, in_shape):
    steps = 1 if in_shape == 3 else 2
    sizes = (4, 4) if merge == "recurrent" else (4, 5)
    net = MergeBroadcast(
        [[lin(6), lin(sizes[0]), Activation(Tanh())], lin(sizes[1])], merge, alphas=[0.5, 2.0]
    )
    tools.drive(net, in_shape)
    hands = [
        by_hand(be, [lin(6), lin(sizes[0]), Activation(Tanh())], net.layers[0], in_shape),
        by_hand(be, lin(sizes[1]), net.layers[1], in_shape),
    ]
    wanted_shape = {
        "depth": (sum(sizes), steps),
        "stack": sum(sizes) * steps,
        "recurrent": (sizes[0], 2 * steps),
    }
    assert net.out_shape == wanted_shape[merge]
    assert type(net.out_shape) in (int, tuple)
    x = rand(be, 3, steps * 32)
    found = net.fprop(x).get()
    outs = [hand.fprop(x).get() for hand in hands]
    if merge == "stack":
        outs = [y.reshape(-1, 32) for y in outs]
    np.testing.assert_array_equal(found, np.concatenate(outs, axis=int(merge == "recurrent")))
    error = np.random.RandomState(1).randn(*found.shape).astype("f4")
    cut = outs[0].shape[1 if merge == "recurrent" else 0]
    parts = np.split(error, [cut], axis=1 if merge == "recurrent" else 0)
    parts = [part.reshape(n, -1) for part, n in zip(parts, sizes, strict=True)]
    for _ in range(2):
        net.fprop(x)
        deltas = net.bprop(be.array(error)).get()
    bottom = hands[1].bprop(be.array(parts[1]), alpha=2.0)
    hands[0].layers[0].deltas = bottom
    hands[0].bprop(be.array(parts[0]), alpha=0.5, beta=1.0)
    np.testing.assert_array_equal(deltas, bottom.get())
    for path, hand in zip(net.layers, hands, strict=True):
        for mine, theirs in zip(path.layers_to_optimize, hand.layers_to_optimize, strict=True):
            np.testing.assert_array_equal(mine.dW.get(), theirs.dW.get())


def nests():
    return {
        "sum of sums": MergeSum(
            [
                [MergeSum([[act(3), lin(4)], [lin(5), act(3), lin(4)]]), act(3), lin(4)],
                [Sequential([act(5), act(4)]), lin(4)],
                [act(2), MergeSum([SkipNode(), [act(6), lin(2)]]), lin(4)],
            ]
        ),
        "a sum in one path alone": MergeSum(
            [[MergeSum([[act(3), act(4), lin(3)], [lin(5), act(3), lin(3)]])], [act(2), lin(3)]]
        ),
        "broadcast": MergeBroadcast(
            [
                [MergeBroadcast([act(2), [act(3), lin(2)]], "depth"), act(3)],
                [lin(2), BatchNorm(), Activation(Tanh())],
                [lin(6), Reshape((2, 3)), lin(2), Reshape(-1)],
            ],
            "stack",
        ),
        "over time": MergeBroadcast(
            [
                [act(4), Reshape((2, 2)), MergeBroadcast([lin(3), act(2)], "stack"), lin(6),
                 Reshape((3, 2))],
                [lin(3), Reshape((3, -1))],
            ],
            "recurrent",
        ),
        "behind a node": Sequential(
            [
                act(4),
                Tree(
                    [
                        [act(3), NODE, MergeSum([SkipNode(), [act(2), lin(3)]]), act(2)],
                        [NODE, MergeBroadcast([lin(2), [act(3), lin(2)]], "depth"), act(2)],
                    ]
                ),
            ]
        ),
        "residual": Sequential(
            [Residual([BatchNorm(), act(4), lin(3)]), Residual(act(2), projection=lin(2))]
        ),
    }  # fmt: skip


NODE = BranchNode("node")


@pytest.mark.parametrize("name", nests())
def test_numeric_gradients(be64, tools, name):
    from tests.layers.containers.test_tree import Summed

    net = tools.drive(nests()[name], 3)
    seen = Summed(net) if name == "behind a node" else net
    assert tools.check_gradients(be64, seen, np.random.RandomState(2).randn(3, N)) < 1e-7


def lstm(n):
    return LSTM(n, Gaussian(scale=0.5), None, Tanh(), Logistic(), reset_cells=True)


def rnn(n):
    return Recurrent(n, Gaussian(scale=0.5), activation=Tanh(), reset_cells=True)


@pytest.mark.parametrize(
    ("in_shape", "make"),
    [
        ((2, 2), lambda: MergeSum([lstm(3), [lin(2), rnn(3)]])),
        ((2, 2), lambda: MergeBroadcast([lstm(3), rnn(3)], "recurrent")),
        (
            (1, 3, 2),
            lambda: MergeBroadcast(
                [Conv((2, 2, 2), Gaussian(), activation=Tanh()), Pooling(2, "avg", strides=1)],
                "depth",
            ),
        ),
    ],
)
def test_numeric_gradients_of_sequences_and_images(be64, tools, in_shape, make):
    net = tools.drive(make(), in_shape)
    rows, steps = interpret_in_shape(in_shape)
    x = np.random.RandomState(3).randn(rows, steps * N)
    assert tools.check_gradients(be64, net, x) < 1e-7


def test_paths_share_one_gradient_and_use_no_buffer_of_it(be, tools):
    merge = MergeSum([[lin(5), lin(4), lin(4)], lin(4)])
    net = build(Sequential([lin(6), merge, lin(2), lin(2)]))
    below, _, above, _ = net.layers
    firsts = [path.layers[0] for path in merge.layers]
    assert firsts[0].deltas is firsts[1].deltas is merge.deltas
    others = [*merge.layers[0].layers[1:], above]
    for layer in others:
        assert not tools.shares_memory(merge.deltas, layer.deltas)
    for layer in merge.layers[0].layers[1:]:
        assert not tools.shares_memory(above.deltas, layer.deltas)
    assert below.deltas is None
    tree = net.global_deltas
    assert (tree.max_shape, tree.child.max_shape) == (6, 5)


@pytest.mark.parametrize("make", [MergeSum, lambda paths: MergeBroadcast(paths, "stack")])
def test_a_first_layer_that_wants_a_gradient_speaks_for_all(be, make):
    net = make([[lin(3), lin(2)], lin(2)]).configure(3)
    net.layers[1].layers[0].prev_layer = True
    net.allocate()
    net.allocate_deltas()
    net.fprop(rand(be, 3, 32))
    net.bprop(net.outputs)
    firsts = [path.layers[0] for path in net.layers]
    assert firsts[0].deltas is firsts[1].deltas is net.deltas
    assert net.deltas.get().any()


def test_a_container_on_a_node_uses_the_nodes_gradient(be):
    node = BranchNode()
    merge = MergeSum([lin(3), SkipNode()])
    build(Tree([[lin(3), node, merge], [node, lin(2)]]))
    assert merge.deltas is node.deltas is merge.layers[0].layers[0].deltas


def test_error_tensors_are_the_same_in_every_step(be, monkeypatch):
    merge = MergeBroadcast([[lin(5), lin(4)], [lin(4), Activation(Tanh())]], "recurrent")
    net = build(Sequential([lin(6), merge, lin(2)]))
    seen = []
    original = Linear.bprop

    def noted(layer, error, alpha=1.0, beta=0.0):
        seen.append(error)
        return original(layer, error, alpha=alpha, beta=beta)

    monkeypatch.setattr(Linear, "bprop", noted)
    x, error = be.iobuf(3).fill(1.0), be.iobuf((2, 2)).fill(1.0)
    for _ in range(2):
        net.fprop(x)
        net.bprop(error)
    assert len(seen) == 10
    assert all(a is b for a, b in zip(seen[:5], seen[5:], strict=True))


def test_streams_are_independent(be, tools):
    net = Sequential([MergeMultistream([[lin(4), Activation(Tanh())], lin(2)], "stack"), lin(3)])
    build(net, [3, 3])
    streams = net.layers[0]
    assert net.in_shape == streams.in_shape == [3, 3]
    assert streams.out_shape == 6
    xs = [rand(be, 3, 32, seed=s) for s in (1, 2)]
    y = net.fprop(xs).get()
    a, b = (path.layers[0] for path in streams.layers)
    merged = np.concatenate([np.tanh(a.W.get() @ xs[0].get()), b.W.get() @ xs[1].get()])
    np.testing.assert_allclose(y, net.layers[1].W.get() @ merged, atol=1e-5)
    error = rand(be, 3, 32, seed=3)
    for _ in range(2):
        net.fprop(xs)
        assert net.bprop(error) is None
    back = net.layers[1].W.get().T @ error.get()
    first = back[:4] * (1 - merged[:4] ** 2)
    np.testing.assert_allclose(a.dW.get(), first @ xs[0].get().T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(b.dW.get(), back[4:] @ xs[1].get().T, rtol=1e-4, atol=1e-4)


def test_streams_of_other_shapes(be):
    net = MergeMultistream([[lin(4)], [Linear(4, Gaussian()), SkipNode()]], "recurrent")
    net.configure([(3, 2), 5])
    assert net.out_shape == (4, 3)
    for wrong in ([3], [3, 3, 3]):
        with pytest.raises(ConfigurationError, match="2 paths"):
            net.configure(wrong)
    for wrong in (3, (3, 3), Linear(2, Gaussian())):
        with pytest.raises(ConfigurationError, match="several inputs"):
            net.configure(wrong)
    build(net, [3, 3])
    with pytest.raises(ShapeError, match="2 inputs"):
        net.fprop(rand(be, 3, 32))


def test_accumulating_gradients_goes_into_all_paths(be64):
    net = build(MergeSum([[act(3), lin(2)], lin(2)]), accumulate_updates=True)
    x, errors = rand(be64, 3, N), [rand(be64, 2, N, seed=s) for s in (1, 2)]
    net.fprop(x)
    alone = []
    for error in errors:
        net.bprop(error)
        alone.append([layer.dW.get() for layer in net.layers_to_optimize])
    net.bprop(errors[0])
    net.set_acc_on(True)
    net.bprop(errors[1])
    for layer, first, second in zip(net.layers_to_optimize, *alone, strict=True):
        np.testing.assert_allclose(layer.dW.get(), first + second, rtol=1e-9)


def test_a_residual_block_is_x_plus_f(be):
    block = Residual(act(3))
    assert isinstance(block.layers[1].layers[-1], SkipNode)
    build(block)
    x = rand(be, 3, 32)
    y = block.fprop(x).get()
    inner = block.layers[1]
    z = inner.layers[0].W.get() @ x.get() + inner.layers[1].W.get()
    np.testing.assert_allclose(y, x.get() + np.tanh(z), atol=1e-5)
    with pytest.raises(ConfigurationError, match="projection"):
        Residual(lin(4)).configure(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MergeSum([lin(2), lin(3)]), "one shape"),
        (lambda: MergeSum([lin(2), [lin(2), Activation(Tanh())]]), "SkipNode"),
        (lambda: MergeSum([[lin(2), Activation(Tanh())], lin(2)]), "SkipNode"),
        (lambda: MergeSum([lin(3), Dropout(0.5)]), "works in the buffer"),
        (lambda: MergeBroadcast([lin(3), [Dropout(0.5)]], "stack"), "below it"),
        (lambda: MergeBroadcast([lin(2), lin(3)], "recurrent"), "numbers of features"),
        (lambda: MergeBroadcast([lin(2), [lin(6), Reshape((2, 3))]], "depth"), "sizes of a map"),
        (lambda: MergeBroadcast([lin(2)], "sum"), "must be one of"),
        (lambda: MergeBroadcast([lin(2)], "stack", alphas=[1, 2]), "alphas"),
        (lambda: MergeSum([lin(2), "fc"]), "path 1"),
        (lambda: MergeSum([Tree([lin(2), lin(2)])]), "path 1 begins"),
        (lambda: MergeSum([Tree([lin(2)])]), "needs one"),
    ],
)
def test_mistakes(be, make, message):
    with pytest.raises(ConfigurationError, match=message):
        make().configure(3)
