from __future__ import annotations

import numpy as np
import pytest

from neonport.layers import Activation
from neonport.transforms import Identity, Logistic, Rectlin, Tanh


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def test_in_place_forward_and_own_deltas(be, tools):
    layer = tools.drive(Activation(Tanh()), (3, 2))
    x, error = randn(3, 64), randn(3, 64, seed=1)
    inputs, error_t = be.array(x), be.array(error)
    y = layer.fprop(inputs)
    assert y is inputs
    np.testing.assert_allclose(y.get(), np.tanh(x), atol=1e-6)
    deltas = layer.bprop(error_t)
    assert deltas is layer.deltas
    np.testing.assert_allclose(deltas.get(), error * (1 - np.tanh(x) ** 2), atol=1e-5)
    np.testing.assert_array_equal(error_t.get(), error.astype(be.default_dtype))


def test_without_a_layer_below_nothing_is_computed(be, tools):
    layer = tools.drive(Activation(Tanh()), 3, first=True)
    layer.fprop(be.iobuf(3))
    assert layer.bprop(be.iobuf(3)) is None


@pytest.mark.parametrize("transform", [Identity, Logistic, Rectlin, Tanh])
def test_gradients(be64, tools, transform):
    layer = tools.drive(Activation(transform()), (2, 3))
    assert tools.check_gradients(be64, layer, randn(2, 12)) < 1e-7


def test_text_and_description(be):
    layer = Activation(Tanh(), name="a")
    assert str(layer) == "Activation Layer 'a': Tanh"
    desc = layer.get_description()
    assert desc["type"] == "neon.layers.layer.Activation"
    assert desc["config"]["transform"]["type"].endswith(".Tanh")
    assert isinstance(Activation.gen_class(desc["config"]).transform, Tanh)
