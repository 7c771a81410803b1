from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Gaussian
from neonport.layers import PositionalEncoding


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def test_waves(be, tools):
    layer = tools.drive(PositionalEncoding(), (5, 3))
    assert layer.out_shape == (5, 3)
    assert layer.get_params() == []
    x = randn(5, 96)
    added = (layer.fprop(be.array(x)).get() - x).reshape(5, 3, 32)
    for t in range(3):
        angles = [t, t, t / 10000**0.4, t / 10000**0.4, t / 10000**0.8]
        expected = [np.sin(a) if i % 2 == 0 else np.cos(a) for i, a in enumerate(angles)]
        np.testing.assert_allclose(
            added[:, t], np.array(expected)[:, None] + np.zeros(32), atol=1e-5
        )
    error = be.array(randn(5, 96, seed=1))
    np.testing.assert_array_equal(layer.bprop(error).get(), error.get())


@pytest.mark.parametrize(("batch", "shape"), [(1, (3, 1)), (2, (3, 4))])
def test_learned_vectors(make_backend, tools, batch, shape):
    be = make_backend(batch_size=batch, dtype=np.float64, rng_seed=0)
    layer = tools.drive(PositionalEncoding(Gaussian()), shape)
    x = randn(shape[0], shape[1] * batch)
    y = layer.fprop(be.array(x)).get().reshape(*shape, batch)
    vectors = layer.parameters["positions"].value.get()
    np.testing.assert_allclose(y, x.reshape(*shape, batch) + vectors)
    assert tools.check_gradients(be, layer, x) < 1e-7


def test_mistakes(be):
    for shape in (3, (3, 2, 2)):
        with pytest.raises(ConfigurationError, match="no time steps"):
            PositionalEncoding().configure(shape)
