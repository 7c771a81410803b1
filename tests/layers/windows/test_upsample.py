from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers import Upsample
from tests.layers.windows.definitions import randn


def interpolated(x, axis, factor):
    """Linear interpolation between the centres of cells."""
    n = x.shape[axis]
    at = (np.arange(n * factor) + 0.5) / factor - 0.5
    return np.apply_along_axis(lambda line: np.interp(at, np.arange(n), line), axis, x)


CASES = [
    ((2, 3, 4), 2, (1, 2, 2)),
    ((2, 3, 1), (3, 2), (1, 3, 2)),
    ((2, 2, 3, 2), (2, 1, 3), (2, 1, 3)),
    ((1, 2, 2), 1, (1, 1, 1)),
]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize(("in_shape", "scale", "factors"), CASES)
def test_against_numpy(make_backend, tools, in_shape, scale, factors, mode):
    be = make_backend(batch_size=3)
    layer = tools.drive(Upsample(scale, mode), in_shape)
    image = (1, *in_shape[1:])[-3:]
    x = randn(in_shape[0], *image, 3)
    wanted = x
    for axis, factor in enumerate(factors, 1):
        if mode == "nearest":
            wanted = np.repeat(wanted, factor, axis)
        else:
            wanted = interpolated(wanted, axis, factor)
    sizes = wanted.shape[1:-1]
    assert layer.out_shape == (in_shape[0], *sizes[-len(in_shape) + 1 :])
    y = layer.fprop(be.array(x.reshape(-1, 3)))
    np.testing.assert_allclose(y.get(), wanted.reshape(-1, 3), atol=1e-6)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_gradients(be64, tools, mode):
    layer = tools.drive(Upsample((2, 3), mode), (2, 2, 3))
    assert tools.check_gradients(be64, layer, randn(12, 4)) < 1e-7


def test_text_and_mistakes(be):
    layer = Upsample(name="u").configure((2, 3, 4))
    assert str(layer) == "Upsample Layer 'u': 2 x (3x4) inputs, 2 x (6x8) outputs"
    assert layer.get_description() == {
        "type": "neonport.layers.windows.Upsample",
        "config": {"name": "u"},
    }
    with pytest.raises(ConfigurationError, match="'nearest' or 'bilinear'"):
        Upsample(2, "cubic")
    with pytest.raises(ConfigurationError, match="integer >= 1"):
        Upsample(0.5)
    with pytest.raises(ConfigurationError, match=r"images: \(C, H, W\)"):
        Upsample(2).configure(12)
