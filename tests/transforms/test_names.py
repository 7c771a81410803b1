"""Activations by name, wherever a layer takes one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    GRU,
    LSTM,
    Activation,
    Affine,
    BiRNN,
    Conv,
    DataTransform,
    DeepBiLSTM,
    Linear,
    Recurrent,
)
from neonport.models import Model
from neonport.transforms import Rectlin, Transform, activation_of
from neonport.transforms.names import NAMES

X = np.array([[-2.0, -0.5, 0.0, 1.5, 9.0]])
PLAIN = {
    "elu": np.where(X > 0, X, np.expm1(X)),
    "identity": X,
    "leaky_relu": np.where(X > 0, X, 0.01 * X),
    "linear": X,
    "logistic": 1 / (1 + np.exp(-X)),
    "relu": np.maximum(X, 0),
    "relu6": np.clip(X, 0, 6),
    "sigmoid": 1 / (1 + np.exp(-X)),
    "silu": X / (1 + np.exp(-X)),
    "softmax": np.ones_like(X),
    "softplus": np.log1p(np.exp(X)),
    "swish": X / (1 + np.exp(-X)),
    "tanh": np.tanh(X),
}


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_name_means_what_it_means_elsewhere(make_backend: Any, name: str) -> None:
    be = make_backend(batch_size=5)
    layer = Activation(name)
    layer.configure(1)
    layer.allocate()
    np.testing.assert_allclose(layer.fprop(be.array(X)).get(), PLAIN[name], rtol=1e-5, atol=1e-6)


def test_every_name_is_tested_and_gives_a_new_object() -> None:
    assert set(NAMES) == {*PLAIN, "gelu"}
    for name in NAMES:
        assert isinstance(activation_of(name), Transform)
        assert activation_of(name) is not activation_of(name)


def test_layers_take_names(make_backend: Any) -> None:
    make_backend(batch_size=2)
    init = Gaussian()
    assert [layer.name for layer in Affine(3, init, activation="relu", name="a")][1] == "a_Rectlin"
    assert type(Conv((1, 1, 2), init, activation="gelu")[-1].transform).__name__ == "GELU"
    assert type(DataTransform("tanh").transform).__name__ == "Tanh"
    gated = {"activation": "tanh", "gate_activation": "sigmoid"}
    for layer in (LSTM(2, init, **gated), GRU(2, init, **gated), DeepBiLSTM(2, init, **gated)[0]):
        assert type(layer.activation).__name__ == "Tanh"
        assert type(layer.gate_activation).__name__ == "Logistic"
    for layer in (Recurrent(2, init, activation="relu"), BiRNN(2, init, activation="relu")):
        assert isinstance(layer.activation, Rectlin)


def test_a_model_with_names_is_that_with_objects_and_comes_back_from_its_description(
    make_backend: Any,
) -> None:
    be = make_backend(batch_size=2)
    x, outputs = be.array(np.linspace(-1, 1, 6).reshape(3, 2)), []
    for activation in ("relu", Rectlin()):
        model = Model([Affine(4, Constant(0.5), activation=activation), Linear(2, Constant(1))])
        model.initialize(3)
        outputs.append(model.fprop(x).get())
    again = Model(model.get_description(get_weights=True))
    again.initialize(3)
    outputs.append(again.fprop(x).get())
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_mistakes_are_named(make_backend: Any) -> None:
    make_backend(batch_size=2)
    with pytest.raises(ConfigurationError, match=r"^Affine: activation='rulu': .* mean 'relu'\?"):
        Affine(3, Gaussian(), activation="rulu")
    with pytest.raises(ConfigurationError, match=r"'LSTM_\d+': gate_activation='Sigmoid': "):
        LSTM(3, Gaussian(), activation="tanh", gate_activation="Sigmoid")
    with pytest.raises(ConfigurationError, match="derivative of GELU needs its inputs"):
        Recurrent(3, Gaussian(), activation="gelu")
    with pytest.raises(ConfigurationError, match="transform=3 is no transform"):
        Activation(3)
