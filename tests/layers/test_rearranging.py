"""Slice and Transpose against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Gaussian
from neonport.layers import Linear, Sequential, Slice, Transpose


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


@pytest.mark.parametrize(
    ("layer", "in_shape", "out_shape", "pick"),
    [
        (Slice(1, 3), 5, 2, lambda x: x[1:3]),
        (Slice(-2), (5, 3), (2, 3), lambda x: x[-2:]),
        (Slice(None, 2, axis=1), (5, 3), (5, 2), lambda x: x[:, :2]),
        (Slice(1, None, axis=-1), (2, 3, 4), (2, 3, 3), lambda x: x[:, :, 1:]),
        (Slice(), (5, 1), (5, 1), lambda x: x),
        (Transpose(), (5, 3), (3, 5), lambda x: x.transpose(1, 0, 2)),
        (Transpose((2, 0, 1)), (2, 3, 4), (4, 2, 3), lambda x: x.transpose(2, 0, 1, 3)),
        (Transpose(), 5, 5, lambda x: x),
    ],
)
def test_values_and_gradients(be, tools, layer, in_shape, out_shape, pick):
    tools.drive(layer, in_shape)
    assert layer.out_shape == out_shape
    dims = (in_shape,) if isinstance(in_shape, int) else in_shape
    x = randn(*dims, 32).astype("f4")
    flat = be.iobuf(in_shape).shape
    expected = pick(x)
    inputs, error = be.array(x.reshape(flat)), randn(*layer.outputs.shape, seed=1).astype("f4")
    y = layer.fprop(inputs)
    np.testing.assert_array_equal(y.get(), expected.reshape(y.shape))
    layer.fprop(inputs, beta=2.0)
    np.testing.assert_allclose(y.get(), 3 * expected.reshape(y.shape), rtol=1e-6)
    where = pick(np.arange(x.size).reshape(x.shape)).ravel()
    gradient = np.zeros(x.size, "f4")
    gradient[where] = error.ravel()
    deltas = layer.bprop(be.array(error))
    assert deltas is layer.deltas
    np.testing.assert_array_equal(deltas.get(), gradient.reshape(flat))
    for alpha, beta, factor in [(2.0, 0.5, 2.5), (1.0, 1.0, 3.5)]:
        layer.bprop(be.array(error), alpha=alpha, beta=beta)
        np.testing.assert_allclose(layer.deltas.get(), factor * gradient.reshape(flat), rtol=1e-6)


def test_the_rest_keeps_what_other_paths_left(be, tools):
    layer = tools.drive(Slice(0, 1), 3)
    layer.fprop(be.zeros((3, 32)))
    layer.deltas.fill(4.0)
    layer.bprop(be.ones((1, 32)), beta=1.0)
    assert layer.deltas.get()[:, 0].tolist() == [5, 4, 4]
    layer.bprop(be.ones((1, 32)), beta=0.5)
    assert layer.deltas.get()[:, 0].tolist() == [3.5, 2, 2]


def test_a_chain(be64, tools):
    net = [Linear(3, Gaussian()), Transpose(), Slice(1), Transpose(), Linear(2, Gaussian())]
    net = tools.drive(Sequential(net), (2, 3))
    assert net.out_shape == (2, 2)
    assert tools.check_gradients(be64, net, randn(2, 12)) < 1e-7


def test_first_layers_have_no_gradient(be, tools):
    layer = tools.drive(Slice(1), 3, first=True)
    layer.fprop(be.zeros((3, 32)))
    assert layer.bprop(be.ones((2, 32))) is None


def test_text(be):
    layer = Slice(1, axis=1, name="last").configure((4, 3))
    assert str(layer) == "Slice Layer 'last': (4, 3) inputs, (4, 2) outputs"


@pytest.mark.parametrize(
    ("make", "in_shape", "words"),
    [
        (lambda: Slice(1.5), 3, "start"),
        (lambda: Slice(0, 1, axis="t"), 3, "axis"),
        (lambda: Slice(0, 1, axis=1), 3, "axis=1"),
        (lambda: Slice(3), 3, "empty"),
        (lambda: Transpose((0, 2)), (3, 2), "once"),
        (lambda: Transpose((1, 0)), (3, 2, 2), "has 3"),
        (lambda: Slice(0, 1), [(3, 2), (3, 2)], "several streams"),
    ],
)
def test_mistakes(be, make, in_shape, words):
    with pytest.raises(ConfigurationError, match=words):
        make().configure(in_shape)
