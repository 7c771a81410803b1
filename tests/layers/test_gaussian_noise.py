from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers import GaussianNoise


def test_noise_in_training_and_none_in_inference(be, tools):
    layer = tools.drive(GaussianNoise(0.5), (100, 3))
    x = be.array(np.random.RandomState(0).randn(100, 96))
    first = layer.fprop(x).get() - x.get()
    second = layer.fprop(x).get() - x.get()
    for noise in (first, second):
        assert abs(noise.mean()) < 0.02
        assert noise.std() == pytest.approx(0.5, rel=0.03)
        assert np.abs(noise).max() > 1.5  # three deviations: no uniform noise
        assert (np.abs(noise) < 0.5).mean() == pytest.approx(0.683, abs=0.02)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(layer.fprop(x, inference=True).get(), x.get())
    error = be.ones(x.shape)
    assert layer.bprop(error) is error


def test_the_inputs_stay(be, tools):
    layer = tools.drive(GaussianNoise(1.0), 3)
    x = be.ones((3, 32))
    assert layer.fprop(x) is not x
    assert (x.get() == 1).all()


def test_the_same_seed_gives_the_same_noise(make_backend, tools):
    found = []
    for _ in range(2):
        be = make_backend(batch_size=4, rng_seed=3)
        found.append(tools.drive(GaussianNoise(), 3).fprop(be.ones((3, 4))).get())
    np.testing.assert_array_equal(*found)


def test_no_noise_copies(be, tools):
    layer = tools.drive(GaussianNoise(0), 3)
    x = be.ones((3, 32))
    assert (layer.fprop(x).get() == 1).all()
    assert str(layer).endswith("3 inputs and outputs, std 0")


@pytest.mark.parametrize("std", [-0.1, float("nan"), "much"])
def test_mistakes(be, std):
    with pytest.raises(ConfigurationError, match="std"):
        GaussianNoise(std)
