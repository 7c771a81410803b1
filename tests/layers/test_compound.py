from __future__ import annotations

import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import Activation, Affine, BatchNorm, Bias, Linear
from neonport.transforms import Rectlin


@pytest.mark.parametrize(
    ("kwargs", "classes"),
    [
        ({}, [Linear]),
        ({"bias": Constant(0)}, [Linear, Bias]),
        ({"activation": Rectlin()}, [Linear, Activation]),
        ({"bias": Constant(0), "activation": Rectlin()}, [Linear, Bias, Activation]),
        ({"batch_norm": True, "activation": Rectlin()}, [Linear, BatchNorm, Activation]),
    ],
)
def test_members_in_order(kwargs, classes):
    layer = Affine(3, Gaussian(), **kwargs)
    assert isinstance(layer, list)
    assert [type(member) for member in layer] == classes
    assert layer[0].bsum is kwargs.get("batch_norm", False)


def test_names():
    names = [x.name for x in Affine(3, Gaussian(), Constant(0), activation=Rectlin(), name="fc")]
    assert names == ["fc", "fc_bias", "fc_Rectlin"]
    assert [x.name for x in Affine(3, Gaussian(), batch_norm=True, name="fc")][1] == "fc_bnorm"
    auto = Affine(3, Gaussian(), Constant(0))
    assert auto[1].name == f"{auto[0].name}_bias"
    assert auto.base_name == auto[0].name


@pytest.mark.parametrize("error", [ConfigurationError, AttributeError])
def test_bias_and_batch_norm_exclude_each_other(error):
    with pytest.raises(error, match="leave out bias"):
        Affine(3, Gaussian(), bias=Constant(0), batch_norm=True)


def test_mistakes_are_found_before_layers_are_made():
    with pytest.raises(ConfigurationError, match="bias"):
        Affine(3, Gaussian(), bias=0.1)
    with pytest.raises(ConfigurationError, match=r"Rectlin\(\)"):
        Affine(3, Gaussian(), activation=Rectlin)
