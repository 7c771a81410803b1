"""Softplus, SiLU and GELU: values, derivatives, and numbers at the edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Gaussian
from neonport.layers import Activation, Affine, Sequential
from neonport.layers.checks import check_transform
from neonport.transforms import GELU, SiLU, Softplus

erf = np.vectorize(math.erf)

DEFINITIONS = {
    "Softplus": (Softplus(), lambda x: np.logaddexp(0, x)),
    "SiLU": (SiLU(), lambda x: x / (1 + np.exp(-x))),
    "GELU": (GELU(), lambda x: x * (1 + erf(x / np.sqrt(2))) / 2),
    "GELU by tanh": (
        GELU("tanh"),
        lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_values_and_derivatives(make_backend: Any, name: str) -> None:
    be = make_backend(dtype=np.float64, batch_size=8)
    transform, define = DEFINITIONS[name]
    x = np.random.RandomState(0).normal(size=(5, 8)) * 3
    layer = Activation(transform).configure(5)
    layer.prev_layer = True
    layer.allocate()
    layer.set_deltas([None, None])
    inputs, error = be.array(x), np.random.RandomState(1).normal(size=x.shape)
    y = layer.fprop(inputs)
    np.testing.assert_allclose(y.get(), define(x), rtol=1e-12, atol=1e-12)
    deltas = layer.bprop(be.array(error)).get()
    step = 1e-6
    numeric = error * (define(x + step) - define(x - step)) / (2 * step)
    np.testing.assert_allclose(deltas, numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_nothing_overflows(make_backend: Any, name: str) -> None:
    be = make_backend(batch_size=8)
    transform = DEFINITIONS[name][0]
    x = np.array([[-3e38, -1e13, -90, -1e-30, 0, 90, 1e13, 3e38]], "f4")
    inputs, y, slope = be.array(x), be.empty((1, 8)), be.empty((1, 8))
    y[:] = transform(inputs)
    expected = np.maximum(x, 0)
    if name == "Softplus":
        expected[0, 3:5] = math.log(2)
    np.testing.assert_allclose(y.get(), expected, rtol=1e-6, atol=1e-30)
    slope[:] = transform.bprop(inputs if transform.needs_inputs else y)
    np.testing.assert_allclose(slope.get(), [[0, 0, 0, 0.5, 0.5, 1, 1, 1]], rtol=1e-5, atol=1e-30)


def test_a_small_softplus_keeps_its_digits(make_backend: Any) -> None:
    be = make_backend(batch_size=1)
    y, slope = be.empty((1, 1)), be.empty((1, 1))
    y[:] = Softplus()(be.array([[-30.0]]))
    slope[:] = Softplus().bprop(y)
    assert y.get().item() == pytest.approx(math.exp(-30), rel=1e-5)
    assert slope.get().item() == pytest.approx(math.exp(-30), rel=1e-5)


def test_a_layer_keeps_inputs_where_the_derivative_needs_them(make_backend: Any) -> None:
    be = make_backend(batch_size=4)
    for transform, keeps in ((SiLU(), True), (GELU(), True), (Softplus(), False)):
        net = Sequential(Affine(3, Gaussian(), activation=transform)).configure(2)
        net.allocate()
        linear, activation = net.layers
        y = net.fprop(be.ones((2, 4)))
        assert (y is linear.outputs) is not keeps
        assert activation.outputs is y


def test_layers_that_keep_outputs_only_refuse_them() -> None:
    with pytest.raises(ConfigurationError, match=r"Activation\(GELU\(\)\)"):
        check_transform(object(), GELU(), needs_bprop=True)
    check_transform(object(), GELU(), needs_bprop=False)
    check_transform(object(), Softplus(), needs_bprop=True)


def test_mistakes_and_descriptions() -> None:
    with pytest.raises(ConfigurationError, match="approximate"):
        GELU("erf")
    assert GELU("tanh").get_description()["config"]["approximate"] == "tanh"


@pytest.mark.interop
@pytest.mark.parametrize(
    ("transform", "theirs"),
    [
        (Softplus(), lambda f, x: f.softplus(x, threshold=1e9)),
        (SiLU(), lambda f, x: f.silu(x)),
        (GELU(), lambda f, x: f.gelu(x)),
        (GELU("tanh"), lambda f, x: f.gelu(x, approximate="tanh")),
    ],
    ids=DEFINITIONS,
)
def test_pytorch_agrees(make_backend: Any, transform: Any, theirs: Any) -> None:
    torch = pytest.importorskip("torch")
    be = make_backend(batch_size=8)
    x = torch.linspace(-9, 9, 40).reshape(5, 8).requires_grad_()
    expected = theirs(torch.nn.functional, x)
    expected.sum().backward()
    inputs, y, slope = be.array(x.detach().numpy()), be.empty((5, 8)), be.empty((5, 8))
    y[:] = transform(inputs)
    slope[:] = transform.bprop(inputs if transform.needs_inputs else y)
    np.testing.assert_allclose(y.get(), expected.detach().numpy(), rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(slope.get(), x.grad.numpy(), rtol=1e-4, atol=2e-6)
