from __future__ import annotations

import copy

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError
from neonport.initializers import Constant, Gaussian, IdentityInit
from neonport.layers import Activation, Affine, BranchNode, Dropout, Linear, Sequential
from neonport.layers.container import LayerContainer
from neonport.optimizers.base import get_param_list
from neonport.transforms import Tanh


def build(be, layers=None):
    net = Sequential(layers or stack(), name="net").configure(5)
    net.allocate()
    net.allocate_deltas()
    return net


def stack():
    return [
        Affine(4, Gaussian(), bias=Constant(0), activation=Tanh(), name="a"),
        Sequential([Affine(3, Gaussian(), batch_norm=True, name="b"), Dropout(0.5)], name="inner"),
        Linear(2, Gaussian(), name="c"),
    ]


def test_layers_to_optimize_expands_containers_and_leaves_out_frozen_identities(be):
    net = Sequential([*stack(), Linear(2, IdentityInit(), name="frozen")])
    assert [x.name for x in net.layers_to_optimize] == ["a", "a_bias", "b", "b_bnorm", "c"]


def test_an_array_as_init_can_be_trained():
    net = Sequential(Linear(2, np.ones((2, 3))))
    assert net.layers_to_optimize == net.layers


def test_orders_of_walking(be):
    net = Sequential(stack(), name="net")
    forward = [layer.name for layer in net.layers_fprop()]
    assert forward[3:7] == ["inner", "b", "b_bnorm", forward[6]]
    assert [layer.name for layer in net.layers_bprop()] == [
        "c",
        *reversed(forward[4:7]),
        "inner",
        *reversed(forward[:3]),
    ]


def test_a_description_rebuilds_the_container(be):
    net = build(be)
    desc = net.get_description()
    assert desc["type"] == "neon.layers.container.Sequential"
    assert desc["container"] is True
    assert desc["config"]["name"] == "net"
    before = copy.deepcopy(desc)
    twin = Sequential.gen_class(desc["config"])
    assert desc == before
    assert [type(x) for x in twin.layers_fprop()] == [type(x) for x in net.layers_fprop()]
    assert [x.name for x in twin.layers_fprop()] == [x.name for x in net.layers_fprop()]


def test_branch_nodes_of_a_description_are_one_by_name():
    net = Sequential([Sequential([Linear(2, Constant(1)), BranchNode("n")]), BranchNode("n")])
    twin = Sequential.gen_class(net.get_description()["config"])
    assert twin.layers[1] is twin.layers[0].layers[1]


@pytest.mark.parametrize("early", [False, True])
def test_saving_and_loading_by_position(be, early):
    source, x = build(be), be.array(np.random.RandomState(0).randn(5, 32))
    for (param, _), states in get_param_list(source.layers_to_optimize):
        states.append(be.ones(param.shape))
    source.layers_to_optimize[-1].states[0].fill(7.0)
    entry = source.get_description(get_weights=True, keep_states=True)
    target = Sequential.gen_class(entry["config"]) if early else build(be)
    before = copy.deepcopy(entry)
    target.load_weights(entry)
    target.load_weights(entry)
    np.testing.assert_equal(entry, before)
    if early:
        target.configure(5)
        target.allocate()
    np.testing.assert_array_equal(
        source.fprop(x, inference=True).get(), target.fprop(x, inference=True).get()
    )
    assert (target.layers_to_optimize[-1].states[0].get() == 7).all()
    assert "states" not in source.get_description(True)["config"]["layers"][0]


def test_loading_states_is_optional(be):
    source, target = build(be), build(be)
    source.layers[0].states.append(be.ones((4, 5)))
    entry = source.get_description(get_weights=True, keep_states=True)
    target.load_weights(entry, load_states=False)
    assert target.layers[0].states == []


def test_another_number_of_layers_is_refused_before_anything_is_loaded(be):
    entry = build(be).get_description(get_weights=True)
    target = build(be, [Linear(4, Constant(7))])
    with pytest.raises(CheckpointError, match=r"1 layers, the file 5 \(Linear 'a'"):
        target.load_weights(entry)
    assert (target.layers[0].W.get() == 7).all()
    with pytest.raises(CheckpointError, match=r"config\.layers"):
        target.load_weights({"type": "neon.layers.layer.Linear", "config": {}})


def test_a_layer_may_take_two_entries(be):
    class Absorbing(Linear):
        def take_entries(self, entries):
            self.seen = [e["config"]["name"] for e in entries[:2]]
            return entries[0], 2

    source = Sequential([Affine(4, Gaussian(), bias=Constant(0), name="a"), Linear(2, Constant(1))])
    source.configure(5).allocate()
    target = Sequential([Absorbing(4, Constant(0)), Linear(2, Constant(0))])
    target.configure(5).allocate()
    target.load_weights(source.get_description(get_weights=True))
    assert target.layers[0].seen == ["a", "a_bias"]
    assert (target.layers[1].W.get() == 1).all()


def test_calls_go_down(be):
    net = build(be)
    net.set_batch_size(3)
    net.set_seq_len(2)
    for layer in net.layers_fprop():
        assert (layer.actual_bsz, layer.actual_seq_len) == (3, 2)
    net.revert_tensors()


def test_a_label_of_parallelism_goes_down_before_configure():
    net = Sequential(stack())
    net.propagate_parallelism("Data")
    labels = {layer.name: layer.parallelism for layer in net.layers_fprop()}
    assert labels["c"] == "Disabled"  # Linear does not distribute
    assert labels["inner"] == labels["b_bnorm"] == "Data"


def test_accumulating_through_a_container(be):
    net = Sequential(stack())
    with pytest.raises(BufferError, match="never allocated"):
        net.set_acc_on(True)
    net.configure(5)
    net.allocate(accumulate_updates=True)
    net.set_acc_on(True)
    assert all(layer.acc_on for layer in net.layers_to_optimize)
    assert not any(x.acc_on for x in net.layers if isinstance(x, Activation))
    net.set_acc_on(False)
    assert not any(layer.acc_on for layer in net.layers_to_optimize)


def test_text(be):
    net = build(be)
    lines = net.nested_str().split("\n")
    assert lines[0] == "Sequential"
    assert lines[1] == "  Linear Layer 'a': 5 inputs, 4 outputs"
    assert lines[4] == "  Sequential"
    assert lines[5] == "    Linear Layer 'b': 4 inputs, 3 outputs"
    assert "?" in Sequential(stack()).nested_str()


def test_the_base_class_has_no_layers_of_its_own():
    assert LayerContainer().layers == []
    assert issubclass(ConfigurationError, ValueError)
