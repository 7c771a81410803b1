from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Gaussian
from neonport.layers import LocallyConnected, Sequential
from tests.layers.windows.definitions import convolve, randn

CASES = {
    "plain": ((2, 4, 5), (2, 3, 3), {}, (1, 1, 1), (0, 0, 0), (1, 1, 1)),
    "over the edge": (
        (1, 5, 4), (3, 2, 2), {"strides": 2, "padding": 1, "dilation": (1, 2)},
        (1, 2, 2), (0, 1, 1), (1, 1, 2),
    ),
    "volume": ((2, 3, 2, 2), (2, 1, 2, 3), {}, (1, 1, 1), (0, 0, 0), (1, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_place_is_a_convolution_with_filters_of_its_own(make_backend, tools, case):
    in_shape, fshape, kwargs, *slides = CASES[case]
    be = make_backend(batch_size=3, rng_seed=0)
    layer = tools.drive(
        LocallyConnected(fshape, init=Gaussian(), bias=Gaussian(), **kwargs), in_shape
    )
    sizes = layer._sizes
    x = randn(*sizes.dimI)
    y = layer.fprop(be.array(x.reshape(sizes.dimI2))).get().reshape(sizes.dimO)
    weights = layer.parameters["W"].value.get().reshape(-1, sizes.K, sizes.dimF2[0])
    bias = layer.parameters["bias"].value.get().reshape(*sizes.dimO[:4], 1)
    for number, place in enumerate(np.ndindex(*sizes.MPQ)):
        f = weights[number].T.reshape(sizes.dimF)
        at = (slice(None), *place)
        wanted = convolve(x, f, *slides)[at] + bias[at]
        np.testing.assert_allclose(y[at], wanted, atol=1e-5)


def test_gradients(be64, tools):
    layer = LocallyConnected((2, 2, 2), strides=2, padding=1, init=Gaussian(), bias=Gaussian())
    tools.drive(layer, (2, 2, 3))
    assert tools.check_gradients(be64, layer, randn(12, 4)) < 1e-7


def test_saved_and_loaded(make_backend):
    be = make_backend(batch_size=2, rng_seed=0)
    net = Sequential([LocallyConnected((2, 2, 2), padding=1, init=Gaussian(), name="faces")])
    net.configure((1, 3, 3))
    net.allocate()
    stored = net.get_description(get_weights=True)
    again = Sequential.gen_class(stored["config"])
    again.load_weights(stored)
    again.configure((1, 3, 3))
    again.allocate()
    x = be.array(randn(9, 2))
    np.testing.assert_array_equal(again.fprop(x).get(), net.fprop(x).get())
    assert str(again.layers[0]) == (
        "LocallyConnected Layer 'faces': 1 x (3x3) inputs, 2 x (4x4) outputs"
    )


def test_mistakes(be):
    with pytest.raises(ConfigurationError, match="number of maps"):
        LocallyConnected(3)
    with pytest.raises(ConfigurationError, match="do not fit"):
        LocallyConnected((3, 3, 1), init=Gaussian()).configure((1, 2, 2))
    with pytest.raises(ConfigurationError, match=r"images: \(C, H, W\)"):
        LocallyConnected((3, 3, 1), init=Gaussian()).configure(9)
