from __future__ import annotations

import numpy as np
import pytest

from neonport.initializers import Constant, Gaussian
from neonport.layers import Bias


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


@pytest.mark.parametrize(
    ("in_shape", "maps"), [((5, 1), 5), ((5, 3), 5), ((3, 4, 2), 3), (7, 7), ((2, 2, 2, 3), 2)]
)
def test_one_number_a_map_is_added_in_place(be, tools, in_shape, maps):
    layer = tools.drive(Bias(Gaussian()), in_shape)
    assert layer.W.shape == (maps, 1)
    x = randn(*be.iobuf(in_shape).shape)
    inputs = be.array(x)
    y = layer.fprop(inputs)
    assert y is inputs
    expected = x.reshape(maps, -1) + layer.W.get()
    np.testing.assert_allclose(y.get(), expected.reshape(x.shape), atol=1e-6)
    error = randn(*x.shape, seed=1)
    tensor = be.array(error)
    assert layer.bprop(tensor) is tensor
    np.testing.assert_allclose(tensor.get(), error.astype(np.float32))
    sums = error.reshape(maps, -1).sum(1, keepdims=True)
    np.testing.assert_allclose(layer.dW.get(), sums, atol=1e-4)


def test_another_input_or_error_tensor_is_noticed(be, tools):
    layer = tools.drive(Bias(Constant(1)), (2, 3, 1))
    for value in (1.0, 2.0):
        x, error = be.iobuf((2, 3, 1)).fill(value), be.iobuf((2, 3, 1)).fill(value)
        assert (layer.fprop(x).get() == value + 1).all()
        layer.bprop(error)
        assert (layer.dW.get() == value * 3 * 32).all()


def test_accumulating(be, tools):
    layer = tools.drive(Bias(Constant(1)), (2, 1), accumulate_updates=True)
    layer.fprop(be.iobuf((2, 1)))
    layer.bprop(be.iobuf((2, 1)).fill(1.0))
    layer.set_acc_on(True)
    layer.bprop(be.iobuf((2, 1)).fill(2.0))
    assert (layer.dW.get() == 96).all()


def test_gradients(be64, tools):
    layer = tools.drive(Bias(Gaussian()), (2, 3, 1))
    assert tools.check_gradients(be64, layer, randn(6, 4)) < 1e-7


def test_text(be):
    layer = Bias(Constant(0), name="b")
    assert str(layer) == "Bias Layer 'b': size ?"
    assert str(layer.configure((3, 8, 9))) == "Bias Layer 'b': size 3 x (8x9)"
    assert str(layer.configure((3, 1))) == "Bias Layer 'b': size 3"
