"""Frozen layers: nothing of them changes, and nothing is computed for them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    LSTM,
    Activation,
    Affine,
    BatchNorm,
    BatchNormAutodiff,
    BiBNRNN,
    BinaryLinear,
    Conv,
    Deconv,
    Dropout,
    LayerNorm,
    Linear,
    LookupTable,
    MergeSum,
    MultiHeadAttention,
    OpTreeLayer,
    Reshape,
    Sequential,
    SkipNode,
)
from neonport.transforms import Logistic, Rectlin, Tanh


class Scale(OpTreeLayer):
    def forward(self, x):
        return self.be.tanh(x * self.parameter("gain", (x.shape[0], 1), Gaussian()))


def build(net, in_shape=3):
    net.configure(in_shape)
    net.allocate()
    net.allocate_deltas()
    return net


def step(be, net, rows):
    x = be.array(np.random.RandomState(0).randn(3, 32))
    error = be.array(np.random.RandomState(1).randn(rows, 32))
    y = net.fprop(x).get()
    net.bprop(error)
    return y


def test_a_frozen_stack_is_left_alone_and_so_is_what_is_below_it(be, monkeypatch):
    net = build(
        Sequential(
            [
                Affine(4, Gaussian(), bias=Constant(0), activation=Rectlin()),
                Sequential([Affine(4, Gaussian(), batch_norm=True), Activation(Tanh())]),
                MergeSum([SkipNode(), Linear(4, Gaussian())]),
                Affine(2, Gaussian(), bias=Constant(0)),
            ]
        )
    )
    whole = net.layers_to_optimize
    calls = []
    for cls in {type(layer) for layer in net.layers_fprop()}:
        original = cls.bprop

        def noted(self, *args, original=original, **kwargs):
            calls.append(self)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(cls, "bprop", noted)
    step(be, net, 2)
    calls.clear()
    for member in net.layers[:-2]:
        member.freeze()
        assert member.frozen or isinstance(member, Activation)
    assert net.layers_to_optimize == net.layers[-2:]
    for layer in whole:
        if isinstance(layer, Linear):
            layer.dW.fill(77.0)
    step(be, net, 2)
    assert set(calls) - {net} == set(net.layers[-2:])
    assert (net.layers[0].dW.get() == 77).all()
    assert not net.frozen
    net.freeze()
    assert net.frozen
    assert net.layers_to_optimize == []
    calls.clear()
    step(be, net, 2)
    assert calls == [net]
    net.freeze(False)
    assert net.layers_to_optimize == whole
    step(be, net, 2)
    assert not (net.layers[0].dW.get() == 77).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(3, Gaussian()),
        lambda: BinaryLinear(3, Gaussian()),
        lambda: Affine(3, Gaussian(), bias=Gaussian()),
        Scale,
        LayerNorm,
        lambda: [Reshape((3, 1, 1)), Conv((1, 1, 3), Gaussian(), bias=Gaussian())],
        lambda: [Reshape((3, 1, 1)), Deconv((1, 1, 3), Gaussian()), Reshape(-1)],
        lambda: [Reshape((3, 1)), LSTM(3, Gaussian(), None, Tanh(), Logistic(), True)],
        lambda: [Reshape((3, 1)), MultiHeadAttention(1, bias=Gaussian(), init=Gaussian())],
    ],
)
def test_the_error_passes_a_frozen_layer(be, tools, make):
    net = build(Sequential([Linear(3, Gaussian()), make(), Linear(2, Gaussian())]))
    step(be, net, 2)
    wanted = net.layers[0].dW.get()
    frozen = net.layers[1:-1]
    whole = SimpleNamespace(layers_to_optimize=[x for x in frozen if x.has_params])
    for layer in frozen:
        layer.freeze()
    gradients = [gradient for _, gradient in tools.parameters(whole)]
    for gradient in gradients:
        gradient.fill(77.0)
    step(be, net, 2)
    np.testing.assert_array_equal(net.layers[0].dW.get(), wanted)
    assert all((gradient.get() == 77).all() for gradient in gradients)
    for layer in frozen:
        layer.freeze(False)
    step(be, net, 2)
    assert not any((gradient.get() == 77).any() for gradient in gradients)


def test_a_frozen_table_of_words_is_left_alone(be):
    net = build(Sequential([LookupTable(5, 2, Gaussian()), Linear(2, Gaussian())]))
    table = net.layers[0]
    table.freeze()
    table.dW.fill(77.0)
    net.layers[0].prev_layer = True  # something below is trained
    ids = be.array(np.random.RandomState(0).randint(0, 5, (3, 32)), dtype=np.int32)
    net.fprop(ids)
    net.bprop(be.iobuf((2, 3)).fill(1.0))
    assert (table.dW.get() == 77).all()


def recurrent():
    return BiBNRNN(2, Gaussian(), activation=Tanh(), reset_cells=True)


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormAutodiff, recurrent])
def test_a_frozen_batch_norm_uses_and_keeps_its_statistics(be64, tools, kind):
    net = tools.drive(Sequential([Linear(3, Gaussian()), kind(), Linear(2, Gaussian())]), 3)
    x = np.random.RandomState(0).randn(3, 4)
    net.fprop(be64.array(x))
    norm = net.layers[1]
    norm.freeze()
    before = norm.gmean.get(), norm.gvar.get()
    assert tools.check_gradients(be64, net, x) < 1e-7
    np.testing.assert_array_equal(before, (norm.gmean.get(), norm.gvar.get()))
    inputs = be64.array(x)
    trained = net.fprop(inputs).get()
    np.testing.assert_array_equal(trained, net.fprop(inputs, inference=True).get())


def test_nothing_is_accumulated_into_a_frozen_layer(be):
    net = Sequential([Linear(3, Gaussian()), Linear(2, Gaussian())]).configure(3)
    net.allocate(accumulate_updates=True)
    net.allocate_deltas()
    net.set_acc_on(True)
    net.layers[1].freeze()
    net.layers[1].dW.fill(1.0)
    step(be, net, 2)
    assert (net.layers[1].dW.get() == 1).all()


def test_a_layer_without_parameters_below_is_skipped_only_if_one_is_frozen(be):
    net = build(Sequential([Dropout(1.0), SkipNode(), Linear(2, Gaussian())]))
    assert net._frozen_members() == 0
    net.layers[2].freeze()
    assert net._frozen_members() == 3
    net.configure(3)
    net.prev_layer = net.layers[0].prev_layer = True
    assert net._frozen_members() == 0


def test_a_description_says_what_is_frozen(be):
    net = build(Sequential([Linear(3, Gaussian()), Sequential([Linear(2, Gaussian())])]))
    assert "frozen" not in str(net.get_description())
    net.layers[1].freeze()
    entry = net.get_description(get_weights=True)
    inner = entry["config"]["layers"][1]["config"]["layers"][0]
    assert inner["frozen"] is True
    twin = Sequential.gen_class(entry["config"])
    twin.freeze_as(entry)
    assert [layer.frozen for layer in twin.layers] == [False, True]
    assert twin.layers_to_optimize == twin.layers[:1]
