from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import Deconvolution
from tests.layers.windows.definitions import convolve, convolve_backward, randn

CASES = {
    "plain": ((4, 3, 6), (3, 2, 3), {}, (3, 5, 7), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
    "strides": (
        (3, 4, 2), (4, 4, 2), {"strides": 2, "padding": 1}, (2, 8, 4),
        (1, 2, 2), (0, 1, 1), (1, 1, 1),
    ),
    "dilation": (
        (2, 2, 3), (3, 2, 1), {"strides": {"str_w": 3}, "dilation": (2, 1)}, (1, 6, 8),
        (1, 1, 3), (0, 0, 0), (1, 2, 1),
    ),
    "volume": (
        (3, 2, 3, 1), (2, 3, 3, 2), {"strides": (2, 1, 2)}, (2, 4, 5, 3),
        (2, 1, 2), (0, 0, 0), (1, 1, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_transpose_of_a_convolution(make_backend, tools, case):
    in_shape, fshape, kwargs, out_shape, *slides = CASES[case]
    be = make_backend(batch_size=3, rng_seed=0)
    layer = tools.drive(Deconvolution(fshape, init=Gaussian(), bsum=True, **kwargs), in_shape)
    assert layer.out_shape == out_shape
    sizes = layer.nglayer  # dimI is that of the images that come out
    x, error = randn(*sizes.dimO), randn(*sizes.dimI, seed=1)
    f = layer.W.get().reshape(sizes.dimF)
    y = layer.fprop(be.array(x.reshape(sizes.dimO2)))
    wanted, _ = convolve_backward(np.zeros(sizes.dimI), f, x, *slides)
    np.testing.assert_allclose(y.get().reshape(sizes.dimI), wanted, atol=1e-5)
    sums = wanted.sum(axis=(1, 2, 3, 4)).reshape(-1, 1)
    np.testing.assert_allclose(layer.batch_sum.get(), sums, atol=1e-4)
    deltas = layer.bprop(be.array(error.reshape(sizes.dimI2)))
    assert deltas is layer.deltas
    wanted = convolve(error, f, *slides)
    np.testing.assert_allclose(deltas.get().reshape(sizes.dimO), wanted, atol=1e-5)
    _, wanted = convolve_backward(error, f, x, *slides)
    np.testing.assert_allclose(layer.dW.get().reshape(sizes.dimF), wanted, atol=1e-4)


def test_ones_are_exact(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(Deconvolution((3, 3, 2), init=Constant(1)), (4, 2, 2))
    y = layer.fprop(be.iobuf((4, 2, 2)).fill(1.0)).get().reshape(2, 4, 4, 2)
    line = np.array([1, 2, 2, 1])  # filters that reach a place, along an axis
    assert (y == 4 * np.outer(line, line)[None, :, :, None]).all()
    layer.bprop(be.iobuf((2, 4, 4)).fill(1.0))
    assert (layer.deltas.get() == 2 * 9).all()
    assert (layer.dW.get() == 2 * 4).all()  # samples and places


def test_alpha_beta_and_parts_of_a_batch(make_backend, tools):
    be = make_backend(batch_size=3)
    layer = tools.drive(Deconvolution((2, 2, 1), init=Constant(1)), (2, 1, 1))
    layer.outputs.fill(10.0)
    y = layer.fprop(be.iobuf((2, 1, 1)).fill(1.0), beta=0.5)
    assert (y.get() == 2 + 5).all()
    layer.deltas.fill(4.0)
    deltas = layer.bprop(be.iobuf((1, 2, 2)).fill(1.0), alpha=3.0, beta=0.5)
    assert (deltas.get() == 3 * 4 + 2).all()
    assert (layer.dW.get() == 3).all()
    layer.set_batch_size(1)
    y = layer.fprop(be.iobuf((2, 1, 1)).fill(3.0)).get()
    assert (y[:, :1] == 6).all()
    assert (y[:, 1:] == 7).all()


def test_accumulating_gradients(make_backend, tools):
    be = make_backend(batch_size=2, rng_seed=1)
    layer = tools.drive(
        Deconvolution((2, 2, 1), init=Gaussian()), (2, 2, 2), accumulate_updates=True
    )
    layer.fprop(be.array(randn(8, 2)))
    error = be.array(randn(9, 2))
    layer.bprop(error)
    alone = layer.dW.get()
    layer.set_acc_on(True)
    layer.bprop(error)
    np.testing.assert_allclose(layer.dW.get(), 2 * alone, rtol=1e-5)


def test_text_and_description(be):
    layer = Deconvolution((4, 4, 1), strides=2, padding=1, init=Gaussian(), name="d")
    layer.configure((8, 3, 3))
    assert str(layer) == (
        "Deconvolution Layer 'd': 8 x (3x3) inputs, 1 x (6x6) outputs, 1,1 padding, 2,2 stride, "
        "1,1 dilation"
    )
    layer.allocate()
    entry = layer.get_params_serialize()
    assert entry["type"] == "neon.layers.layer.Deconvolution"
    assert entry["params"]["W"].shape == (16, 8)
    again = Deconvolution.gen_class(entry["config"])
    again.load_weights(entry)
    again.configure((8, 3, 3))
    again.allocate()
    np.testing.assert_array_equal(again.W.get(), layer.W.get())


def test_a_padding_that_leaves_nothing(be):
    with pytest.raises(ConfigurationError, match="do not fit"):
        Deconvolution((2, 2, 1), padding=2, init=Gaussian()).configure((1, 1, 1))
