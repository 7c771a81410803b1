from __future__ import annotations

import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant
from neonport.layers import DataTransform, Linear, Sequential
from neonport.transforms import Normalizer


def test_in_place_as_the_first_layer(be):
    net = Sequential([DataTransform(Normalizer(divisor=4.0)), Linear(2, Constant(1))])
    net.configure(3)
    net.allocate()
    net.allocate_deltas()
    x = be.iobuf(3).fill(8.0)
    assert (net.fprop(x).get() == 6).all()
    assert (x.get() == 2).all()
    assert net.bprop(be.iobuf(2).fill(1.0)) is None
    assert (net.layers[1].dW.get() == 64).all()


def test_nothing_else_may_stand_below(be):
    below = Linear(2, Constant(1)).configure(3)
    with pytest.raises(ConfigurationError, match="first layer"):
        DataTransform(Normalizer()).configure(below)


def test_a_class_instead_of_an_instance():
    with pytest.raises(ConfigurationError, match=r"Normalizer\(\)"):
        DataTransform(Normalizer)


def test_text():
    assert str(DataTransform(Normalizer(), name="n")) == "DataTransform Layer 'n': Normalizer"
