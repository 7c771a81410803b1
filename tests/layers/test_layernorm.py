"""LayerNorm against NumPy, finite differences and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers import LayerNorm


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def filled(layer):
    """Other numbers than 1 and 0."""
    for name, seed in (("gain", 2), ("bias", 3)):
        value = layer.parameters[name].value
        value.set(1 + randn(*value.shape, seed=seed))
    return layer


@pytest.mark.parametrize("in_shape", [5, (5, 3), (3, 4, 2)])
def test_values(be, tools, in_shape):
    layer = filled(tools.drive(LayerNorm(), in_shape))
    assert layer.out_shape == in_shape
    x = 3 * randn(*be.iobuf(in_shape).shape) + 100
    gain, bias = (layer.parameters[name].value.get() for name in ("gain", "bias"))
    expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * gain + bias
    for inference in (False, True):
        y = layer.fprop(be.array(x), inference).get()
        np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("batch", "in_shape"), [(1, (4, 1)), (3, (4, 2)), (2, (2, 3, 1))])
def test_gradients(make_backend, tools, batch, in_shape):
    be = make_backend(batch_size=batch, dtype=np.float64)
    layer = filled(tools.drive(LayerNorm(), in_shape))
    assert tools.check_gradients(be, layer, randn(*be.iobuf(in_shape).shape)) < 1e-7


def test_equal_features_become_the_bias(be, tools):
    layer = tools.drive(LayerNorm(), 4)
    assert np.abs(layer.fprop(be.array(np.full((4, 32), 3e4))).get()).max() < 1e-6
    assert np.isfinite(layer.bprop(be.ones((4, 32))).get()).all()


def test_text_and_mistakes(be):
    layer = LayerNorm(name="norm").configure((4, 3))
    assert str(layer) == "LayerNorm Layer 'norm': 4 inputs and outputs"
    for eps in (0, -1, "small"):
        with pytest.raises(ConfigurationError, match="eps"):
            LayerNorm(eps)


@pytest.mark.interop
def test_pytorch_agrees(be, tools):
    torch = pytest.importorskip("torch")
    layer = filled(tools.drive(LayerNorm(), (5, 3)))
    theirs = torch.nn.LayerNorm(5)
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(layer.parameters["gain"].value.get()[:, 0]))
        theirs.bias.copy_(torch.from_numpy(layer.parameters["bias"].value.get()[:, 0]))
    x, error = randn(5, 96).astype("f4"), randn(5, 96, seed=1).astype("f4")
    given = torch.from_numpy(x.T.copy()).requires_grad_()
    out = theirs(given)
    out.backward(torch.from_numpy(error.T.copy()))
    y, deltas = layer.fprop(be.array(x)).get(), layer.bprop(be.array(error)).get()
    np.testing.assert_allclose(y, out.detach().numpy().T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(deltas, given.grad.numpy().T, rtol=1e-4, atol=1e-5)
    for name, tensor in (("gain", theirs.weight), ("bias", theirs.bias)):
        gradient = layer.parameters[name].gradient.get()[:, 0]
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-4, atol=1e-4)
