from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers import LRN, Sequential
from tests.layers.windows.definitions import randn


def normalized(x, depth, ascale, bpower):
    """The formula, for maps along the first axis."""
    half = depth // 2
    wide = np.pad(np.square(x), [(half, half), *[(0, 0)] * (x.ndim - 1)])
    sums = sum(wide[i : i + len(x)] for i in range(depth))
    return x * (1 + ascale / depth * sums) ** -bpower


@pytest.mark.parametrize(
    ("in_shape", "depth", "ascale", "bpower"),
    [((5, 2, 3), 3, 0.5, 0.75), ((3, 2, 2, 1), 5, 2.0, 1.0), ((2, 1, 1), 1, 1e-4, 0.5)],
)
def test_against_the_formula(make_backend, tools, in_shape, depth, ascale, bpower):
    be = make_backend(batch_size=3)
    layer = tools.drive(LRN(depth, ascale=ascale, bpower=bpower), in_shape)
    assert layer.out_shape == in_shape
    x = 2 * randn(*in_shape, 3)
    y = layer.fprop(be.array(x.reshape(-1, 3)))
    wanted = normalized(x, depth, ascale, bpower).reshape(-1, 3)
    np.testing.assert_allclose(y.get(), wanted, atol=1e-5)


@pytest.mark.parametrize("bpower", [0.75, 1.0])
def test_gradients(be64, tools, bpower):
    layer = tools.drive(LRN(3, ascale=0.7, bpower=bpower), (4, 1, 2))
    assert tools.check_gradients(be64, layer, randn(8, 4)) < 1e-6


def test_the_gradient_of_one_element(be64, tools):
    """A map alone in its window: d/dx of x d^-p is d^-p - 2 p a x^2 / depth d^(-p - 1)."""
    layer = tools.drive(LRN(3, ascale=0.7, bpower=0.75), (3, 1, 1))
    for value in (-2.0, 0.5, 3.0):
        x, error = np.zeros((3, 4)), np.zeros((3, 4))
        x[1], error[1] = value, 1
        layer.fprop(be64.array(x))
        share = 0.7 / 3 * value**2
        wanted = (1 + share) ** -0.75 - 1.5 * share * (1 + share) ** -1.75
        found = layer.bprop(be64.array(error)).get()
        assert abs(found[1] - wanted).max() < 1e-12
        assert abs(found[[0, 2]]).max() < 1e-12


def test_alpha_beta_and_a_first_layer(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(LRN(1, ascale=1.0, bpower=1.0), (2, 1, 1))
    x = be.iobuf((2, 1, 1)).fill(1.0)
    layer.outputs.fill(2.0)
    assert (layer.fprop(x, beta=3.0).get() == 0.5 + 6).all()
    layer.fprop(x)
    layer.deltas.fill(2.0)
    plain = layer.bprop(x).get()
    layer.deltas.fill(2.0)
    np.testing.assert_allclose(layer.bprop(x, alpha=2.0, beta=3.0).get(), 2 * plain + 6, rtol=1e-6)
    net = tools.drive(Sequential([LRN(3)]), (2, 1, 1), first=True)
    net.fprop(x)
    assert net.bprop(x, alpha=1.0, beta=2.0) is None


def test_arguments_are_checked(be):
    with pytest.raises(ConfigurationError, match="odd"):
        LRN(4)
    with pytest.raises(ConfigurationError, match="ascale"):
        LRN(3, ascale=float("nan"))
    with pytest.raises(ConfigurationError, match=r"images: \(C, H, W\)"):
        LRN(3).configure(7)


def test_description(be):
    layer = LRN(5, ascale=1e-4, bpower=0.75, name="n")
    assert layer.get_description() == {
        "type": "neon.layers.layer.LRN",
        "config": {"depth": 5, "ascale": 1e-4, "bpower": 0.75, "name": "n"},
    }
    assert str(layer) == "LRN n"
