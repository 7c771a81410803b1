from __future__ import annotations

import numpy as np
import pytest

from neonport.initializers import Constant, Gaussian, Uniform
from neonport.layers import Linear


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


@pytest.mark.parametrize("in_shape", [6, (6, 3), (2, 3, 1), (3, 2, 2)])
def test_outputs_deltas_and_dw_against_numpy(be, tools, in_shape):
    layer = tools.drive(Linear(5, Gaussian()), in_shape)
    rows, columns = layer.deltas.shape
    x, error = randn(rows, columns), randn(5, columns, seed=1)
    y = layer.fprop(be.array(x))
    assert y is layer.outputs
    w = layer.W.get()
    np.testing.assert_allclose(y.get(), w @ x, atol=1e-4)
    deltas = layer.bprop(be.array(error))
    assert deltas is layer.deltas
    np.testing.assert_allclose(deltas.get(), w.T @ error, atol=1e-4)
    np.testing.assert_allclose(layer.dW.get(), error @ x.T, atol=1e-3)


def test_the_output_shape_is_always_a_pair(be):
    assert Linear(5, Constant(1)).configure(4).out_shape == (5, 1)
    assert Linear(5, Constant(1)).configure((4, 7)).out_shape == (5, 7)
    layer = Linear(5, Constant(1)).configure((3, 4, 4))
    assert layer.out_shape == (5, 1)
    assert layer.weight_shape == (5, 48)


def test_ones_are_exact(be, tools):
    layer = tools.drive(Linear(5, Constant(1)), 7)
    y = layer.fprop(be.iobuf(7).fill(1.0))
    assert (y.get() == 7).all()
    deltas = layer.bprop(be.iobuf(5).fill(1.0))
    assert (deltas.get() == 5).all()
    assert (layer.dW.get() == 32).all()


def test_beta_adds_to_the_outputs(be, tools):
    layer = tools.drive(Linear(2, Constant(1)), 3)
    layer.outputs.fill(10.0)
    y = layer.fprop(be.iobuf(3).fill(1.0), beta=0.5)
    assert (y.get() == 3 + 5).all()


def test_alpha_and_beta_of_bprop_scale_the_deltas_only(be, tools):
    layer = tools.drive(Linear(2, Constant(1)), 3)
    layer.fprop(be.iobuf(3).fill(1.0))
    layer.deltas.fill(4.0)
    deltas = layer.bprop(be.iobuf(2).fill(1.0), alpha=3.0, beta=0.5)
    assert (deltas.get() == 3 * 2 + 2).all()
    assert (layer.dW.get() == 32).all()


def test_a_first_layer_computes_dw_only(be, tools):
    layer = tools.drive(Linear(2, Constant(1)), 3, first=True)
    layer.fprop(be.iobuf(3).fill(1.0))
    assert layer.bprop(be.iobuf(2).fill(1.0)) is None
    assert (layer.dW.get() == 32).all()


def test_batch_sum(be, tools):
    layer = tools.drive(Linear(2, Uniform(), bsum=True), (3, 2))
    y = layer.fprop(be.array(randn(3, 64)))
    np.testing.assert_allclose(
        layer.batch_sum.get(), y.get().sum(1, keepdims=True), rtol=1e-4, atol=1e-4
    )
    assert Linear(2, Uniform()).batch_sum is None


def test_only_the_first_columns_of_a_short_batch(be, tools):
    layer = tools.drive(Linear(2, Constant(1)), (3, 4))
    layer.outputs.fill(-1.0)
    layer.set_batch_size(8)
    layer.set_seq_len(3)
    y = layer.fprop(be.iobuf((3, 4)).fill(1.0)).get()
    assert (y[:, :24] == 3).all()
    assert (y[:, 24:] == -1).all()
    layer.set_batch_size(None)
    assert (layer.fprop(be.iobuf((3, 4)).fill(1.0)).get()[:, : 3 * 32] == 3).all()


def test_accumulating_dw(be, tools):
    layer = tools.drive(Linear(2, Uniform()), 3, accumulate_updates=True)
    errors = [be.array(randn(2, 32, seed=s)) for s in range(3)]
    layer.fprop(be.array(randn(3, 32)))
    alone = []
    for error in errors:
        layer.bprop(error)
        alone.append(layer.dW.get())
    layer.bprop(errors[0])
    layer.set_acc_on(True)
    layer.bprop(errors[1])
    layer.bprop(errors[2])
    np.testing.assert_allclose(layer.dW.get(), sum(alone), rtol=1e-5, atol=1e-5)
    layer.set_acc_on(False)
    layer.bprop(errors[1])
    np.testing.assert_allclose(layer.dW.get(), alone[1], rtol=1e-6)


def test_gradients(be64, tools):
    layer = tools.drive(Linear(3, Gaussian()), (2, 2))
    assert tools.check_gradients(be64, layer, randn(2, 8)) < 1e-7


def test_text(be):
    layer = Linear(3, Constant(1), name="fc1")
    assert str(layer) == "Linear Layer 'fc1': ? inputs, 3 outputs"
    layer.configure((2, 5))
    assert str(layer) == "Linear Layer 'fc1': 2 inputs, 3 outputs"
