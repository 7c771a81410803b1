from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    Activation,
    Affine,
    Bias,
    BranchNode,
    Dropout,
    Layer,
    Linear,
    MergeSum,
    Sequential,
    SkipNode,
    Tree,
)
from neonport.transforms import Rectlin, Tanh


def build(layers, in_shape=5, **allocate):
    net = Sequential(layers).configure(in_shape)
    net.allocate(**allocate)
    net.allocate_deltas()
    return net


def test_nested_lists_are_flattened():
    a, b, c = (Linear(2, Constant(1)) for _ in range(3))
    assert Sequential([a, [b, [c]]]).layers == [a, b, c]
    assert Sequential(iter([a, (b,)])).layers == [a, b]
    assert Sequential(a).layers == [a]


@pytest.mark.parametrize("bad", [[Linear], ["fc"], [None], [{"a": 1}], 3])
def test_what_is_no_layer(bad):
    with pytest.raises(ConfigurationError, match="no layer"):
        Sequential(bad)


def test_empty_and_repeated_layers():
    with pytest.raises(ConfigurationError, match="at least one"):
        Sequential([])
    layer = Linear(2, Constant(1), name="once")
    with pytest.raises(ConfigurationError, match="'once' stands there twice"):
        Sequential([layer, Activation(Rectlin()), layer])


@pytest.mark.parametrize(
    "build",
    [
        lambda x: Sequential([x, Sequential([Linear(2, Constant(1)), x])]),
        lambda x: Sequential([x, MergeSum([SkipNode(), [Linear(2, Constant(1)), x]])]),
        lambda x: MergeSum([x, [Linear(2, Constant(1)), x]]),
        lambda x: Tree([[x, BranchNode("n"), SkipNode()], [BranchNode("n"), x]]),
    ],
    ids=["chain in chain", "path in chain", "two paths", "tree"],
)
def test_a_layer_that_stands_twice_deeper_inside(build):
    """Its gradients would be those of its last place only."""
    with pytest.raises(ConfigurationError, match=r"'once' stands there twice.*make a second one"):
        build(Linear(2, Constant(1), name="once"))


def test_a_branch_node_may_stand_in_several_paths():
    node = BranchNode("n")
    tree = Tree([[Linear(2, Constant(1)), node, SkipNode()], [node, Linear(2, Constant(1))]])
    assert tree.layers[1].layers[0] is node


@pytest.mark.parametrize("root", [lambda: Bias(Constant(0)), lambda: Activation(Tanh())])
def test_an_in_place_layer_cannot_be_first(root):
    with pytest.raises(ConfigurationError, match="SkipNode"):
        Sequential([root()])
    assert Sequential([Dropout(0.5)]).layers
    assert Sequential([SkipNode(), root()]).layers


def test_configure_chains_shapes_and_neighbours(be):
    net = Sequential([Linear(4, Constant(1)), Activation(Tanh()), Linear(2, Constant(1))])
    assert net.configure((5, 3)) is net
    first, second, third = net.layers
    assert (first.prev_layer, second.prev_layer, third.prev_layer) == (None, first, second)
    assert (first.next_layer, second.next_layer) == (second, third)
    assert (net.in_shape, net.out_shape) == ((5, 3), (2, 3))
    assert net.get_terminal() is third
    assert net.outputs is None


def test_without_input_only_a_branch_node_may_come_first(be):
    with pytest.raises(ConfigurationError, match="BranchNode"):
        Sequential([Linear(4, Constant(1))]).configure(None)


class Recorder(Constant):
    """Remembers whose weights it filled."""

    log: list = []  # noqa: RUF012

    def fill(self, param):
        self.log.append(param.shape)
        super().fill(param)


def test_parameters_are_drawn_last_owner_first(be):
    Recorder.log.clear()
    init = Recorder(1)
    build([Affine(n, init, bias=init) for n in (10, 11, 12)], 9)
    assert Recorder.log == [(12, 11), (10, 9), (10, 1), (11, 10), (11, 1), (12, 1)]


def test_the_order_holds_in_nested_chains(be):
    Recorder.log.clear()
    init = Recorder(1)
    inner = Sequential([Linear(20, init), Linear(21, init)])
    build([Linear(10, init), inner], 9)
    assert Recorder.log == [(21, 20), (20, 10), (10, 9)]


def test_a_seed_means_the_same_weights(make_backend):
    weights = []
    for _ in range(2):
        make_backend(batch_size=4, rng_seed=3)
        net = build([Affine(4, Gaussian(), bias=Gaussian()), Linear(2, Gaussian())])
        weights.append([layer.W.get() for layer in net.layers])
    rng = np.random.RandomState(3)
    expected = [rng.normal(0, 1, shape) for shape in ((2, 4), (4, 5), (4, 1))]
    for first, second, third in zip(*weights, [*expected[1:], expected[0]], strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, third, rtol=1e-6)


def test_shared_outputs_go_to_the_last_owner(be, tools):
    memory = be.zeros((2, 32))
    net = Sequential([Linear(4, Constant(1)), Linear(2, Constant(1)), Activation(Rectlin())])
    net.configure(5)
    net.allocate(shared_outputs=memory)
    y = net.fprop(be.iobuf(5).fill(1.0))
    assert (memory.get() == 20).all()
    assert tools.shares_memory(memory, y)


def test_fprop_hands_beta_to_the_last_layer(be):
    net = build([Linear(4, Constant(1)), Linear(2, Constant(1))])
    x = be.iobuf(5).fill(1.0)
    net.fprop(x)
    assert (net.fprop(x, beta=1.0).get() == 40).all()
    tail = build([Linear(4, Constant(1)), Activation(Tanh())])
    with pytest.raises(ConfigurationError, match="SkipNode"):
        tail.fprop(x, beta=1.0)


def test_bprop_hands_alpha_and_beta_to_the_first_layer(be, tools):
    net = tools.drive(Sequential([Linear(4, Constant(1)), Linear(2, Constant(1))]), 5)
    net.fprop(be.iobuf(5).fill(1.0))
    error = be.iobuf(2).fill(1.0)
    once = net.bprop(error).get()
    assert (once == 8).all()
    assert (net.bprop(error, alpha=2.0, beta=1.0).get() == 24).all()


class Twice(Layer):
    """A user layer with nothing optional."""

    def configure(self, in_obj):
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs, inference=False):
        self.outputs[:] = inputs * 2
        return self.outputs

    def bprop(self, error):
        error[:] = error * 2
        return error


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_minimal_user_layer_works_everywhere(be, position):
    layers = [Linear(4, Constant(1)), Linear(2, Constant(1))]
    layers.insert(position, Twice())
    net = build(layers)
    y = net.fprop(be.iobuf(5).fill(1.0))
    assert (y.get() == 40).all()
    assert net.bprop(be.iobuf(2).fill(1.0)) is None
    first = next(layer for layer in net.layers if isinstance(layer, Linear))
    assert (first.dW.get() == 2 * 2 * 32).all()


def test_a_minimal_user_layer_cannot_be_summed_into(be, tools):
    net = tools.drive(Sequential([Twice(), Linear(2, Constant(1))]), 5)
    net.fprop(be.iobuf(5))
    with pytest.raises(ConfigurationError, match="Twice"):
        net.bprop(be.iobuf(2), beta=1.0)


def test_a_nested_chain_passes_its_input_gradient_on(be):
    inner = Sequential([Dropout(1.0), Linear(3, Constant(1))])
    net = build([Linear(4, Constant(1)), inner, Linear(2, Constant(1))])
    net.fprop(be.iobuf(5).fill(1.0))
    net.bprop(be.iobuf(2).fill(1.0))
    assert (net.layers[0].dW.get() == 2 * 3 * 32).all()


def test_inserting_a_layer_later_affects_the_forward_pass(be):
    net = Sequential([Linear(4, Constant(1))])
    net.layers.insert(0, Twice())
    net.configure(5)
    net.allocate()
    assert (net.fprop(be.iobuf(5).fill(1.0)).get() == 10).all()


def test_accumulating_over_two_passes(be):
    net = build([Affine(4, Gaussian(), bias=Gaussian()), Linear(2, Gaussian())],
                accumulate_updates=True)  # fmt: skip
    x = be.array(np.random.RandomState(0).randn(5, 32))
    errors = [be.array(np.random.RandomState(s).randn(2, 32)) for s in (1, 2)]
    net.fprop(x)
    alone = []
    for error in errors:
        net.bprop(error)
        alone.append([layer.dW.get() for layer in net.layers])
    net.bprop(errors[0])
    net.set_acc_on(True)
    net.bprop(errors[1])
    for layer, a, b in zip(net.layers, *alone, strict=True):
        np.testing.assert_allclose(layer.dW.get(), a + b, rtol=1e-5, atol=1e-4)


def test_two_models_on_two_backends(make_backend):
    be = make_backend(batch_size=8)
    other = type(be)()
    other.bsz = 3
    nets = [Sequential(Affine(2, Constant(1), bias=Constant(1))) for _ in range(2)]
    nets[1].set_backend(other)
    for net, home in zip(nets, (be, other), strict=True):
        net.configure(4)
        net.allocate()
        net.allocate_deltas()
        y = net.fprop(home.iobuf(4).fill(1.0))
        assert y.backend is home
        assert y.shape == (2, home.bsz)
        net.bprop(home.iobuf(2).fill(1.0))
        assert (net.layers[0].dW.get() == home.bsz).all()
