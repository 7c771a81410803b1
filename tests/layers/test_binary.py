"""Binary layers against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ShapeError
from neonport.initializers import Gaussian, Uniform
from neonport.layers import BinaryAffine, BinaryLinear, Sequential, ShiftBatchNorm
from neonport.layers.layer import Activation, Bias
from neonport.transforms import Sign


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def shift(x, s):
    with np.errstate(divide="ignore"):
        return x * np.sign(s) * np.exp2(np.rint(np.log2(np.abs(s))))


def test_products_with_signs_and_a_gradient_of_the_real_weights(be, tools):
    weights = randn(2, 3)
    weights[0, 0] = 0.0  # counts as +1
    layer = tools.drive(BinaryLinear(2, weights), (3, 2))
    signs = np.where(weights >= 0, 1, -1)
    x, error = randn(3, 64), randn(2, 64, seed=1)
    y = layer.fprop(be.array(x))
    np.testing.assert_array_equal(layer.Wb.get(), signs)
    np.testing.assert_allclose(y.get(), signs @ x, rtol=1e-5, atol=1e-5)
    deltas = layer.bprop(be.array(error))
    np.testing.assert_allclose(deltas.get(), signs.T @ error, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.dW.get(), error @ x.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.W.get(), weights, rtol=1e-6)
    assert str(layer) == f"BinaryLinear Layer '{layer.name}': 3 inputs, 2 outputs"


def test_signs_of_signs_are_whole_numbers(be, tools):
    layer = tools.drive(BinaryLinear(2, Gaussian()), 5)
    x = np.where(randn(5, 32) >= 0, 1, -1)
    y = layer.fprop(be.array(x)).get()
    np.testing.assert_array_equal(y, np.where(layer.W.get() >= 0, 1, -1) @ x)


def test_beta_accumulation_and_short_batches(be, tools):
    layer = tools.drive(BinaryLinear(2, Gaussian()), 3, accumulate_updates=True)
    x, error = be.array(randn(3, 32)), be.array(randn(2, 32, seed=1))
    plain = layer.fprop(x).get()
    np.testing.assert_allclose(layer.fprop(x, beta=2.0).get(), 3 * plain, rtol=1e-5, atol=1e-5)
    layer.bprop(error)
    once = layer.dW.get()
    layer.set_acc_on(True)
    layer.bprop(error)
    np.testing.assert_allclose(layer.dW.get(), 2 * once, rtol=1e-5)
    layer.outputs.fill(-9.0)
    layer.set_batch_size(8)
    y = layer.fprop(x).get()
    np.testing.assert_allclose(y[:, :8], plain[:, :8], rtol=1e-5)
    assert (y[:, 8:] == -9).all()


def test_a_wrong_input_leaves_the_signs_alone(be, tools):
    layer = tools.drive(BinaryLinear(2, Gaussian()), 3)
    layer.Wb.fill(5.0)
    with pytest.raises(ShapeError, match="BinaryLinear"):
        layer.fprop(be.zeros((4, 32)))
    assert (layer.Wb.get() == 5).all()


@pytest.mark.parametrize(("in_shape", "maps"), [(3, 3), ((3, 4, 2), 3)])
def test_normalisation_by_shifts(be, tools, in_shape, maps):
    layer = tools.drive(ShiftBatchNorm(), in_shape)
    assert (layer.rho, layer.eps) == (0.99, 1e-6)
    gamma, beta = 1 + 0.3 * randn(maps, 1, seed=2), randn(maps, 1, seed=3)
    layer.gamma.set(gamma)
    layer.beta.set(beta)
    x = 3 * randn(*be.iobuf(in_shape).shape) + 1
    flat = x.reshape(maps, -1)
    mean = flat.mean(1, keepdims=True)
    centred = flat - mean
    var = shift(centred, centred).mean(1, keepdims=True)
    inv = 1 / np.sqrt(var + 1e-6)
    y = layer.fprop(be.array(x)).get()
    expected = shift(shift(centred, inv), gamma) + beta
    np.testing.assert_allclose(y.reshape(maps, -1), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.gvar.get(), 0.01 * var, rtol=1e-4)
    error = randn(*x.shape, seed=1)
    deltas = layer.bprop(be.array(error)).get()
    g = error.reshape(maps, -1)
    xhat, count = shift(centred, inv), flat.shape[1]
    grad_gamma = (xhat * g).sum(1, keepdims=True)
    inner = g - (shift(xhat, grad_gamma) + g.sum(1, keepdims=True)) / count
    expected = shift(shift(inner, gamma), inv)
    np.testing.assert_allclose(deltas.reshape(maps, -1), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(layer.grad_gamma.get(), grad_gamma, rtol=1e-3, atol=1e-3)


def test_inference_is_that_of_batchnorm(be, tools):
    layer = tools.drive(ShiftBatchNorm(), 3)
    layer.gmean.set(np.array([[1.0], [2], [3]]))
    layer.gvar.set(np.array([[3.0], [9], [16]]))
    x = randn(3, 32)
    y = layer.fprop(be.array(x), inference=True).get()
    expected = (x - [[1], [2], [3]]) / np.sqrt(np.array([[3], [9], [16]]))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kwargs", "classes", "last"),
    [
        ({}, [BinaryLinear], "b"),
        ({"bias": Uniform()}, [BinaryLinear, Bias], "b_bias"),
        (
            {"batch_norm": True, "activation": Sign()},
            [BinaryLinear, ShiftBatchNorm, Activation],
            "b_Sign",
        ),
    ],
)
def test_compound(kwargs, classes, last):
    layers = BinaryAffine(3, Uniform(-1, 1), name="b", **kwargs)
    assert [type(layer) for layer in layers] == classes
    assert layers[-1].name == last
    if "batch_norm" in kwargs:
        assert layers[1].name == "b_sbnorm"


def test_saved_and_loaded_the_numbers_are_the_same(be, tools):
    def make():
        return tools.drive(
            Sequential(BinaryAffine(3, Uniform(-1, 1), batch_norm=True, activation=Sign())), 4
        )

    source, target, x = make(), make(), be.array(randn(4, 32))
    source.fprop(x)
    target.load_weights(source.get_description(get_weights=True))
    for inference in (False, True):
        a, b = source.fprop(x, inference).get(), target.fprop(x, inference).get()
        np.testing.assert_array_equal(a, b)
